import copy
import functools
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import ampc.robots
from ampc.robots import Robot, RobotDynamics, load_robot
from ampc.robots.symbolic import SymbolicDynamics

pinocchio = pytest.importorskip("pinocchio")

EXAMPLES = Path(__file__).parents[2] / "examples" / "arms"
TOLERANCE = 1e-9
seeds = st.integers(0, 2**32 - 1)


def state(robot: Robot, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, velocity and acceleration, well beyond the limits."""
    rng = np.random.default_rng(seed)
    n = robot.n_joints
    return rng.uniform(-np.pi, np.pi, n), rng.uniform(-5, 5, n), rng.uniform(-20, 20, n)


@functools.cache
def symbolic(robot: Robot) -> SymbolicDynamics:
    return SymbolicDynamics(robot)


def unconstrained(robot: Robot) -> mujoco.MjModel:
    """The robot's model without joint limits and friction loss."""
    model = copy.copy(robot.model)
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    return model


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_numeric_agrees_with_mujoco_inverse_and_forward(arm: Robot, seed: int) -> None:
    dynamics, model = RobotDynamics(arm), unconstrained(arm)
    q, dq, ddq = state(arm, seed)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:], data.qacc[:] = q, dq, ddq
    mujoco.mj_inverse(model, data)
    assert_allclose(dynamics.inverse_dynamics(q, dq, ddq), data.qfrc_inverse, atol=TOLERANCE)

    control = np.random.default_rng(seed).uniform(*model.actuator_ctrlrange.T)
    data.ctrl[:] = control
    mujoco.mj_forward(model, data)
    torque = np.clip(control[arm.actuator_ids] * arm.gear, *arm.torque_limits.T)
    assert_allclose(torque, data.qfrc_actuator[arm.actuated], atol=TOLERANCE)
    assert_allclose(dynamics.forward_dynamics(q, dq, torque), data.qacc, rtol=1e-10, atol=TOLERANCE)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_symbolic_agrees_with_mujoco(arm: Robot, seed: int) -> None:
    dynamics, functions = RobotDynamics(arm), symbolic(arm)
    q, dq, torque = state(arm, seed)
    torque = torque[: arm.n_actuated]
    arguments = {
        "end_effector": (q,), "jacobian": (q,), "mass_matrix": (q,), "gravity": (q,),
        "bias": (q, dq), "passive": (q, dq),
    }  # fmt: skip
    for name, values in arguments.items():
        expected = getattr(dynamics, name)(*values)
        actual = np.array(getattr(functions, name)(*values)).reshape(expected.shape)
        assert_allclose(actual, expected, atol=TOLERANCE, err_msg=name)
    actual = np.array(functions.forward_dynamics(q, dq, torque)).ravel()
    assert_allclose(actual, dynamics.forward_dynamics(q, dq, torque), rtol=1e-9, atol=TOLERANCE)


def with_explicit_inertia(path: Path, folder: Path) -> str:
    """A copy of an MJCF file that states each inertia, which Pinocchio does not infer from geometry."""
    spec = mujoco.MjSpec.from_file(str(path))
    spec.compiler.saveinertial = True
    spec.compile()
    copied = folder / path.name
    copied.write_text(spec.to_xml())
    return str(copied)


