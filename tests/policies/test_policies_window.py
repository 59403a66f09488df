from dataclasses import replace

import numpy as np
import pytest
import torch

from ampc.errors import PolicyError
from ampc.export.onnx import export_onnx
from ampc.policies import InputSettings, NetworkSettings, PolicySpec
from ampc.policies.policy import Policy
from ampc.policies.window import AdaptiveWindow

INPUTS = InputSettings(history=8, window="longer-near-singularities", shortest=3, window_share=0.5)


@pytest.fixture(scope="module")
def states(rigid_arm):
    generator = torch.Generator().manual_seed(0)
    lower, upper = torch.tensor(rigid_arm.position_limits).float().T
    q = lower + (upper - lower) * torch.rand(2000, 8, 3, generator=generator)
    return torch.cat([q, torch.zeros_like(q)], dim=-1)


def spec_of(robot, inputs):
    return PolicySpec.for_robot(
        robot, 0.05, (10.0,) * 3, inputs=inputs, network=NetworkSettings("ffn", hidden_size=16, layers=1)
    )


def test_the_window_grows_as_the_manipulability_falls(rigid_arm, states):
    window = AdaptiveWindow(spec_of(rigid_arm, INPUTS))
    window.fit(states)
    order = window.manipulability(states[:, -1]).argsort()
    lengths = window.lengths(states)[order]
    assert (lengths.diff() <= 0.0).all()
    assert 7.9 < lengths[0] <= 8.0
    assert (lengths[1100:] == 3.0).all()
    reverse = AdaptiveWindow(spec_of(rigid_arm, replace(INPUTS, window="shorter-near-singularities")))
    reverse.fit(states)
    reversed_lengths = reverse.lengths(states)[order]
    assert (reversed_lengths.diff() >= 0.0).all()
    assert reversed_lengths[-1] == 8.0
    assert (reversed_lengths[:900] == 3.0).all()


def test_a_stretched_arm_gets_the_whole_history(rigid_arm, states):
    window = AdaptiveWindow(spec_of(rigid_arm, INPUTS))
    window.fit(states)
    stretched = torch.zeros(1, 8, 6)
    assert window.lengths(stretched).item() == 8.0


def test_entries_outside_the_window_repeat_the_oldest_inside(rigid_arm, states):
    window = AdaptiveWindow(spec_of(rigid_arm, INPUTS))
    window.fit(states)
    features = torch.randn(len(states), 8, 5)
    found, lengths = window(features, states), window.lengths(states).tolist()
    for sample in range(0, len(states), 50):
        places, expected = np.arange(8), features[sample].numpy()
        entries = np.maximum(places, 8 - lengths[sample])
        expected = np.stack([np.interp(entries, places, column) for column in expected.T], axis=-1)
        np.testing.assert_allclose(found[sample], expected, atol=1e-5)


def test_the_window_does_not_jump(rigid_arm, states):
    """Where a length was rounded, the commands of two engines differed."""
    window = AdaptiveWindow(spec_of(rigid_arm, INPUTS))
    window.fit(states)
    way = torch.linspace(0.0, 1.0, 4001)[:, None, None]
    between = (1.0 - way) * states[:1] + way * torch.zeros(1, 8, 6)
    features = torch.randn(1, 8, 5, generator=torch.Generator().manual_seed(0)).expand(4001, 8, 5)
    assert window.lengths(between).max() - window.lengths(between).min() == 5.0
    assert window(features, between).diff(dim=0).abs().max() < 0.05


@pytest.mark.parametrize("window", ["longer-near-singularities", "shorter-near-singularities"])
def test_the_exported_policy_sees_the_same_window(rigid_arm, states, window, tmp_path):
    torch.manual_seed(0)
    policy = Policy(spec_of(rigid_arm, replace(INPUTS, window=window, past_commands=True)))
    policy.fit_normalisation(
        states, torch.zeros(len(states), 3), torch.zeros(len(states), 3), states[..., :3]
    )
    assert export_onnx(policy, tmp_path / "policy.onnx").raw_command <= 1e-5
    policy.save(tmp_path)
    assert Policy.load(tmp_path).window.start == policy.window.start


def test_as_long_as_the_history_it_is_a_fixed_window(rigid_arm, states):
    torch.manual_seed(0)
    adaptive = Policy(spec_of(rigid_arm, replace(INPUTS, shortest=8)))
    torch.manual_seed(0)
    fixed = Policy(spec_of(rigid_arm, InputSettings(history=8)))
    inputs = states, torch.zeros(len(states), 3), torch.zeros(len(states), 3), states[..., :3]
    torch.testing.assert_close(adaptive(*inputs), fixed(*inputs))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"shortest": 0}, "shortest"), ({"shortest": 9}, "shortest"), ({"window_share": 0.0}, "window_share")],
)
def test_impossible_windows_are_refused(change, message):
    with pytest.raises(PolicyError, match=message):
        replace(INPUTS, **change)


def test_recurrent_networks_have_no_window(rigid_arm):
    with pytest.raises(PolicyError, match="recurrent"):
        PolicySpec.for_robot(rigid_arm, 0.05, (10.0,) * 3, inputs=INPUTS, network=NetworkSettings("gru"))
