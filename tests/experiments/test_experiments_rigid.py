"""The cells that the rigid arm's studies are made of, at the smallest size."""

from pathlib import Path

import pytest

from ampc.episodes.collection import CollectionSettings
from ampc.episodes.setup import ControllerSettings
from ampc.evaluation.verdicts import STRICT
from ampc.experiments import Store
from ampc.experiments.cell import RESULT, Cell, run_cell
from ampc.experiments.rigid.comparison import compare, draw_errors, point, rows, verdicts
from ampc.experiments.rigid.conditions import CONDITIONS
from ampc.experiments.rigid.demonstrations import Demonstrations
from ampc.experiments.rigid.policies import ClonedPolicy, RetimedPolicy
from ampc.experiments.rigid.protocol import EVALUATION_SEED, group_of, trial_of, with_seed
from ampc.experiments.rigid.trial import TaskSet, Trial
from ampc.experiments.rigid.verdicts import at_least, better
from ampc.learning import TrainingSettings
from ampc.plants import PlantSettings
from ampc.policies import InputSettings
from ampc.policies.runtime import OnnxPolicy

SETS = (TaskSet("near", 3, EVALUATION_SEED), TaskSet("far", 2, EVALUATION_SEED, "boundary"))


def run(cell: Cell, store: Store) -> None:
    _, error = run_cell(("cell", cell, store))
    assert error is None, error


def test_trials_are_compared_task_by_task(tmp_path: Path) -> None:
    store = Store(tmp_path)
    lqr = ControllerSettings(kind="lqr")
    cells: dict[str, Cell] = {
        "mpc": Trial(SETS),
        with_seed("lqr", 0): Trial(SETS, lqr),
        with_seed("lqr", 1): Trial(SETS, lqr, duration=3.05),
    }
    for cell in cells.values():
        run(cell, store)
    summary = compare(cells, store, "mpc")
    assert group_of(with_seed("lqr", 1)) == "lqr"
    table = rows(summary, ("near",), condition="clean")
    assert [(row["condition"], row["method"], row["seeds"]) for row in table] == [
        ("clean", "mpc", 1),
        ("clean", "lqr", 2),
    ]
    assert table[0]["success [%]"] == 100.0
    assert table[0]["RMSE / expert"] == 1.0
    assert float(str(table[1]["RMSE / expert"])) != 1.0
    value, low, high = point(summary, "near", "lqr", "rmse", scale=1e3)
    assert low <= value <= high
    assert [row["controller"] for row in verdicts(summary, ["lqr"], STRICT)] == ["lqr"] * 3


def test_trials_keep_the_parts_that_are_there(tmp_path: Path) -> None:
    store, trial = Store(tmp_path), Trial(SETS)
    run(trial, store)
    first, second = (path for _, _, path in trial.parts(store.folder(trial)))
    written = first.stat().st_mtime_ns
    second.unlink()
    (store.folder(trial) / RESULT).unlink()
    run(trial, store)
    assert second.exists()
    assert first.stat().st_mtime_ns == written


def test_a_policy_is_trained_tried_and_retimed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    data = Demonstrations(CollectionSettings(episodes=6, seed=1000))
    training = TrainingSettings(epochs=1, batch_size=64)
    policy = ClonedPolicy(data, training, InputSettings(history=3))
    fast = RetimedPolicy(policy, control_period=0.002, stride=25)
    trial = trial_of(policy, SETS[:1])
    for cell in (data, policy, fast, trial):
        run(cell, store)
    assert store.values(data)["labels"] > 60
    spec = OnnxPolicy(store.folder(fast) / "policy.onnx").spec
    assert (spec.control_period, spec.inputs.stride) == (0.002, 25)
    assert trial.plant == PlantSettings()
    cells = {"mpc": Trial(SETS[:1]), "ffn seed 0": trial, "ffn seed 1": trial}
    found = rows(compare(cells, _with_expert(store), "mpc"), ["near"])
    assert {row["method"]: row["seeds"] for row in found} == {"mpc": 1, "ffn": 2}
    assert draw_errors(cells, store).startswith(b"\x89PNG")


def _with_expert(store: Store) -> Store:
    run(Trial(SETS[:1]), store)
    return store


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_have_a_range_and_one_beyond_it(name: str) -> None:
    condition = CONDITIONS[name]
    assert condition.tasks().variation.beyond is None
    assert name == "clean" or condition.tasks(beyond=True).variation.beyond is not None


def test_claims_are_judged_by_figures_and_by_intervals() -> None:
    good = {"success [%]": 99.0, "success interval": "97 to 99.7"}
    bad = {"success [%]": 90.0, "success interval": "86 to 93"}
    assert at_least("claim", "case", good, "success [%]", 99.0)["holds"]
    assert not at_least("claim", "case", bad, "success [%]", 99.0)["holds"]
    assert better("claim", "case", good, bad)["holds"]
    assert not better("claim", "case", bad, good)["holds"]
