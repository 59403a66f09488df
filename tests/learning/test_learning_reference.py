import numpy as np
import pytest
import torch

from ampc.errors import PolicyError, SettingsError
from ampc.learning.reference import (
    ReferenceTraining,
    goal_pairs,
    mixture_loss,
    train_reference_network,
    with_reference_network,
)
from ampc.policies import InputSettings, NetworkSettings, PolicySpec
from ampc.policies.policy import Policy
from ampc.policies.spec import ReferenceNetworkSettings
from ampc.robots import InverseKinematics

NETWORK = ReferenceNetworkSettings(hidden_size=32, layers=2, branches=3)


@pytest.fixture(scope="module")
def spec(rigid_arm):
    return PolicySpec.for_robot(
        rigid_arm, 0.05, (10.0,) * 3, network=NetworkSettings("ffn", hidden_size=16, layers=1)
    )


def test_pairs_are_goals_with_their_canonical_solutions(rigid_arm):
    goals, references = goal_pairs(rigid_arm, 200, seed=1)
    assert 190 <= len(goals) <= 200
    inverse_kinematics = InverseKinematics(rigid_arm)
    np.testing.assert_allclose(inverse_kinematics.position(references), goals, atol=1e-6)
    np.testing.assert_array_equal(inverse_kinematics.solve_batch(goals).q, references)
    again = goal_pairs(rigid_arm, 200, seed=1)
    np.testing.assert_array_equal(goals, again[0])


def test_training_brings_references_nearer_and_repeats_to_the_bit(rigid_arm, spec):
    goals, references = (torch.tensor(a).float() for a in goal_pairs(rigid_arm, 200, seed=5))
    losses = []
    for steps in (1, 200, 200):
        settings = ReferenceTraining(pairs=500, steps=steps, batch_size=64)
        network = train_reference_network(rigid_arm, spec, settings, NETWORK)
        losses.append(mixture_loss(network, goals, references, 0.1).item())
    assert losses[1] < 0.5 * losses[0]
    assert losses[1] == losses[2]


def test_the_joined_policy_is_the_policy_on_the_networks_reference(rigid_arm, spec):
    policy = Policy(spec)
    policy.fit_normalisation(
        torch.randn(50, 10, 6), torch.randn(50, 3), torch.randn(50, 3), torch.zeros(50, 10, 3)
    )
    network = train_reference_network(
        rigid_arm, spec, ReferenceTraining(pairs=200, steps=1, batch_size=8), NETWORK
    )
    joined = with_reference_network(policy, network)
    goal, states, past = torch.randn(6, 3), torch.randn(6, 10, 6), torch.zeros(6, 10, 3)
    torch.testing.assert_close(
        joined(states, torch.zeros(6, 3), goal, past), policy(states, network(goal), goal, past)
    )
    assert not joined.spec.needs_reference
    assert joined.spec.reference_network == NETWORK
    assert with_reference_network(policy, network, refinements=2).spec.reference_network.refinements == 2
    with pytest.raises(PolicyError, match="nothing to join"):
        with_reference_network(joined, network)
    inputs = InputSettings(("sincos", "target"), history=1)
    other = Policy(PolicySpec.for_robot(rigid_arm, 0.05, (10.0,) * 3, inputs=inputs))
    with pytest.raises(PolicyError, match="nothing to join"):
        with_reference_network(other, network)


def test_impossible_settings_are_refused():
    with pytest.raises(SettingsError, match="steps"):
        ReferenceTraining(steps=0)
    with pytest.raises(SettingsError, match="learning_rate"):
        ReferenceTraining(learning_rate=float("nan"))
