"""Policies of the arm with flexible links that meet drawn walls, or drive behind the filter, while taught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.episodes.dataset import Dataset
from ampc.episodes.filtered_setup import GuardedSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.experiments.cell import Store, run_cell
from ampc.experiments.flexible.distillation import TAUGHT
from ampc.experiments.flexible.policies import FlexiblePolicy
from ampc.experiments.flexible.single import policy_of, single_study
from ampc.experiments.flexible.taught import WalledPolicy, guarded
from ampc.experiments.flexible.trial import FlexibleTasks, FlexibleTrial
from ampc.experiments.flexible.walls import WalledTasks, WalledTrial, among_walls
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.tasks import WallSettings

ARM = RobotSettings("flexible-arm-1")
GRID = GridSettings((8, 17), (0.004, 0.02), (1, 1))
SETUP = FlexibleSetup(ARM, ARM, nmpc=NonlinearMPCControllerSettings(problem=NonlinearMPCSettings(grid=GRID)))
WALLS = WallSettings((0.05, 0.3), (-np.pi, np.pi))


def test_options_decide_the_kind_of_policy() -> None:
    plain = policy_of(SETUP, 0, "full", 1)
    assert plain == FlexiblePolicy(0, setup=SETUP)
    filtered = policy_of(SETUP, 0, "full", 1, filtered=True)
    assert isinstance(filtered.setup, GuardedSetup)
    assert replace(filtered.setup, filter=GuardedSetup().filter) == GuardedSetup(ARM, ARM, nmpc=SETUP.nmpc)
    walled = policy_of(SETUP, 0, "quick", 1, "gru", WALLS, filtered=True)
    assert isinstance(walled, WalledPolicy)
    assert walled.walls == WALLS
    assert "obstacle_directions" in walled.inputs.components
    assert (walled.inputs.history > 1, walled.dagger.goals) == (True, 0)
    assert isinstance(walled.setup, GuardedSetup)
    keys = {each.key for each in (plain, filtered, walled, replace(walled, setup=SETUP))}
    assert len(keys) == 4


def test_walls_change_nothing_else_about_tasks() -> None:
    robot = SETUP.build_robot()
    plain = FlexibleTasks("near-wall", 1003, first=2, count=3, stiffness_scale=0.9)
    trial = among_walls(FlexibleTrial(plain, (), duration=1.0), WALLS)
    assert (trial.duration, trial.tasks) == (
        1.0,
        WalledTasks("near-wall", 1003, 2, 3, 0.9, walls=WALLS),
    )
    walled = trial.tasks.sample(robot)
    assert [task.variation for task in walled] == [task.variation for task in plain.sample(robot)]
    walls = np.array([task.obstacles[0].point for task in walled if task.obstacles is not None])
    assert len(np.unique(walls, axis=0)) == 3


@pytest.mark.parametrize("setup", [SETUP, guarded(SETUP)], ids=["free", "filtered"])
def test_a_policy_that_meets_walls_is_taught_and_judged_among_them(
    setup: FlexibleSetup, tmp_path: Path
) -> None:
    policy = WalledPolicy(
        seed=0,
        dagger=DaggerSettings(rounds=1, labels=130, goals=2, epochs=1),
        training=TrainingSettings(epochs=1),
        network=NetworkSettings("ffn", 16, 1),
        inputs=flexible_inputs(directions=True),
        setup=setup,
        duration=0.06,
        walls=WALLS,
    )
    trials = single_study(policy, tasks=1).cells(False)
    assert all(isinstance(trial, WalledTrial) and trial.tasks.walls == WALLS for trial in trials.values())
    trial = next(each for name, each in trials.items() if name.startswith(TAUGHT))
    assert isinstance(trial, WalledTrial)
    store = Store(tmp_path)
    for cell in (policy, replace(trial, duration=0.4)):
        assert run_cell(("", cell, store))[1] is None
    assert store.values(policy)["labels"] > 100
    folder = store.folder(policy)
    spec = Policy.load(folder).spec
    assert "obstacle_directions" in spec.inputs.components
    rounds = [Dataset.open(folder / "rounds" / str(number) / "dataset") for number in (0, 1)]
    walls = [wall for each in rounds for wall in each.episodes["obstacles"]]
    assert len(set(walls)) == len(walls) >= 4
