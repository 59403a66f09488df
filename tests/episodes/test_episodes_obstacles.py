"""Tasks with obstacles of their own: expert, filter, rest controller and data go by them."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ampc.control.controller import Controller
from ampc.control.goal_feedback import GoalExpert
from ampc.control.hostile import HostileController
from ampc.control.nonlinear_mpc import NonlinearMPCController
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.rest_controller import RestController
from ampc.control.safety_filter import SafetyFilter
from ampc.control.safety_settings import CertificateSettings, SafetyFilterSettings
from ampc.episodes.collection import CollectionSettings, collect
from ampc.episodes.dataset import Dataset
from ampc.episodes.episode import Episode
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import RobotSettings
from ampc.errors import DatasetError
from ampc.experiments.flexible.motion import measure_motion
from ampc.plants.flexible_plant import FlexiblePlant
from ampc.plants.measurement import Measurement
from ampc.robots import HalfSpace, Robot, load_robot
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.tasks import FlexibleTaskSampler, FlexibleTaskSettings, Task, WallSettings

COARSE = NonlinearMPCControllerSettings(
    problem=NonlinearMPCSettings(grid=GridSettings((8, 17), (0.004, 0.02), (1, 1)))
)
ARM = RobotSettings("flexible-arm-1")
SETUP = FlexibleSetup(ARM, ARM, nmpc=COARSE)
WALLS = FlexibleTaskSettings(walls=WallSettings((0.05, 0.3), (-np.pi, np.pi)))


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm-1")


@pytest.fixture(scope="module")
def task(arm: Robot) -> Task:
    """One on whose way the robot's own wall does not stand, but the task's does."""
    return FlexibleTaskSampler(arm, WALLS).sample(1, "near-wall", 1003, first=2)[0]


class Untold:
    """A controller that is not told of the task's obstacles."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.name, self.control_period = controller.name, controller.control_period
        self.last_step = controller.last_step

    def reset(self, task: Task) -> None:
        self._controller.reset(dataclasses.replace(task, obstacles=None))

    def act(self, measurement: Measurement) -> np.ndarray:
        torque = self._controller.act(measurement)
        self.last_step = self._controller.last_step
        return torque


def run(arm: Robot, controller: Controller, task: Task, duration: float = 1.2) -> Episode:
    return run_episode(FlexiblePlant(arm), controller, task, duration)


def test_the_expert_obeys_the_tasks_wall_and_would_not_if_untold(arm: Robot, task: Task) -> None:
    expert = NonlinearMPCController(arm, COARSE)
    told = measure_motion(run(arm, expert, task), arm)
    assert (told["violating samples"], told["fallback steps"]) == (0, 0)
    assert told["distance"] < 0.01
    episode = run(arm, Untold(expert), task)
    untold = measure_motion(episode, arm)
    assert untold["violating samples"] > 20
    assert untold["depth"] > 0.02
    # By the robot's own wall it did nothing wrong: metrics go by the task's.
    usual = dataclasses.replace(episode, task=dataclasses.replace(task, obstacles=None))
    assert measure_motion(usual, arm)["violating samples"] == 0


def test_obstacles_of_the_last_task_are_forgotten(arm: Robot, task: Task) -> None:
    usual = dataclasses.replace(task, obstacles=None)
    used, fresh = NonlinearMPCController(arm, COARSE), NonlinearMPCController(arm, COARSE)
    run(arm, used, task, 0.04)
    found, expected = run(arm, used, usual, 0.2), run(arm, fresh, usual, 0.2)
    assert_array_equal(found.applied_torque, expected.applied_torque)
    assert found.situations is not None
    assert expected.situations is not None
    assert_array_equal(found.situations[-1].state, expected.situations[-1].state)


def test_obstacles_that_a_task_places_where_the_robot_has_them_change_no_bit(arm: Robot, task: Task) -> None:
    usual = dataclasses.replace(task, obstacles=None)
    same = dataclasses.replace(task, obstacles=arm.obstacles)
    first, second = (run(arm, NonlinearMPCController(arm, COARSE), each, 0.2) for each in (usual, same))
    assert_array_equal(first.q, second.q)
    assert_array_equal(first.applied_torque, second.applied_torque)


