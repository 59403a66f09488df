"""The fast flexible plant against physics and against its own promises."""

from dataclasses import replace

import numpy as np
import pytest

from ampc.chain import YawChain
from ampc.episodes.rollout import Plant
from ampc.errors import RobotError, SolverError, TaskError
from ampc.plants import PUBLISHED_NOISE, FlexiblePlant, FlexiblePlantSettings, MujocoPlant, PlantSettings
from ampc.robots import Robot, flexible_arm
from ampc.tasks import FlexibleTaskSampler
from ampc.tasks.task import PlantVariation, Task

START = np.array([0.3, 0.8, -0.6])


@pytest.fixture(scope="module")
def arm() -> Robot:
    return flexible_arm(10)


@pytest.fixture(scope="module")
def plant(arm) -> FlexiblePlant:
    return FlexiblePlant(arm)


def make_task(start=START, seed: int = 0, **variation) -> Task:
    start = np.asarray(start, dtype=float)
    return Task(0, "random", start, np.zeros(3), start, seed, PlantVariation(**variation))


def wiggle(arm: Robot, steps: int, scale: float = 0.1, seed: int = 3) -> np.ndarray:
    """Random torques within a share of the limits (steps, m)."""
    return np.random.default_rng(seed).uniform(-1, 1, (steps, 3)) * scale * arm.torque_limits[:, 1]


def run(plant, task: Task, torques: np.ndarray) -> np.ndarray:
    """True states [q, dq] after each torque (T, 2n)."""
    plant.reset(task)
    states = []
    for torque in torques:
        plant.step(torque)
        states.append(np.concatenate([plant.q, plant.dq]))
    return np.array(states)


def test_is_a_plant_with_the_sensors_of_the_published_arm(arm, plant):
    typed: Plant = plant
    measured = typed.reset(make_task())
    np.testing.assert_allclose(measured.q, START, atol=1e-14)
    np.testing.assert_array_equal(measured.dq, 0.0)
    np.testing.assert_allclose(measured.end_effector, plant.end_effector, atol=1e-14)
    assert plant.control_period == 0.004
    assert plant.q.shape == (arm.n_joints,) == (23,)


def test_agrees_with_mujoco(plant):
    """With one segment MuJoCo is stable at tiny steps."""
    arm = flexible_arm(1)
    torques = wiggle(arm, 25)
    fast = FlexiblePlant(arm, FlexiblePlantSettings(physics_step=0.0005))
    mujoco = MujocoPlant(arm, PlantSettings(physics_step=1e-5, control_period=0.004))
    states, expected = run(fast, make_task(), torques), run(mujoco, make_task(), torques)
    n = arm.n_joints
    np.testing.assert_allclose(states[:, :n], expected[:, :n], atol=2e-4)
    np.testing.assert_allclose(states[:, n:], expected[:, n:], atol=2e-2)
    np.testing.assert_allclose(fast.end_effector, mujoco.end_effector, atol=2e-4)


def test_starts_at_rest(arm, plant):
    """Held by its static torque the arm stays where it is."""
    plant.reset(make_task())
    start, chain = plant.q.copy(), YawChain.from_robot(arm)
    x = np.concatenate([start, np.zeros_like(start)])
    fall, by_torque = chain.acceleration(x, np.zeros(3)), chain.derivatives(x, np.zeros(3))[1]
    holding = np.linalg.lstsq(by_torque, -fall, rcond=None)[0]
    for _ in range(50):
        plant.step(holding)
    np.testing.assert_allclose(plant.q, start, atol=1e-7)


def test_a_softer_plant_sags_more(plant):
    heights = []
    for scale in (1.1, 1.0, 0.9):
        plant.reset(make_task([0.3, 0.8, -0.8], stiffness_scale=scale))
        heights.append(plant.end_effector[2])
    assert heights[0] > heights[1] > heights[2]
    plant.reset(make_task([0.3, 0.8, -0.8]))
    assert plant.end_effector[2] == heights[1]


def test_a_payload_sags_and_slows(plant):
    plant.reset(make_task())
    empty = plant.end_effector[2]
    plant.reset(make_task(payload=0.05))
    assert plant.end_effector[2] < empty - 0.01


def test_torque_limits_are_enforced_and_reported(arm, plant):
    upper = arm.torque_limits[:, 1]
    at_limit = run(plant, make_task(), np.tile(upper, (3, 1)))
    assert not plant.torque_saturated
    beyond = run(plant, make_task(), np.tile(10 * upper, (3, 1)))
    assert plant.torque_saturated
    np.testing.assert_array_equal(plant.applied_torque, upper)
    np.testing.assert_array_equal(at_limit, beyond)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_torque_becomes_zero_and_is_reported(plant, bad):
    rejected = run(plant, make_task(), np.array([[1.0, 1.0, bad]]))
    assert plant.torque_rejected
    assert "not finite" in plant.fault
    assert not plant.unstable
    np.testing.assert_array_equal(rejected, run(plant, make_task(), np.zeros((1, 3))))
    assert plant.fault == ""


@pytest.mark.parametrize("delay", [0.001, 0.004, 0.006, 0.011])
def test_delay_shifts_the_response(arm, plant, delay):
    torques = wiggle(arm, 8)
    delayed = run(plant, make_task(input_delay=delay), torques)
    shifted = np.concatenate([np.zeros((round(delay / 0.001), 3)), np.repeat(torques, 4, axis=0)])[:32]
    fine = FlexiblePlant(arm, FlexiblePlantSettings(control_period=0.001))
    np.testing.assert_allclose(delayed, run(fine, make_task(), shifted)[3::4], atol=1e-6)


