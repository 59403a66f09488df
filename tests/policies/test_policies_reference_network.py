from dataclasses import replace

import numpy as np
import pytest
import torch

from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.export.onnx import export_onnx
from ampc.policies import InputSettings, NetworkSettings, OnnxPolicy, PolicySpec
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy
from ampc.policies.reference_network import ReferenceNetwork
from ampc.policies.spec import ReferenceNetworkSettings
from ampc.robots import KinematicChain

NETWORK = ReferenceNetworkSettings(hidden_size=16, layers=2, branches=3)


def make_policy(make_spec, network=NETWORK, architecture="ffn"):
    torch.manual_seed(0)
    small = NetworkSettings(architecture, hidden_size=16, layers=1)
    return Policy(make_spec(3, InputSettings(history=2), small, reference_network=network)).eval()


@pytest.mark.parametrize("architecture", ["ffn", "gru"])
def test_a_policy_with_its_own_reference_needs_the_goal_alone(make_spec, architecture, tmp_path):
    policy = make_policy(make_spec, architecture=architecture)
    export_onnx(policy, tmp_path / "policy.onnx")
    exported, law = OnnxPolicy(tmp_path / "policy.onnx"), TorchPolicy(policy)
    assert not law.needs_reference
    assert not exported.needs_reference
    assert exported.spec == policy.spec
    goal, other = Reference(np.array([0.3, 0.1, 0.2]), None), Reference(np.array([-0.3, 0.1, 0.4]), None)
    q, dq = np.array([0.1, -0.4, 0.7]), np.zeros(3)
    commands = []
    for reference in (goal, other):
        law.reset(reference)
        exported.reset(reference)
        commands.append(exported.command(q, dq))
        np.testing.assert_allclose(law.command(q, dq), commands[-1], atol=1e-3)
    assert np.abs(commands[0] - commands[1]).max() > 1e-3


def test_the_reference_it_is_given_is_not_read(make_spec):
    policy = make_policy(make_spec)
    states, goal = torch.randn(4, 2, 6), torch.randn(4, 3)
    past = torch.zeros(4, 2, 3)
    first, second = (policy(states, torch.randn(4, 3), goal, past) for _ in range(2))
    torch.testing.assert_close(first, second, atol=0.0, rtol=0.0)


def test_references_stay_within_the_range_they_were_fitted_to(make_spec):
    network = ReferenceNetwork(make_spec(3, reference_network=NETWORK))
    references = torch.rand(50, 3)
    network.fit_normalisation(torch.randn(50, 3), references)
    found = network(100.0 * torch.randn(200, 3))
    assert (found >= references.amin(0)).all()
    assert (found <= references.amax(0)).all()


def test_the_answer_is_the_proposal_with_the_highest_score(make_spec):
    network = ReferenceNetwork(make_spec(3, reference_network=NETWORK))
    goals = torch.randn(30, 3)
    scores, proposed = network.proposals(goals)
    best = proposed[torch.arange(30), scores.argmax(1)]
    torch.testing.assert_close(network(goals), best.clamp(-torch.pi, torch.pi))


def test_refinements_bring_the_end_effector_to_the_goal(rigid_arm):
    chain = KinematicChain.from_robot(rigid_arm)
    q = np.random.default_rng(0).uniform([-1.0, 0.3, -2.0], [1.0, 1.2, -0.7], (100, 3))
    goals = torch.tensor(chain.end_effector(q)).float()
    spec = PolicySpec.for_robot(rigid_arm, 0.05, (10.0,) * 3)
    errors = []
    for refinements in (0, 1, 4):
        torch.manual_seed(0)
        settings = replace(NETWORK, refinements=refinements)
        network = ReferenceNetwork(replace(spec, reference_network=settings))
        with torch.no_grad():  # answers the middle of the range
            for parameter in network.parameters():
                parameter.zero_()
            network.fit_normalisation(goals, torch.tensor(q).float())
            errors.append(np.linalg.norm(chain.end_effector(network(goals).double()) - goals.numpy(), axis=1))
    assert np.median(errors[1]) < 0.5 * np.median(errors[0])
    assert np.median(errors[2]) < 0.02


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": InputSettings(("state", "target"))}, "no component of the inputs reads a reference"),
        ({"kinematic_chain": {}}, "reference_network needs the robot's kinematic_chain"),
        ({"actuated": (0, 1), "command_limit": (1.0, 1.0)}, "needs every joint to be actuated"),
    ],
)
def test_what_it_cannot_serve_is_refused(make_spec, changes, message):
    with pytest.raises(PolicyError, match=message):
        replace(make_spec(3, reference_network=NETWORK), **changes)


def test_it_is_not_trained_along_with_the_policy(make_spec):
    policy = make_policy(make_spec)
    with pytest.raises(PolicyError, match="trained apart"):
        policy.fit_normalisation(
            torch.randn(4, 2, 6), torch.randn(4, 3), torch.randn(4, 3), torch.zeros(4, 2, 3)
        )


def test_a_loaded_policy_computes_the_same(make_spec, tmp_path):
    policy = make_policy(make_spec)
    policy.save(tmp_path)
    loaded = Policy.load(tmp_path)
    inputs = torch.randn(4, 2, 6), torch.zeros(4, 3), torch.randn(4, 3), torch.zeros(4, 2, 3)
    torch.testing.assert_close(loaded(*inputs), policy(*inputs), atol=0.0, rtol=0.0)
