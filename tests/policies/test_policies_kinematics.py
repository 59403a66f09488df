import numpy as np
import pytest
import torch

from ampc.policies.kinematics import ForwardKinematics, determinant, solve_symmetric, task_space_gram
from ampc.robots import KinematicChain


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_position_and_jacobian_are_those_of_the_chain(make_spec, n):
    chain = KinematicChain.from_dict(make_spec(n).kinematic_chain)
    q = np.random.default_rng(0).uniform(-np.pi, np.pi, (2, 20, n))
    position, jacobian = ForwardKinematics(chain.to_dict()).with_jacobian(torch.tensor(q).float())
    np.testing.assert_allclose(position, chain.end_effector(q), atol=3e-6)
    np.testing.assert_allclose(jacobian, np.swapaxes(chain.jacobian(q), -1, -2), atol=3e-6)


def test_small_matrices_are_solved_as_numpy_solves_them():
    jacobian = np.random.default_rng(0).normal(size=(50, 4, 3))
    right = np.random.default_rng(1).normal(size=(50, 3))
    gram = np.swapaxes(jacobian, -1, -2) @ jacobian
    found = task_space_gram(torch.tensor(jacobian))
    np.testing.assert_allclose(found, gram)
    np.testing.assert_allclose(determinant(found), np.linalg.det(gram), rtol=1e-9)
    expected = np.linalg.solve(gram, right[..., None])[..., 0]
    np.testing.assert_allclose(solve_symmetric(found, torch.tensor(right)), expected, rtol=1e-6)
