import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.errors import PolicyError
from ampc.policies import InputSettings
from ampc.policies.features import Features
from ampc.policies.kinematics import ForwardKinematics
from ampc.robots import KinematicChain

COMPONENTS = ("state", "state_error", "reference", "target", "target_error", "sincos")


def batch(spec, size, length, seed=0):
    rng = np.random.default_rng(seed)
    m, n = spec.n_actuated, spec.n_joints
    shapes = ((size, length, 2 * m), (size, n), (size, 3), (size, length, m))
    return [rng.uniform(-3.0, 3.0, shape) for shape in shapes]


def features_in_numpy(spec, states, reference, goal, past_commands):
    length = states.shape[1]
    q, dq = states[..., : spec.n_actuated], states[..., spec.n_actuated :]
    q_ref = reference[:, list(spec.actuated)]
    values = {
        "state": lambda: states,
        "state_error": lambda: np.concatenate([q - q_ref[:, None], dq], -1),
        "reference": lambda: np.repeat(reference[:, None], length, 1),
        "target": lambda: np.repeat(goal[:, None], length, 1),
        "target_error": lambda: (
            goal[:, None] - KinematicChain.from_dict(spec.kinematic_chain).end_effector(q)
        ),
        "sincos": lambda: np.concatenate([np.sin(q), np.cos(q)], -1),
    }
    parts = [values[name]() for name in spec.inputs.components]
    return np.concatenate([*parts, past_commands] if spec.inputs.past_commands else parts, -1)


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 7),
    size=st.integers(1, 3),
    length=st.integers(1, 4),
    components=st.permutations(COMPONENTS).flatmap(lambda p: st.integers(1, 6).map(lambda k: tuple(p[:k]))),
    past_commands=st.booleans(),
)
def test_equal_a_numpy_reference(make_spec, n, size, length, components, past_commands):
    spec = make_spec(n, InputSettings(components, past_commands=past_commands))
    arrays = batch(spec, size, length)
    features = Features(spec)
    found = features.raw(*(torch.tensor(a, dtype=torch.float32) for a in arrays))
    expected = features_in_numpy(spec, *arrays)
    assert found.shape == (size, length, features.size)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_state_error_of_a_partly_actuated_arm(make_spec):
    spec = make_spec(4, InputSettings(("state_error",)), actuated=(1, 3), command_limit=(1.0, 1.0))
    arrays = batch(spec, 2, 3)
    found = Features(spec).raw(*(torch.tensor(a, dtype=torch.float32) for a in arrays))
    np.testing.assert_allclose(found, features_in_numpy(spec, *arrays), atol=1e-6)


def test_forward_kinematics_equals_that_of_the_robot(rigid_arm):
    chain = KinematicChain.from_robot(rigid_arm)
    q = np.random.default_rng(0).uniform(-np.pi, np.pi, (100, rigid_arm.n_joints))
    found = ForwardKinematics(chain.to_dict())(torch.tensor(q, dtype=torch.float32))
    np.testing.assert_allclose(found, chain.end_effector(q), atol=1e-6)


@pytest.mark.parametrize(
    "chain", [{}, {"rotations": 1}, {"rotations": [], "offsets": [], "axes": "x", "tool": []}]
)
def test_forward_kinematics_refuses_an_incomplete_chain(chain):
    with pytest.raises(PolicyError, match="kinematic_chain"):
        ForwardKinematics(chain)


def test_normalised_features_have_zero_mean_and_unit_deviation_and_constants_stay_finite(make_spec):
    spec = make_spec(3, InputSettings(("state", "target", "target_error"), past_commands=True))
    arrays = [torch.tensor(a, dtype=torch.float32) for a in batch(spec, 200, 5)]
    arrays[2] = torch.full((200, 3), 0.7)
    arrays[3] = torch.zeros_like(arrays[3])
    features = Features(spec)
    features.fit(features.raw(*arrays))
    normalised = features(*arrays).reshape(-1, features.size).numpy()
    np.testing.assert_allclose(normalised.mean(0), 0.0, atol=1e-5)
    deviation = normalised.std(0)
    constant = [6, 7, 8, 12, 13, 14]
    np.testing.assert_allclose(deviation[constant], 0.0, atol=1e-5)
    np.testing.assert_allclose(np.delete(deviation, constant), 1.0, atol=1e-4)
