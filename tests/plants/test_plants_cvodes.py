"""The reference plant: its equations against MuJoCo's, and the fast plant against it."""

import numpy as np
import pytest

from ampc.chain import YawChain
from ampc.plants import FlexiblePlant
from ampc.plants.chain_equations import chain_acceleration, to_absolute, to_relative
from ampc.plants.cvodes_plant import CvodesPlant
from ampc.robots import RobotDynamics, flexible_arm
from ampc.tasks.task import PlantVariation, Task

START = np.array([0.3, 0.8, -0.6])


def make_task(**variation) -> Task:
    return Task(0, "random", START, np.zeros(3), START, 0, PlantVariation(**variation))


@pytest.mark.parametrize("n_seg", [0, 1, 3, 10])
def test_equations_are_those_of_mujoco(n_seg):
    robot = flexible_arm(n_seg)
    n, parameters = robot.n_joints, YawChain.from_robot(robot).parameters
    acceleration, dynamics = chain_acceleration(parameters), RobotDynamics(robot)
    rng = np.random.default_rng(n_seg)
    for _ in range(5):
        x, torque = rng.normal(size=2 * n), 5.0 * rng.normal(size=3)
        absolute = np.array(acceleration(to_absolute(parameters, x), torque)).ravel()
        found = np.concatenate([absolute[:1], np.diff(absolute[1:], prepend=0.0)])
        expected = dynamics.forward_dynamics(x[:n], x[n:], torque)
        np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
        np.testing.assert_allclose(to_relative(parameters, to_absolute(parameters, x)), x, atol=1e-13)


def test_jacobian_that_the_equations_bring_along_is_theirs():
    robot = flexible_arm(2)
    parameters = YawChain.from_robot(robot).parameters
    acceleration = chain_acceleration(parameters)
    rng = np.random.default_rng(0)
    y, torque = rng.normal(size=2 * robot.n_joints), rng.normal(size=3)
    jacobian = np.array(acceleration.jacobian()(y, torque, 0)[0])
    step = 1e-6
    differences = [
        (np.array(acceleration(y + step * e, torque)) - np.array(acceleration(y - step * e, torque))).ravel()
        / (2 * step)
        for e in np.eye(len(y))
    ]
    np.testing.assert_allclose(jacobian, np.transpose(differences), atol=1e-6 * np.abs(jacobian).max())


@pytest.mark.parametrize(
    ("variation", "tolerance"),
    [({}, 3e-6), ({"stiffness_scale": 0.9, "payload": 0.02}, 3e-6), ({"input_delay": 0.005}, 1e-4)],
)
def test_fast_plant_follows_the_reference(variation, tolerance):
    """Here for a tenth of a second; benchmarks/flexible_plant.py does it for whole episodes.

    A delayed torque drops and kicks the arm: steps of torque are what the fast plant is least accurate at.
    """
    arm = flexible_arm(10)
    fast, reference = FlexiblePlant(arm), CvodesPlant(arm)
    task = make_task(**variation)
    fast.reset(task)
    reference.reset(task)
    np.testing.assert_array_equal(fast.q, reference.q)
    for k in range(25):
        torque = np.array([0.0, 3.1, 0.95]) + np.array([1.0, 0.6, 0.3]) * np.sin(0.06 * k)
        fast.step(torque)
        reference.step(torque)
        np.testing.assert_allclose(fast.q, reference.q, atol=tolerance)
    assert np.abs(reference.dq).max() > 0.1
    np.testing.assert_allclose(fast.end_effector, reference.end_effector, atol=tolerance)


def test_a_state_it_cannot_integrate_is_a_fault_not_an_exception():
    plant = CvodesPlant(flexible_arm(1))
    plant.reset(make_task())
    plant._state = np.concatenate([plant.q, np.full_like(plant.q, 1e200)])
    plant.step(np.zeros(3))
    assert plant.unstable
    assert "unstable" in plant.fault
    plant.reset(make_task())
    plant.step(np.zeros(3))
    assert plant.fault == ""
