from pathlib import Path

import pytest

from ampc.cli import main
from ampc.cli.main import VERBS, _parse
from ampc.runs import EvaluationSettings, RunSettings
from ampc.settings import load_settings, save_settings


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        assert f"  {verb}  " in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"ampc {verb}" in capsys.readouterr().out


def test_unknown_verb_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert "unknown verb 'fly'; choose one of check" in capsys.readouterr().err


def test_check_of_a_good_robot_and_goals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "rigid-arm", "--goal", "0.3", "0.2", "0.4"]) == 0
    assert "is reachable" in capsys.readouterr().out
    assert main(["check", "rigid-arm", "--goal", "3", "0", "0"]) == 1


def test_check_of_a_missing_or_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_text("<mujoco><worldbody>")
    assert main(["check", str(broken)]) == 1
    assert main(["check", str(tmp_path / "missing.xml")]) == 1
    assert "error" in capsys.readouterr().out


def test_errors_of_the_user_have_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path)]) == 2
    assert main(["dataset", str(tmp_path)]) == 2
    shown = capsys.readouterr().err
    assert "holds no run" in shown
    assert "Traceback" not in shown


def test_preset_settings_file_and_options_build_on_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[collection]\nepisodes = 3\nworkers = 1\n[mpc]\nhorizon = 12\n")
    arguments = ["collect", "rigid-arm", "--out", str(tmp_path / "run"), "--preset", "quick"]
    assert main([*arguments, "--settings", str(file), "--collection.hold", "0.1"]) == 0
    settings = load_settings(RunSettings, tmp_path / "run" / "settings.json")
    assert settings.evaluation.tasks_per_region == 200
    assert (settings.collection.episodes, settings.mpc.horizon, settings.collection.hold) == (3, 12, 0.1)
    assert main(["dataset", str(tmp_path / "run")]) == 0
    assert "episodes" in capsys.readouterr().out


def test_misspelt_settings_file_names_the_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[mpc]\nhorizont = 12\n")
    assert main(["collect", "rigid-arm", "--out", str(tmp_path / "run"), "--settings", str(file)]) == 2
    shown = capsys.readouterr().err
    assert "unknown field 'mpc.horizont'; did you mean 'horizon'?" in " ".join(shown.split())


def test_options_of_a_stage_build_on_the_runs_own_wherever_the_folder_stands(tmp_path: Path) -> None:
    own = EvaluationSettings(tasks_per_region=7)
    save_settings(RunSettings(evaluation=own), tmp_path / "settings.json")
    for words in ([str(tmp_path), "--seed", "5"], ["--seed", "5", str(tmp_path)]):
        options = _parse("evaluate", words)
        assert (options.run, options.settings.tasks_per_region, options.settings.seed) == (tmp_path, 7, 5)
