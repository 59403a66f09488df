import pytest

from ampc.errors import SettingsError
from ampc.experiments import PRESETS, preset
from ampc.runs import RunSettings
from ampc.settings import from_dict, to_dict


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_written_down_and_read_again(name: str) -> None:
    assert from_dict(RunSettings, to_dict(preset(name))) == preset(name)


def test_full_preset_is_the_specified_protocol() -> None:
    full = preset("full")
    assert full.collection.episodes == 5000
    assert full.evaluation.tasks_per_region == 1000
    assert set(full.learning.architectures) == {"ffn", "lstm", "gru", "transformer"}
    assert len(full.learning.seeds) >= 3
    training = full.learning.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (100, 256, 1e-3)


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="choose one of quick, full"):
        preset("huge")