def test_a_situation_holds_the_tasks_obstacles(arm: Robot, task: Task) -> None:
    episode = run(arm, NonlinearMPCController(arm, COARSE), task, 0.02)
    assert episode.situations is not None
    assert task.obstacles is not None
    for situation in (*episode.situations, GoalExpert(arm, COARSE).feedback(task).situation):
        seen = situation.state[2 * arm.n_joints + 1 :].reshape(-1, 4)
        for row, obstacle in zip(seen, task.obstacles, strict=True):
            assert_array_equal(row[:3], obstacle.normal)
            assert_allclose(row[3], obstacle.normal @ obstacle.point, atol=1e-15)


def test_the_rest_controller_ends_where_the_task_allows_it(arm: Robot, task: Task) -> None:
    controller = RestController(arm)
    inside = HalfSpace("wall", np.array([0.0, 1.0, 0.0]), task.goal + np.array([0.0, 0.01, 0.0]))
    blocked = dataclasses.replace(task, obstacles=(inside, arm.obstacles[1]))
    controller.reset(blocked)
    assert "inside 'wall'" in controller._objection
    controller.reset(task)
    assert not controller._objection


def test_the_filter_keeps_off_the_tasks_wall_who_does_not_know_of_it(arm: Robot, task: Task) -> None:
    settings = SafetyFilterSettings(certificate=CertificateSettings(brake_speed_factor=2.5))
    protected = run(arm, SafetyFilter(Untold(NonlinearMPCController(arm, COARSE)), arm, settings), task)
    assert measure_motion(protected, arm)["depth"] == 0.0
    untold = run(arm, Untold(SafetyFilter(NonlinearMPCController(arm, COARSE), arm, settings)), task)
    assert measure_motion(untold, arm)["depth"] > 0.02


def test_a_hostile_controller_runs_against_the_tasks_obstacles(arm: Robot, task: Task) -> None:
    against, measurement = HostileController("obstacles", arm), FlexiblePlant(arm).reset(task)
    assert task.obstacles is not None
    wall, ground = task.obstacles
    mirrored = tuple(dataclasses.replace(each, normal=-each.normal) for each in (wall, ground))
    torques = []
    for obstacles in ((wall, ground), mirrored):
        against.reset(dataclasses.replace(task, obstacles=obstacles))
        torques.append(against.act(measurement))
    assert_array_equal(torques[1], -torques[0])
    assert np.abs(torques[0]).max() > 0.0


def settings_of(episodes: int, walls: bool = True) -> tuple[FlexibleTaskSettings, CollectionSettings]:
    collection = CollectionSettings(
        episodes=episodes,
        seed=1003,
        regions=("random", "near-wall"),
        max_duration=0.04,
        fixed_length=True,
        workers=1,
        shard_episodes=2,
    )
    return WALLS if walls else FlexibleTaskSettings(), collection


def test_data_hold_the_obstacles_of_each_episode_however_they_were_collected(tmp_path: Path) -> None:
    whole = collect(SETUP, *settings_of(4), tmp_path / "whole")
    collect(SETUP, *settings_of(2), tmp_path / "parts")
    parts = collect(SETUP, *settings_of(4), tmp_path / "parts")
    for name, column in whole.frames.items():
        assert_array_equal(parts.frames[name], column)
    assert parts.episodes["obstacles"] == whole.episodes["obstacles"]
    model = SETUP.build_model()
    starts = whole.episode_starts
    for episode, kept in enumerate(whole.episodes["obstacles"]):
        wall, ground = json.loads(kept)
        assert (wall["name"], ground["name"]) == ("wall", "ground")
        assert ground["normal"] == model.obstacles[1].normal.tolist()
        first = 2 * model.n_joints + 1
        seen = whole.frames["observation.state"][starts[episode]][first : first + 4]
        assert_array_equal(seen[:3], wall["normal"])
        assert_allclose(seen[3], np.dot(wall["normal"], wall["point"]), atol=1e-15)
    assert len({json.loads(kept)[0]["point"][0] for kept in whole.episodes["obstacles"]}) == 4
    assert whole.meta.settings["tasks"]["walls"]["distance"] == [0.05, 0.3]
    with pytest.raises(DatasetError, match=r"tasks\.walls"):
        collect(SETUP, *settings_of(4, walls=False), tmp_path / "whole")


def test_data_without_drawn_walls_are_as_they_were(tmp_path: Path) -> None:
    dataset = collect(SETUP, *settings_of(2, walls=False), tmp_path)
    assert "obstacles" not in Dataset.open(tmp_path).episodes
    assert "walls" not in dataset.meta.settings["tasks"]
