"""The MuJoCo plant against physics and against its own promises."""

import copy
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from ampc.errors import SettingsError, TaskError
from ampc.plants import MujocoPlant, PlantSettings
from ampc.robots import Robot, RobotDynamics
from ampc.tasks.task import PlantVariation, Task


def make_task(robot: Robot, start=None, seed: int = 0, **variation) -> Task:
    start = robot.home if start is None else np.asarray(start, dtype=float)
    return Task(0, "interior", start, np.zeros(3), start, seed, PlantVariation(**variation))


def without(robot: Robot, *, damping: bool = False, limits: bool = False, gravity: bool = False) -> Robot:
    """The robot with the named effects switched off."""
    model = copy.copy(robot.model)
    if damping:
        model.dof_damping[:] = 0.0
    if limits:
        model.jnt_limited[:] = 0
    if gravity:
        model.opt.gravity[:] = 0.0
    changed = copy.copy(robot)
    object.__setattr__(changed, "model", model)
    return changed


def run(plant: MujocoPlant, task: Task, torques: np.ndarray) -> np.ndarray:
    """True states [q, dq] after each torque (T, 2n)."""
    plant.reset(task)
    states = []
    for torque in torques:
        plant.step(torque)
        states.append(np.concatenate([plant.q, plant.dq]))
    return np.array(states)


def wiggle(robot: Robot, steps: int, scale: float = 0.2, seed: int = 3) -> np.ndarray:
    """Random torques within a share of the limits (steps, m)."""
    return np.random.default_rng(seed).uniform(-1, 1, (steps, robot.n_actuated)) * (
        scale * robot.torque_limits[:, 1]
    )


def test_conserves_energy_without_damping_and_torque(rigid_arm):
    robot = without(rigid_arm, damping=True, limits=True)
    robot.model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    plant = MujocoPlant(robot, PlantSettings(physics_step=1e-4, control_period=0.01))
    plant.reset(make_task(robot))
    data = mujoco.MjData(plant.model)
    energies, speeds = [], []
    for _ in range(50):
        plant.step(np.zeros(robot.n_actuated))
        data.qpos[:], data.qvel[:] = plant.q, plant.dq
        mujoco.mj_forward(plant.model, data)
        energies.append(data.energy.sum())
        speeds.append(np.abs(plant.dq).max())
    assert max(speeds) > 0.5
    assert np.ptp(energies) < 1e-3 * np.abs(energies).max()


def test_follows_the_equations_of_motion(rigid_arm):
    """Integrating forward dynamics with a tiny step by another scheme gives the same motion."""
    robot = without(rigid_arm, limits=True)
    n = robot.n_joints
    plant = MujocoPlant(robot, PlantSettings(physics_step=2e-5, control_period=0.02))
    torques = wiggle(robot, 5)
    simulated = run(plant, make_task(robot), torques)
    data = mujoco.MjData(robot.model)

    def derivative(state, torque):
        data.qpos[:], data.qvel[:] = state[:n], state[n:]
        data.ctrl[robot.actuator_ids] = torque / robot.gear
        mujoco.mj_forward(robot.model, data)
        return np.concatenate([data.qvel, data.qacc])

    state, h = np.concatenate([robot.home, np.zeros(n)]), 1e-3
    for torque, expected in zip(torques, simulated, strict=True):
        for _ in range(20):
            k1 = derivative(state, torque)
            k2 = derivative(state + h / 2 * k1, torque)
            k3 = derivative(state + h / 2 * k2, torque)
            k4 = derivative(state + h * k3, torque)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        np.testing.assert_allclose(expected, state, atol=3e-4)


def test_control_and_physics_rates_are_independent(rigid_arm):
    """The same torque gives bit-identical motion, handed over at 20 Hz or at 500 Hz."""
    torques = wiggle(rigid_arm, 6)
    slow = MujocoPlant(rigid_arm, PlantSettings(control_period=0.05))
    fast = MujocoPlant(rigid_arm, PlantSettings(control_period=0.002))
    task = make_task(rigid_arm)
    np.testing.assert_array_equal(
        run(slow, task, torques), run(fast, task, np.repeat(torques, 25, axis=0))[24::25]
    )


def test_motion_converges_as_the_physics_step_shrinks(rigid_arm):
    robot = without(rigid_arm, limits=True)
    torques, task = wiggle(robot, 8), make_task(robot)
    coarse, medium, fine = (
        run(MujocoPlant(robot, PlantSettings(physics_step=step)), task, torques)
        for step in (1e-3, 5e-4, 5e-5)
    )
    assert np.abs(medium - fine).max() < 0.6 * np.abs(coarse - fine).max()


