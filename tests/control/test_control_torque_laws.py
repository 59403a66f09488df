import numpy as np
import pytest

from ampc.control.torque_laws import ComputedTorque, GravityCompensation, make_torque_law
from ampc.errors import SettingsError
from ampc.robots import Robot, RobotDynamics


def test_computed_torque_gives_the_commanded_acceleration_at_once_if_it_is_not_held(rigid_arm: Robot) -> None:
    dynamics = RobotDynamics(rigid_arm)
    rng = np.random.default_rng(0)
    law = ComputedTorque(RobotDynamics(rigid_arm), control_period=0.0)
    for _ in range(50):
        q, dq, command = rng.uniform(-2, 2, (3, rigid_arm.n_joints))
        split = law.split(command, q, dq)
        acceleration = dynamics.forward_dynamics(q, dq, split.corrective + split.compensation)
        np.testing.assert_allclose(acceleration, command, atol=1e-9)


def velocity_error(robot: Robot, period: float, planned_for: float) -> float:
    """Largest deviation from dq + T u after a torque has been held for T, over random states."""
    dynamics, law = RobotDynamics(robot), ComputedTorque(RobotDynamics(robot), planned_for)
    rng = np.random.default_rng(1)
    worst = 0.0
    for _ in range(20):
        q, dq, command = rng.uniform(-1, 1, (3, robot.n_joints)) * np.array([[1.0], [2.0], [8.0]])
        torque = sum(law.split(command, q, dq))
        q_k, dq_k, steps = q.copy(), dq.copy(), 200
        for _ in range(steps):
            h = period / steps
            middle = dq_k + h / 2 * dynamics.forward_dynamics(q_k, dq_k, torque)
            acceleration = dynamics.forward_dynamics(q_k + h / 2 * dq_k, middle, torque)
            q_k, dq_k = q_k + h * middle, dq_k + h * acceleration
        worst = max(worst, float(np.abs(dq_k - dq - period * command).max()))
    return worst


def test_held_computed_torque_makes_the_arm_a_double_integrator_to_third_order(rigid_arm: Robot) -> None:
    coarse, fine = (velocity_error(rigid_arm, period, period) for period in (0.04, 0.02))
    assert coarse > 6.0 * fine
    assert velocity_error(rigid_arm, 0.04, 0.0) > 3.0 * coarse


def test_gravity_compensation_alone_holds_the_arm_still(rigid_arm: Robot) -> None:
    dynamics = RobotDynamics(rigid_arm)
    law = GravityCompensation(dynamics)
    zero = np.zeros(rigid_arm.n_joints)
    for q in np.random.default_rng(1).uniform(-1, 1, (20, rigid_arm.n_joints)):
        split = law.split(zero, q, zero)
        np.testing.assert_allclose(dynamics.forward_dynamics(q, zero, split.compensation), zero, atol=1e-9)


def test_laws_are_made_by_name(rigid_arm: Robot) -> None:
    dynamics = RobotDynamics(rigid_arm)
    assert isinstance(make_torque_law("computed-torque", dynamics, 0.05), ComputedTorque)
    assert isinstance(make_torque_law("gravity-compensation", dynamics, 0.05), GravityCompensation)
    with pytest.raises(SettingsError, match="computed-torque"):
        make_torque_law("magic", dynamics, 0.05)  # type: ignore[arg-type]