def test_noise_has_its_standard_deviations_and_leaves_the_truth_alone(plant):
    task = replace(make_task(seed=4), variation=PUBLISHED_NOISE)
    clean = run(plant, make_task(), np.zeros((400, 3)))
    plant.reset(task)
    errors = []
    for expected in clean:
        measured = plant.step(np.zeros(3))
        np.testing.assert_array_equal(np.concatenate([plant.q, plant.dq]), expected)
        joints = plant.robot.actuated
        errors.append(
            [
                measured.q - plant.q[joints],
                measured.dq - plant.dq[joints],
                measured.end_effector - plant.points[0],
            ]
        )
    for sample, sigma in zip(np.moveaxis(np.array(errors), 1, 0), (1.7e-3, 45e-3, 10e-3), strict=True):
        assert sample.std() == pytest.approx(sigma, rel=0.1)
        assert abs(sample.mean()) < 4 * sigma / np.sqrt(sample.size)


def test_every_controller_meets_the_same_noise(arm, plant):
    def noise(torques, seed):
        joints = plant.robot.actuated
        plant.reset(replace(make_task(seed=seed), variation=PUBLISHED_NOISE))
        drawn = []
        for torque in torques:
            measured = plant.step(torque)
            drawn.append(
                np.concatenate([measured.q - plant.q[joints], measured.end_effector - plant.points[0]])
            )
        return np.array(drawn)

    first = noise(wiggle(arm, 5), seed=7)
    np.testing.assert_allclose(first, noise(wiggle(arm, 5, seed=9), seed=7), atol=1e-12)
    assert np.abs(first - noise(wiggle(arm, 5), seed=8)).max() > 1e-4


def test_repeating_a_task_repeats_it_bit_for_bit_whatever_came_before(arm, plant):
    torques = wiggle(arm, 6)
    first = run(plant, make_task(), torques)
    run(plant, make_task(stiffness_scale=0.8, input_delay=0.003), torques * 3)
    np.testing.assert_array_equal(first, run(plant, make_task(), torques))


def test_a_failed_integration_is_reported_and_the_arm_stands_still(arm, monkeypatch):
    plant = FlexiblePlant(arm)
    plant.reset(make_task())
    plant.step(np.ones(3))
    before = plant.q.copy()

    def fail(*_args):
        raise SolverError("no convergence")

    with monkeypatch.context() as patch:
        patch.setattr(plant, "_advance", fail)
        plant.step(np.ones(3))
    for _ in range(2):
        measured = plant.step(np.ones(3))
        assert plant.unstable
        assert "unstable" in plant.fault
        np.testing.assert_array_equal(plant.q, before)
        assert np.isfinite(measured.q).all()
    assert plant.time == pytest.approx(0.016)
    plant.reset(make_task())
    plant.step(np.zeros(3))
    assert plant.fault == ""


def test_a_state_beyond_all_bounds_is_a_fault_not_an_exception(arm):
    plant = FlexiblePlant(arm)
    plant.reset(make_task())
    plant._state = np.concatenate([plant.q, np.full_like(plant.q, 1e200)])
    plant.step(np.zeros(3))
    assert plant.unstable


def test_a_start_in_violation_is_refused(plant):
    with pytest.raises(TaskError, match=r"inside 'wall'"):
        plant.reset(make_task([-1.2, 0.8, -0.6]))
    with pytest.raises(TaskError, match=r"inside 'ground'"):
        plant.reset(make_task([0.3, -0.8, 0.0]))


def test_a_start_that_only_the_softer_plant_violates_is_not_refused(plant):
    sampler = FlexibleTaskSampler(plant.robot)
    for task in sampler.sample(5, seed=2):
        plant.reset(replace(task, variation=PlantVariation(stiffness_scale=0.5)))


def test_tasks_that_are_not_for_this_arm_are_refused(plant):
    with pytest.raises(TaskError, match="2 joints"):
        plant.reset(make_task(START[:2]))
    with pytest.raises(TaskError, match="not finite"):
        make_task([np.nan, 0.0, 0.0])
    with pytest.raises(TaskError, match="stiffness_scale"):
        plant.reset(make_task(stiffness_scale=0.0))
    with pytest.raises(ValueError, match="shape"):
        plant.step(np.zeros(4))


def test_a_robot_of_another_kind_is_refused(rigid_arm):
    turned = replace(rigid_arm, obstacle_points=())
    model = turned.model.__copy__()
    model.opt.gravity[:] = (0.0, 9.81, 0.0)
    with pytest.raises(RobotError, match="gravity"):
        FlexiblePlant(replace(turned, model=model))


def test_carries_the_rigid_arm_too(rigid_arm):
    """A rigid yaw chain is the case without springs; MuJoCo's own integrator comes close."""
    start = rigid_arm.home
    task = Task(0, "interior", start, np.zeros(3), start, 0)
    torques = np.tile(0.1 * rigid_arm.torque_limits[:, 1], (20, 1))
    chain = run(FlexiblePlant(rigid_arm, PlantSettings(control_period=0.01)), task, torques)
    mujoco = run(MujocoPlant(rigid_arm, PlantSettings(1e-4, 0.01)), task, torques)
    np.testing.assert_allclose(chain, mujoco, atol=5e-3)