def test_end_effector_belongs_to_the_current_joint_positions(rigid_arm):
    plant = MujocoPlant(rigid_arm)
    plant.reset(make_task(rigid_arm))
    plant.step(0.5 * rigid_arm.torque_limits[:, 1])
    data = mujoco.MjData(rigid_arm.model)
    data.qpos[:] = plant.q
    mujoco.mj_kinematics(rigid_arm.model, data)
    np.testing.assert_allclose(plant.end_effector, data.site_xpos[rigid_arm.end_effector_id], atol=1e-14)


def test_torque_limits_are_enforced_and_reported(rigid_arm):
    plant = MujocoPlant(rigid_arm)
    task = make_task(rigid_arm)
    upper = rigid_arm.torque_limits[:, 1]
    at_limit = run(plant, task, np.tile(upper, (3, 1)))
    assert not plant.torque_saturated
    beyond = run(plant, task, np.tile(10 * upper, (3, 1)))
    assert plant.torque_saturated
    np.testing.assert_array_equal(plant.applied_torque, upper)
    np.testing.assert_array_equal(at_limit, beyond)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_torque_becomes_zero_and_is_reported(rigid_arm, bad):
    plant = MujocoPlant(rigid_arm)
    task = make_task(rigid_arm)
    torque = rigid_arm.torque_limits[:, 1] * 0.5
    torque[-1] = bad
    rejected = run(plant, task, torque[None])
    assert plant.torque_rejected
    assert "not finite" in plant.fault
    assert not plant.unstable
    np.testing.assert_array_equal(plant.applied_torque, 0.0)
    np.testing.assert_array_equal(rejected, run(plant, task, np.zeros((1, rigid_arm.n_actuated))))
    assert not plant.torque_rejected
    assert plant.fault == ""


@pytest.mark.parametrize("delay", [0.003, 0.05, 0.061, 0.1])
def test_delay_shifts_the_response_exactly(rigid_arm, delay):
    """Torque 1 kHz plant undelayed, its torques padded by zeros, equals the delayed 20 Hz plant."""
    torques = wiggle(rigid_arm, 8)
    delayed = run(MujocoPlant(rigid_arm), make_task(rigid_arm, input_delay=delay), torques)
    steps = round(delay / 0.001)
    zeros = np.zeros((steps, rigid_arm.n_actuated))
    expected = np.concatenate([zeros, np.repeat(torques, 50, axis=0)])[: 8 * 50]
    fine = MujocoPlant(rigid_arm, PlantSettings(control_period=0.001))
    np.testing.assert_array_equal(delayed, run(fine, make_task(rigid_arm), expected)[49::50])


def test_noise_has_its_standard_deviation_and_leaves_the_truth_alone(rigid_arm):
    robot = without(rigid_arm, gravity=True)
    plant = MujocoPlant(robot, PlantSettings(control_period=0.001))
    plant.reset(make_task(robot, position_noise=0.02, velocity_noise=0.3))
    errors = []
    for _ in range(2000):
        measured = plant.step(np.zeros(robot.n_actuated))
        errors.append([measured.q - plant.q[robot.actuated], measured.dq - plant.dq[robot.actuated]])
    position, velocity = np.moveaxis(np.array(errors), 1, 0)
    for sample, sigma in ((position, 0.02), (velocity, 0.3)):
        assert sample.std() == pytest.approx(sigma, rel=0.06)
        assert abs(sample.mean()) < 4 * sigma / np.sqrt(sample.size)
    assert abs(np.corrcoef(position[:, 0], velocity[:, 0])[0, 1]) < 0.1
    np.testing.assert_allclose(plant.q, robot.home, atol=1e-6)


def test_every_controller_meets_the_same_noise(rigid_arm):
    """Noise depends on the task's seed and the step, not on the torques."""

    def noise(plant, torques, seed):
        first = plant.reset(make_task(rigid_arm, seed=seed, position_noise=0.01, velocity_noise=0.1))
        sequence = [first.q - plant.q]
        for torque in torques:
            measured = plant.step(torque)
            sequence.append(np.concatenate([measured.q - plant.q, measured.dq - plant.dq]))
        return np.concatenate(sequence)

    one, other = MujocoPlant(rigid_arm), MujocoPlant(rigid_arm)
    first = noise(one, wiggle(rigid_arm, 5), seed=7)
    np.testing.assert_allclose(first, noise(other, wiggle(rigid_arm, 5, seed=8), seed=7), atol=1e-12)
    np.testing.assert_allclose(first, noise(one, wiggle(rigid_arm, 5, seed=9), seed=7), atol=1e-12)
    assert np.abs(first - noise(one, wiggle(rigid_arm, 5), seed=8)).max() > 1e-3


