import dataclasses

import numpy as np
import pytest
import torch

from ampc.errors import PolicyError, SettingsError
from ampc.learning.label_efficiency import LabelSettings, learn_from_labels
from ampc.learning.labels import JointMPCOracle
from ampc.learning.queries import QuerySettings, ask
from ampc.learning.sobolev import policy_loss, spread, states_nearby
from ampc.learning.sobolev_settings import SobolevSettings
from ampc.learning.windows import Frames, Windows
from ampc.policies import InputSettings, NetworkSettings, PolicySpec
from ampc.policies.policy import Policy
from ampc.solvers import BatchJointMPC, JointMPCSettings

EXPERT = JointMPCSettings()
QUERIES = QuerySettings(first=10, steps=20, hidden_size=16)


@pytest.fixture(scope="module")
def pool():
    """Fifty little episodes of random states; their commands are not to be read, and therefore not finite."""
    rng = np.random.default_rng(0)
    states = rng.uniform(-1.5, 1.5, (500, 6))
    goals = np.repeat(rng.uniform(-0.5, 0.5, (50, 3)), 10, axis=0)
    columns = {
        "observation.state": states,
        "observation.reference": np.repeat(rng.uniform(-1.0, 1.0, (50, 3)), 10, axis=0),
        "observation.goal": goals,
        "action": np.zeros((500, 3)),
    }
    frames = Frames.from_columns(columns, np.arange(0, 500, 10), np.full(50, 10))
    return dataclasses.replace(frames, commands=torch.full_like(frames.commands, torch.nan))


@pytest.fixture(scope="module")
def spec(rigid_arm):
    return PolicySpec.for_robot(
        rigid_arm,
        0.05,
        (EXPERT.command_limit,) * 3,
        inputs=InputSettings(history=2),
        network=NetworkSettings("ffn", hidden_size=32, layers=2),
    )


@pytest.fixture(scope="module")
def labels(pool):
    windows = Windows(pool, np.arange(50), history=2)
    return JointMPCOracle(EXPERT).label(windows, torch.arange(len(windows)))


def test_labels_are_the_experts_and_are_counted(pool):
    windows, oracle = Windows(pool, np.arange(50), history=3), JointMPCOracle(EXPERT)
    found = oracle.label(windows, torch.tensor([7, 123, 7]))
    assert oracle.asked == len(found) == 3
    error = pool.states[[7, 123, 7], :3] - pool.references[[7, 123, 7]]
    dq = pool.states[[7, 123, 7], 3:]
    expert = BatchJointMPC(EXPERT)
    expected = expert.first_input(error.double().numpy(), dq.double().numpy())
    np.testing.assert_allclose(found.commands, expected, atol=1e-5)
    gradients = expert.sensitivity(error.double().numpy(), dq.double().numpy())
    np.testing.assert_allclose(found.gradients, gradients, rtol=1e-5)


@pytest.mark.parametrize("strategy", ["random", "disagreement"])
@pytest.mark.parametrize("count", [2, 10, 11, 100, 500])
def test_every_label_is_spent_on_another_state(pool, spec, strategy, count):
    windows, oracle, policy = Windows(pool, np.arange(50), history=2), JointMPCOracle(EXPERT), Policy(spec)
    settings = dataclasses.replace(QUERIES, strategy=strategy)
    found = ask(windows, oracle, policy, count, settings, None, np.random.default_rng(0))
    assert len(found) == oracle.asked == count
    assert len(torch.unique(found.states[:, -1], dim=0)) == count


def test_more_labels_than_states_are_refused(pool, spec):
    windows = Windows(pool, np.arange(50), history=2)
    with pytest.raises(SettingsError, match="pool of 500 states"):
        ask(windows, JointMPCOracle(EXPERT), Policy(spec), 501, QUERIES, None, np.random.default_rng(0))


def test_the_tangent_is_the_expert_as_far_as_its_active_set_goes(labels):
    torch.manual_seed(0)
    nearby, tangent = states_nearby(labels, 0.01 * spread(labels), 0.01)
    error = (nearby[:, -1, :3] - labels.reference).double().numpy()
    expert = BatchJointMPC(EXPERT).first_input(error, nearby[:, -1, 3:].double().numpy())
    difference = np.abs(tangent.clamp(-10.0, 10.0).numpy() - expert)
    assert np.median(difference) < 1e-4
    assert (difference < 0.02).mean() > 0.98


@pytest.mark.parametrize("form", ["tangent", "derivative"])
def test_the_expert_itself_has_no_sobolev_loss(labels, spec, form):
    """A linear expert without limits, for which the tangent is exact."""
    policy = Policy(dataclasses.replace(spec, command_limit=(1e4,) * 3))
    gains = torch.tensor([3.0, -2.0])

    def law(states, reference, goal, past_commands):
        q, dq = torch.chunk(states[:, -1], 2, dim=-1)
        return gains[0] * (q - reference) + gains[1] * dq

    policy.forward = law
    commands = law(labels.states, labels.reference, None, None)
    linear = dataclasses.replace(labels, commands=commands, gradients=gains.expand(500, 3, 2).clone())
    loss = policy_loss(policy, linear, SobolevSettings(form), spread(labels))
    assert loss < 1e-12
    wrong = dataclasses.replace(linear, gradients=1e4 * linear.gradients)
    assert policy_loss(policy, wrong, SobolevSettings(form), spread(labels)) > 1e-4


@pytest.mark.parametrize("sobolev", [None, SobolevSettings(), SobolevSettings("derivative")])
def test_a_policy_learns_from_its_labels_and_repeats_to_the_bit(pool, spec, labels, sobolev):
    settings = LabelSettings(labels=60, queries=QUERIES, sobolev=sobolev, steps=150, batch_size=32)
    policies = [learn_from_labels(pool, spec, EXPERT, settings) for _ in range(2)]
    fresh = learn_from_labels(pool, spec, EXPERT, dataclasses.replace(settings, steps=1))
    deviation = spread(labels)
    errors = [policy_loss(policy, labels, None, deviation).item() for policy in (*policies, fresh)]
    assert errors[0] == errors[1]
    assert errors[0] < 0.7 * errors[2]
    assert policies[0].spec.training["labels"] == 60


def test_recurrent_networks_are_refused(pool, spec):
    recurrent = dataclasses.replace(spec, network=NetworkSettings("gru"))
    with pytest.raises(PolicyError, match="single labels"):
        learn_from_labels(pool, recurrent, EXPERT, LabelSettings(labels=10))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelSettings(labels=1), "labels"),
        (lambda: LabelSettings(learning_rate=0.0), "learning_rate"),
        (lambda: QuerySettings(growth=1.0), "growth"),
        (lambda: QuerySettings(members=1), "members"),
        (lambda: QuerySettings(random_share=1.0), "random_share"),
        (lambda: SobolevSettings(radius=0.0), "radius"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(SettingsError, match=message):
        make()
