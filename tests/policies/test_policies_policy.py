import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.policies import InputSettings, NetworkSettings
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy

ARCHITECTURES = ("ffn", "lstm", "gru", "transformer")
RECURRENT = ("lstm", "gru")


def make_policy(make_spec, architecture, n=3, inputs=None, fitted=True, **changes):
    torch.manual_seed(0)
    network = NetworkSettings(architecture, hidden_size=32, layers=2)
    policy = Policy(make_spec(n, inputs or InputSettings(history=6), network, **changes)).eval()
    if fitted:
        policy.fit_normalisation(*batch(policy, 100, policy.spec.inputs.history, seed=1))
    return policy


def batch(policy, size, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    m, n = policy.spec.n_actuated, policy.spec.n_joints
    shapes = ((size, length, 2 * m), (size, n), (size, 3), (size, length, m))
    return [torch.randn(shape, generator=generator) for shape in shapes]


@settings(deadline=None, max_examples=40)
@given(
    architecture=st.sampled_from(ARCHITECTURES),
    n=st.integers(1, 7),
    size=st.integers(1, 4),
    history=st.integers(1, 5),
    past_commands=st.booleans(),
)
def test_commands_have_one_entry_per_actuated_joint(make_spec, architecture, n, size, history, past_commands):
    inputs = InputSettings(("state_error", "target_error"), history=history, past_commands=past_commands)
    policy = make_policy(make_spec, architecture, n, inputs)
    commands = policy(*batch(policy, size, history))
    assert commands.shape == (size, n)
    assert torch.isfinite(commands).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_samples_of_a_batch_do_not_influence_each_other(make_spec, architecture):
    policy = make_policy(make_spec, architecture)
    arrays = batch(policy, 8, 6)
    together = policy(*arrays)
    alone = torch.cat([policy(*(a[i : i + 1] for a in arrays)) for i in range(8)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_normalisation_is_inside(make_spec, architecture):
    policy = make_policy(make_spec, architecture, fitted=False)
    arrays = batch(policy, 50, 6)
    scaled = [100.0 * arrays[0] + 7.0, 100.0 * arrays[1] - 3.0, arrays[2], arrays[3]]
    before = policy(*arrays)
    policy.fit_normalisation(*arrays)
    centred = policy(*arrays)
    policy.fit_normalisation(*scaled)
    assert (policy(*scaled) - centred).abs().max() < 1e-3 < (before - centred).abs().max()


@pytest.mark.parametrize("architecture", RECURRENT)
@pytest.mark.parametrize("past_commands", [False, True])
def test_step_by_step_equals_the_whole_sequence(make_spec, architecture, past_commands):
    policy = make_policy(make_spec, architecture, inputs=InputSettings(past_commands=past_commands))
    arrays = batch(policy, 4, 60)
    with torch.no_grad():
        whole = policy.forward_sequence(*arrays)
        hidden = policy.initial_hidden(4)
        steps = []
        for t in range(60):
            now = slice(t, t + 1)
            output, hidden = policy.advance(
                arrays[0][:, now], arrays[1], arrays[2], arrays[3][:, now], hidden
            )
            steps.append(output)
            windowed = policy(arrays[0][:, : t + 1], arrays[1], arrays[2], arrays[3][:, : t + 1])
            limit = policy.command_limit
            assert ((windowed - whole[:, t]) / limit).abs().max() < 1e-6
    assert ((torch.cat(steps, 1) - whole) / policy.command_limit).abs().max() < 1e-6


@pytest.mark.parametrize("architecture", RECURRENT)
def test_in_the_loop_a_stateful_policy_equals_the_sequence_of_its_past(make_spec, architecture):
    policy = make_policy(make_spec, architecture, inputs=InputSettings(past_commands=True)).double()
    law = TorchPolicy(policy)
    rng = np.random.default_rng(0)
    for _ in range(2):  # the second run finds nothing left of the first
        reference = Reference(rng.normal(size=3), rng.normal(size=3))
        states = rng.normal(size=(40, 6))
        law.reset(reference)
        commands = np.array([law.command(state[:3], state[3:]) for state in states])
        past = np.concatenate([np.zeros((1, 3)), commands[:-1]])
        sequence = policy.forward_sequence(
            *(torch.tensor(a)[None] for a in (states, reference.q, reference.goal, past))
        )
        np.testing.assert_allclose(commands, policy.saturate(sequence)[0].detach(), atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_in_the_loop_a_windowed_policy_sees_the_padded_window(make_spec, architecture):
    inputs = InputSettings(history=4, stride=1 if architecture in RECURRENT else 3, past_commands=True)
    policy = make_policy(make_spec, architecture, inputs=inputs).double()
    law = TorchPolicy(policy, mode="windowed")
    rng = np.random.default_rng(0)
    reference = Reference(rng.normal(size=3), rng.normal(size=3))
    states, commands = rng.normal(size=(20, 6)), np.zeros((21, 3))  # commands[t + 1] follows states[t]
    law.reset(reference)
    for t, state in enumerate(states):
        commands[t + 1] = law.command(state[:3], state[3:])
        window = np.maximum(t - inputs.stride * np.arange(4)[::-1], 0)
        expected = policy(
            *(torch.tensor(a)[None] for a in (states[window], reference.q, reference.goal, commands[window]))
        )
        np.testing.assert_allclose(law.raw_command, expected[0].detach(), atol=1e-9)


def test_saturation_cuts_to_the_limit_and_says_so(make_spec):
    policy = make_policy(make_spec, "ffn", command_limit=(0.5, 1.0, 2.0))
    law = TorchPolicy(policy)
    law.reset(Reference(np.zeros(3), np.zeros(3)))
    law.command(np.zeros(3), np.zeros(3))
    assert not law.saturated
    with torch.no_grad():
        policy.network.layers[-1].bias.copy_(torch.tensor([3.0, -3.0, 0.0]))
    command = law.command(np.zeros(3), np.zeros(3))
    assert law.saturated
    assert command[0] == 0.5
    assert command[1] == -1.0
    assert abs(law.raw_command[1]) > 1.0
    law.reset(Reference(np.zeros(3), np.zeros(3)))
    assert not law.saturated


def test_the_law_refuses_what_it_cannot_work_with(make_spec):
    law = TorchPolicy(make_policy(make_spec, "ffn"))
    with pytest.raises(PolicyError, match="joint reference"):
        law.reset(Reference(np.zeros(3), None))
    with pytest.raises(PolicyError, match="call reset first"):
        law.command(np.zeros(3), np.zeros(3))
    law.reset(Reference(np.zeros(3), np.zeros(3)))
    with pytest.raises(PolicyError, match="cannot use the state"):
        law.command(np.full(3, np.nan), np.zeros(3))
    with torch.no_grad():
        law._policy.network.layers[-1].bias[0] = torch.nan
    with pytest.raises(PolicyError, match="non-finite"):
        law.command(np.zeros(3), np.zeros(3))


def test_a_policy_on_the_goal_needs_no_reference(make_spec):
    inputs = InputSettings(("sincos", "target_error"), history=2)
    law = TorchPolicy(make_policy(make_spec, "ffn", inputs=inputs))
    assert not law.needs_reference
    law.reset(Reference(np.array([0.1, 0.2, 0.3]), None))
    assert law.command(np.zeros(3), np.zeros(3)).shape == (3,)


@pytest.mark.parametrize("architecture", ["ffn", "transformer"])
def test_memoryless_networks_have_no_sequence_form(make_spec, architecture):
    policy = make_policy(make_spec, architecture)
    with pytest.raises(PolicyError, match="no hidden state"):
        policy.forward_sequence(*batch(policy, 1, 6))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_loaded_policy_computes_the_same(make_spec, architecture, tmp_path):
    policy = make_policy(make_spec, architecture)
    policy.save(tmp_path / "policy")
    loaded = Policy.load(tmp_path / "policy")
    assert sorted(path.name for path in (tmp_path / "policy").iterdir()) == [
        "policy.json",
        "policy.safetensors",
    ]
    assert loaded.spec == policy.spec
    assert not loaded.training
    arrays = batch(policy, 5, 6)
    torch.testing.assert_close(loaded(*arrays), policy(*arrays), atol=0.0, rtol=0.0)


class TestDamagedFiles:
    @pytest.fixture
    def folder(self, make_spec, tmp_path):
        make_policy(make_spec, "ffn").save(tmp_path)
        return tmp_path

    @pytest.mark.parametrize("name", ["policy.json", "policy.safetensors"])
    def test_missing_file(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(PolicyError, match=f"{name} is missing"):
            Policy.load(folder)

    @pytest.mark.parametrize("keep", [0, 4, 100, -1])
    def test_truncated_weights(self, folder, keep):
        weights = folder / "policy.safetensors"
        weights.write_bytes(weights.read_bytes()[:keep])
        with pytest.raises(PolicyError, match="damaged"):
            Policy.load(folder)

    def test_weights_of_another_network(self, folder):
        values = json.loads((folder / "policy.json").read_text())
        values["network"]["hidden_size"] = 64
        (folder / "policy.json").write_text(json.dumps(values))
        with pytest.raises(PolicyError, match="does not fit"):
            Policy.load(folder)

    def test_missing_weights(self, folder):
        weights = load_file(folder / "policy.safetensors")
        weights.pop("features.mean")
        save_file(weights, folder / "policy.safetensors")
        with pytest.raises(PolicyError, match=r"features\.mean"):
            Policy.load(folder)

    def test_non_finite_weights(self, folder):
        weights = load_file(folder / "policy.safetensors")
        weights["features.mean"][0] = torch.nan
        save_file(weights, folder / "policy.safetensors")
        with pytest.raises(PolicyError, match=r"features\.mean"):
            Policy.load(folder)

    def test_another_robot(self, folder, rigid_arm):
        with pytest.raises(PolicyError, match="was trained for robot"):
            Policy.load(folder, rigid_arm)