def test_repeating_a_task_repeats_it_bit_for_bit_whatever_came_before(rigid_arm):
    plant = MujocoPlant(rigid_arm)
    torques = wiggle(rigid_arm, 6)
    first = run(plant, make_task(rigid_arm), torques)
    run(plant, make_task(rigid_arm, payload=2.0, input_delay=0.02), torques * 3)
    np.testing.assert_array_equal(first, run(plant, make_task(rigid_arm), torques))


def test_a_simulation_that_blows_up_is_reported_and_stays_reported(rigid_arm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings to a log in the working directory
    plant = MujocoPlant(rigid_arm)
    plant.reset(make_task(rigid_arm))
    plant._data.qvel[:] = 1e12
    for _ in range(3):
        plant.step(np.zeros(rigid_arm.n_actuated))
        assert plant.unstable
        assert "unstable" in plant.fault
    assert plant.time == pytest.approx(0.15)
    plant.reset(make_task(rigid_arm))
    plant.step(np.zeros(rigid_arm.n_actuated))
    assert not plant.unstable
    assert plant.fault == ""


def with_sprung_shoulder(robot: Robot) -> Robot:
    """The rigid arm with a spring in place of its second motor."""
    driven = np.array([0, 2])
    model = copy.copy(robot.model)
    model.jnt_stiffness[1] = 200.0
    return replace(
        robot,
        model=model,
        actuated=driven,
        actuator_ids=robot.actuator_ids[driven],
        gear=robot.gear[driven],
        torque_limits=robot.torque_limits[driven],
    )


def test_passive_joints_start_at_rest_and_are_neither_driven_nor_measured(rigid_arm):
    robot = with_sprung_shoulder(rigid_arm)
    plant, start = MujocoPlant(robot), np.array([0.3, -1.0])
    measured = plant.reset(Task(0, "interior", start, np.zeros(3), start, 0))
    np.testing.assert_array_equal(measured.q, start)
    np.testing.assert_array_equal(measured.end_effector, plant.end_effector)
    holding = RobotDynamics(robot).mass_matrix_and_bias(plant.q, np.zeros(3))[1]
    assert abs(holding[1]) < 1e-9

    for _ in range(20):
        plant.step(holding[robot.actuated])
    np.testing.assert_allclose(plant.dq, 0.0, atol=1e-6)
    measured = plant.step(np.zeros(2))
    np.testing.assert_array_equal(measured.q, plant.q[robot.actuated])
    assert plant.q.shape == (3,)
    assert abs(plant.dq[1]) > 1e-4


def test_stiffness_and_end_effector_noise_reach_the_plant(rigid_arm):
    robot = with_sprung_shoulder(rigid_arm)
    plant, start = MujocoPlant(robot), np.array([0.3, -1.0])
    task = Task(0, "interior", start, np.zeros(3), start, 0)
    plant.reset(task)
    stiff = plant.q[1]
    soft = replace(task, variation=PlantVariation(stiffness_scale=0.5, end_effector_noise=0.01))
    errors = [plant.reset(replace(soft, seed=seed)).end_effector - plant.end_effector for seed in range(300)]
    assert plant.q[1] < stiff - 0.01
    np.testing.assert_allclose(np.std(errors, axis=0), 0.01, rtol=0.15)
    plant.reset(task)
    assert plant.q[1] == stiff


@pytest.mark.parametrize(
    ("step", "period"),
    [(0.003, 0.05), (0.001, 0.0505), (0.1, 0.05), (0.0, 0.05), (0.001, -1.0), (np.nan, 0.05)],
)
def test_rates_that_do_not_fit_are_refused(step, period):
    with pytest.raises(SettingsError, match="plant"):
        PlantSettings(physics_step=step, control_period=period)


def test_a_task_for_another_robot_is_refused(rigid_arm):
    with pytest.raises(TaskError, match="joints"):
        MujocoPlant(rigid_arm).reset(make_task(rigid_arm, start=np.zeros(rigid_arm.n_joints + 1)))


def test_a_torque_of_the_wrong_shape_is_a_programming_error(rigid_arm):
    plant = MujocoPlant(rigid_arm)
    with pytest.raises(ValueError, match="shape"):
        plant.step(np.zeros(rigid_arm.n_actuated + 1))
