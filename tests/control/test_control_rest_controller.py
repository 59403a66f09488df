"""The rest-to-rest controller: it arrives, also with softer links, and survives what it meets on the way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.chain import YawChain
from ampc.chain.statics import StaticEquilibrium, rest_shape
from ampc.control.rest_controller import RestController, RestSettings
from ampc.control.rest_path import MotionSettings, RestPath, Route
from ampc.control.rest_routes import choose_plan
from ampc.errors import SettingsError
from ampc.plants.flexible_plant import FlexiblePlant
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics, load_robot
from ampc.tasks.task import PlantVariation, Task

NOISE = PlantVariation(position_noise=1.7e-3, velocity_noise=0.045, end_effector_noise=0.01)


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm")


@pytest.fixture(scope="module")
def task(arm: Robot) -> Task:
    return task_between(arm, [0.3, 0.9, -1.0], [1.4, 0.5, -0.6])


def task_between(robot: Robot, start: list[float], witness: list[float]) -> Task:
    chain = YawChain.from_robot(robot)
    q = rest_shape(chain, np.array(witness))
    goal = chain.points(np.concatenate([q, np.zeros_like(q)]))[0][0]
    return Task(0, "random", np.array(start), goal, np.array(witness), 7, NOISE)


@pytest.mark.parametrize("scale", [1.0, 0.9])
def test_arrives_on_a_finer_arm(arm: Robot, task: Task, scale: float) -> None:
    task = replace(task, variation=replace(NOISE, stiffness_scale=scale))
    plant, controller = FlexiblePlant(load_robot("flexible-arm-10")), RestController(arm)
    measurement = plant.reset(task)
    controller.reset(task)
    distance = []
    for _ in range(625):
        distance.append(np.linalg.norm(plant.end_effector - task.goal))
        measurement = plant.step(controller.act(measurement))
        assert controller.last_step.status == "ok", controller.last_step.reason
    assert max(distance[-75:]) < 0.006


def test_torque_is_its_parts_within_the_limits(arm: Robot, task: Task) -> None:
    controller = RestController(arm, RestSettings(position_weight=1e6))
    controller.reset(task)
    controller.act(Measurement(0.0, task.start, np.zeros(3)))
    torque = controller.act(Measurement(0.004, task.start + 1.0, np.ones(3) * 5.0, np.array([0.0, 0.0, 9.0])))
    record = controller.last_step
    np.testing.assert_allclose(record.corrective_torque + record.compensation_torque, torque, atol=1e-12)
    assert (arm.torque_limits[:, 0] <= torque).all()
    assert (torque <= arm.torque_limits[:, 1]).all()


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_never_raises_and_stays_finite(data: st.DataObject) -> None:
    robot = load_robot("flexible-arm-1")
    controller = RestController(robot)
    controller.reset(task_between(robot, [0.3, 0.9, -1.0], [0.8, 0.5, -0.6]))
    entry = st.one_of(st.floats(-1.0, 1.0), st.sampled_from([np.nan, np.inf, 1e300, -1e8]))
    triple = st.lists(entry, min_size=3, max_size=3).map(np.array)
    for k in range(data.draw(st.integers(1, 8))):
        measurement = Measurement(
            0.004 * k, data.draw(triple), data.draw(triple), data.draw(st.none() | triple)
        )
        torque = controller.act(measurement)
        assert np.isfinite(torque).all()
        assert (np.abs(torque) <= robot.torque_limits[:, 1]).all()
        assert (controller.last_step.status == "fallback") == bool(controller.last_step.reason)


def test_says_why_it_falls_back(arm: Robot, task: Task) -> None:
    controller = RestController(arm)
    controller.reset(replace(task, goal=np.array([3.0, 0.0, 0.0])))
    nothing = Measurement(0.0, np.full(3, np.nan), np.full(3, np.nan))
    np.testing.assert_array_equal(controller.act(nothing), np.zeros(3))
    assert "zero torque" in controller.last_step.reason
    controller.act(Measurement(0.0, task.start, np.zeros(3)))
    assert "the nearest point" in controller.last_step.reason
    controller.reset(task)
    controller.act(Measurement(0.0, task.start, np.zeros(3)))
    assert controller.last_step.status == "ok"
    controller.act(nothing)
    assert "no measurement" in controller.last_step.reason


@pytest.mark.parametrize("miss", [0.00015, 0.5])
def test_goal_out_of_reach_is_approached_as_far_as_can_be(arm: Robot, task: Task, miss: float) -> None:
    statics, dynamics = StaticEquilibrium(arm), RobotDynamics(arm)
    tip = dynamics.end_effector(statics.nearest(np.array([2.0, 2.5, 0.15])).q)
    goal = tip + miss * tip / np.linalg.norm(tip)
    nearest = dynamics.end_effector(statics.nearest(goal).q)
    controller = RestController(arm)
    controller.reset(replace(task, goal=goal))
    controller.act(Measurement(0.0, task.start, np.zeros(3)))
    assert controller.reference is not None
    np.testing.assert_allclose(dynamics.end_effector(controller.reference), nearest, atol=1e-4)
    # A miss that small is within what the model knows of the arm, and nothing to report.
    assert ("goal" in controller.last_step.reason) == (miss > 0.01)


def test_nothing_of_the_last_task_remains(arm: Robot, task: Task) -> None:
    """Two runs of a task are the same, whatever happened in between."""
    controller = RestController(arm)
    other = task_between(arm, [-0.4, 1.2, -0.3], [0.2, 1.0, 0.4])
    runs = []
    for each in (task, other, task):
        controller.reset(each)
        readings = [Measurement(0.004 * k, each.start + 1e-3 * k, np.full(3, 0.1)) for k in range(20)]
        runs.append([controller.act(reading) for reading in readings])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_path_is_smooth_and_at_rest_at_both_ends(arm: Robot) -> None:
    route = Route(np.array([0.0, 0.3, -0.5]), np.array([2.0, 1.0, 0.4]), np.array([0.0, 0.6, 0.0]))
    chain = YawChain.from_robot(arm)
    path = RestPath(chain, arm, route, MotionSettings())
    for time, motors in ((0.0, route.start), (path.duration, route.goal), (9.0, route.goal)):
        q, dq, ddq = path.at(time)
        np.testing.assert_allclose(q, rest_shape(chain, motors), atol=1e-9)
        np.testing.assert_allclose(np.concatenate([dq, ddq]), 0.0, atol=1e-9)
    times = np.arange(0.0, path.duration + 0.1, 0.001)
    progress, rate, change = np.transpose([path.progress(time) for time in times])
    np.testing.assert_allclose(np.gradient(progress, times)[1:-1], rate[1:-1], atol=1e-3)
    np.testing.assert_allclose(np.gradient(rate, times)[1:-1], change[1:-1], atol=1e-2)
    assert np.abs(np.diff(change)).max() < 0.05
    motor_speed = np.abs([path.at(time)[1][arm.actuated] for time in times]).max(axis=0)
    assert (motor_speed <= arm.velocity_limits[arm.actuated]).all()


def test_routes_go_around_obstacles(arm: Robot) -> None:
    """A way between two low postures, of which some dip into the ground."""
    chain, start = YawChain.from_robot(arm), np.array([0.2, 0.25, -0.25])
    goal = task_between(arm, [0.0, 0.0, 0.0], [0.3, 1.2, -1.9]).goal
    equilibria = StaticEquilibrium(arm).solve(goal)
    plan = choose_plan(chain, arm, start, equilibria, MotionSettings(), margin=0.03)
    assert plan.clearance > 0.0
    assert any(np.allclose(plan.reference[1:], each.q[1:]) for each in equilibria)


def test_settings_have_to_make_sense() -> None:
    with pytest.raises(SettingsError, match="torque_weight"):
        RestSettings(torque_weight=0.0)