@pytest.fixture(scope="module", params=["rigid-arm", "ceiling-arm", "bench-arm"])
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Robot, Any]:
    """A robot, and Pinocchio's reading of the same file."""
    if request.param == "bench-arm":
        urdf = str(EXAMPLES / "bench_arm.urdf")
        return load_robot(urdf), pinocchio.buildModelFromUrdf(urdf)
    assets = Path(ampc.robots.__file__).parent / "assets"
    original = {"rigid-arm": assets / "rigid_arm.xml", "ceiling-arm": EXAMPLES / "ceiling_arm.xml"}
    mjcf = with_explicit_inertia(original[request.param], tmp_path_factory.mktemp("pinocchio"))
    return load_robot(mjcf), pinocchio.buildModelFromMJCF(mjcf)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_agrees_with_pinocchio(twin: tuple[Robot, Any], seed: int) -> None:
    robot, model = twin
    dynamics, functions, data = RobotDynamics(robot), symbolic(robot), model.createData()
    q, dq, ddq = state(robot, seed)

    mass = pinocchio.crba(model, data, q)
    mass = np.triu(mass) + np.triu(mass, 1).T
    bias = pinocchio.nonLinearEffects(model, data, q, dq)
    assert_allclose(dynamics.mass_matrix(q), mass, atol=TOLERANCE)
    assert_allclose(functions.mass_matrix(q), mass, atol=TOLERANCE)
    assert_allclose(dynamics.bias(q, dq), bias, atol=TOLERANCE)
    assert_allclose(np.array(functions.bias(q, dq)).ravel(), bias, atol=TOLERANCE)
    torque = mass @ ddq + bias - dynamics.passive(q, dq)
    assert_allclose(dynamics.inverse_dynamics(q, dq, ddq), torque, atol=TOLERANCE)

    def position(q: np.ndarray) -> np.ndarray:
        pinocchio.framesForwardKinematics(model, data, q)
        return data.oMf[model.getFrameId(robot.end_effector)].translation.copy()

    # Pinocchio puts a fixed base at the origin, wherever an MJCF file has it.
    moved = dynamics.end_effector(q) - dynamics.end_effector(robot.home)
    assert_allclose(moved, position(q) - position(robot.home), atol=TOLERANCE)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_forward_and_inverse_dynamics_are_inverses(arm: Robot, seed: int) -> None:
    dynamics = RobotDynamics(arm)
    q, dq, acceleration = state(arm, seed)
    torque = acceleration[: arm.n_actuated]
    joint_torque = np.zeros(arm.n_joints)
    joint_torque[arm.actuated] = torque
    ddq = dynamics.forward_dynamics(q, dq, torque)
    assert_allclose(dynamics.inverse_dynamics(q, dq, ddq), joint_torque, atol=1e-8)
    still = np.zeros_like(q)
    assert_allclose(dynamics.holding_torque(q), dynamics.inverse_dynamics(q, still, still), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_mass_matrix_is_symmetric_and_positive_definite(arm: Robot, seed: int) -> None:
    dynamics = RobotDynamics(arm)
    q, dq, _ = state(arm, seed)
    mass = dynamics.mass_matrix(q)
    assert_allclose(mass, mass.T, atol=1e-14)
    assert np.linalg.eigvalsh(mass).min() >= 0.99 * arm.model.dof_armature.min()
    assert np.linalg.eigvalsh(mass).min() > 0.0
    together, rest = dynamics.mass_matrix_and_bias(q, dq)
    assert np.array_equal(together, mass)
    assert_allclose(rest, dynamics.bias(q, dq) - dynamics.passive(q, dq), atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_coriolis_torque_does_the_work_that_the_changing_inertia_takes_up(arm: Robot, seed: int) -> None:
    """d(kinetic energy)/dt = dq . torque: dq^T (bias - gravity) = 1/2 dq^T dM/dt dq."""
    dynamics, step = RobotDynamics(arm), 1e-6
    q, dq, _ = state(arm, seed)
    rate = (dynamics.mass_matrix(q + step * dq) - dynamics.mass_matrix(q - step * dq)) / (2 * step)
    power = dq @ (dynamics.bias(q, dq) - dynamics.gravity(q))
    assert power == pytest.approx(0.5 * dq @ rate @ dq, abs=1e-6, rel=1e-6)


def test_returned_arrays_are_not_overwritten_by_the_next_call(arm: Robot) -> None:
    dynamics = RobotDynamics(arm)
    q, dq, _ = state(arm, 0)
    calls = [
        lambda x: dynamics.end_effector(x), lambda x: dynamics.jacobian(x), lambda x: dynamics.mass_matrix(x),
        lambda x: dynamics.bias(x, dq), lambda x: dynamics.gravity(x), lambda x: dynamics.passive(x, x),
        lambda x: dynamics.holding_torque(x),
    ]  # fmt: skip
    for call in calls:
        first = call(q)
        kept = first.copy()
        call(q + 1.0)
        assert np.array_equal(first, kept)


def test_uses_a_varied_model(rigid_arm: Robot) -> None:
    model = copy.copy(rigid_arm.model)
    model.body_mass[:] *= 2.0
    twice = RobotDynamics(rigid_arm, model).gravity(rigid_arm.home)
    assert_allclose(twice, 2.0 * RobotDynamics(rigid_arm).gravity(rigid_arm.home))
