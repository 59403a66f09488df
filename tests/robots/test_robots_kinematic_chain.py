import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ampc.robots import KinematicChain, Robot, RobotDynamics
from ampc.robots.kinematic_chain import rotation_about

seeds = st.integers(0, 2**32 - 1)


def configurations(robot: Robot, seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2 * np.pi, 2 * np.pi, (count, robot.n_joints))


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_agrees_with_mujoco(arm: Robot, seed: int) -> None:
    chain, dynamics = KinematicChain.from_robot(arm), RobotDynamics(arm)
    q = configurations(arm, seed, 3)
    assert_allclose(chain.end_effector(q), [dynamics.end_effector(x) for x in q], atol=1e-12)
    assert_allclose(chain.jacobian(q), [dynamics.jacobian(x) for x in q], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_jacobian_is_the_derivative_of_the_position(arm: Robot, seed: int) -> None:
    chain, step = KinematicChain.from_robot(arm), 1e-6
    q = configurations(arm, seed, 1)[0]
    steps = step * np.eye(arm.n_joints)
    differences = (chain.end_effector(q + steps) - chain.end_effector(q - steps)).T / (2 * step)
    assert_allclose(chain.jacobian(q), differences, atol=1e-8)


def test_batch_shapes(arm: Robot) -> None:
    chain, n = KinematicChain.from_robot(arm), arm.n_joints
    q = configurations(arm, 0, 6).reshape(2, 3, n)
    assert chain.end_effector(q).shape == (2, 3, 3)
    assert chain.jacobian(q).shape == (2, 3, 3, n)
    assert_allclose(chain.end_effector(q)[1, 2], chain.end_effector(q[1, 2]), atol=1e-15)
    assert_allclose(chain.jacobian(q)[1, 2], chain.jacobian(q[1, 2]), atol=1e-15)
    assert chain.end_effector(np.empty((0, n))).shape == (0, 3)


def test_survives_json(arm: Robot) -> None:
    chain = KinematicChain.from_robot(arm)
    copy = KinematicChain.from_dict(json.loads(json.dumps(chain.to_dict())))
    q = configurations(arm, 1, 4)
    assert np.array_equal(copy.end_effector(q), chain.end_effector(q))
    assert np.array_equal(copy.jacobian(q), chain.jacobian(q))


@given(seed=seeds, angle=st.floats(-10, 10), more=st.floats(-10, 10))
def test_rotations_form_a_group(seed: int, angle: float, more: float) -> None:
    axis = np.random.default_rng(seed).normal(size=3)
    axis /= np.linalg.norm(axis)
    rotation = rotation_about(axis, angle)
    assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
    assert_allclose(rotation @ axis, axis, atol=1e-14)
    assert_allclose(rotation @ rotation_about(axis, more), rotation_about(axis, angle + more), atol=1e-13)
