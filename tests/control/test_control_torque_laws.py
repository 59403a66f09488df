import numpy as np
import pytest

from ampc.control.torque_laws import ComputedTorque, GravityCompensation, make_torque_law
from ampc.errors import SettingsError
from ampc.robots import Robot, RobotDynamics


def test_computed_torque_makes_the_arm_a_double_integrator(rigid_arm: Robot) -> None:
    dynamics = RobotDynamics(rigid_arm)
    rng = np.random.default_rng(0)
    law = ComputedTorque(RobotDynamics(rigid_arm))
    for _ in range(50):
        q, dq, command = rng.uniform(-2, 2, (3, rigid_arm.n_joints))
        split = law.split(command, q, dq)
        acceleration = dynamics.forward_dynamics(q, dq, split.corrective + split.compensation)
        np.testing.assert_allclose(acceleration, command, atol=1e-9)


def test_gravity_compensation_alone_holds_the_arm_still(rigid_arm: Robot) -> None:
    dynamics = RobotDynamics(rigid_arm)
    law = GravityCompensation(dynamics)
    zero = np.zeros(rigid_arm.n_joints)
    for q in np.random.default_rng(1).uniform(-1, 1, (20, rigid_arm.n_joints)):
        split = law.split(zero, q, zero)
        np.testing.assert_allclose(dynamics.forward_dynamics(q, zero, split.compensation), zero, atol=1e-9)


def test_laws_are_made_by_name(rigid_arm: Robot) -> None:
    dynamics = RobotDynamics(rigid_arm)
    assert isinstance(make_torque_law("computed-torque", dynamics), ComputedTorque)
    assert isinstance(make_torque_law("gravity-compensation", dynamics), GravityCompensation)
    with pytest.raises(SettingsError, match="computed-torque"):
        make_torque_law("magic", dynamics)  # type: ignore[arg-type]
