import subprocess
import sys

import numpy as np
import pytest
import torch

from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.export.parity import compare
from ampc.policies import InputSettings, NetworkSettings, ReferenceNetworkSettings
from ampc.policies import native as native_module
from ampc.policies.files import read_saved_policy
from ampc.policies.law import TorchPolicy
from ampc.policies.native import NativePolicy
from ampc.policies.packing import pack
from ampc.policies.planar_constants import PlanarChain
from ampc.policies.policy import Policy
from ampc.policies.settings import flexible_inputs

REFERENCE = Reference(np.array([0.3, 0.2, 0.4]), np.array([0.1, -0.2, 0.3]))
CARTESIAN = ("sincos", "state", "target", "target_error", "reference")
PLANAR = PlanarChain(
    base=(0.1, -0.2, 0.3),
    heading=0.4,
    sin_tilt=0.8,
    cos_tilt=0.6,
    offset=(0.1, -0.3, 0.2, 0.0),
    along=((0.3, 0.2, 0.4, 0.1), (0.3, 0.1, 0.0, 0.0)),
    across=((0.0, 0.1, 0.0, -0.1), (0.0, 0.1, 0.0, 0.0)),
)


@pytest.fixture(autouse=True)
def library():
    try:
        native_module._library()
    except PolicyError as error:
        pytest.skip(str(error))


@pytest.fixture
def make(make_spec, tmp_path):
    """A trained policy and the law that runs it in C."""

    def make(architecture="ffn", inputs=None, n=3, **changes):
        torch.manual_seed(0)
        network = NetworkSettings(architecture, hidden_size=16, layers=2)
        policy = Policy(make_spec(n, inputs or InputSettings(history=4), network, **changes))
        spec = policy.spec
        length = spec.inputs.history
        shapes = ((64, length, spec.n_state), (64, n), (64, 3), (64, length, spec.n_actuated))
        examples = [torch.randn(shape) for shape in shapes]
        policy.features.fit(policy.features.raw(*examples))
        if policy.window is not None:
            policy.window.fit(examples[0])
        policy.eval().save(tmp_path)
        return policy, NativePolicy(tmp_path)

    return make


def parity(policy, law):
    found = compare(TorchPolicy(policy), law, sequences=4, length=20)
    return max(found.command, found.raw_command)


@pytest.mark.parametrize("architecture", ["ffn", "lstm", "gru", "transformer"])
@pytest.mark.parametrize(
    "inputs", [InputSettings(history=4), InputSettings(CARTESIAN, history=2, past_commands=True)]
)
def test_computes_what_the_policy_does(make, architecture, inputs):
    assert parity(*make(architecture, inputs)) <= 1e-5


@pytest.mark.parametrize("window", ["longer-near-singularities", "shorter-near-singularities"])
def test_windows_that_change(make, window):
    assert parity(*make(inputs=InputSettings(history=6, window=window))) <= 1e-5


@pytest.mark.parametrize("refinements", [0, 2])
def test_a_network_in_place_of_inverse_kinematics(make, refinements):
    policy, law = make(reference_network=ReferenceNetworkSettings(16, refinements=refinements))
    assert not law.needs_reference
    assert parity(policy, law) <= 1e-4  # near a singularity a refinement enlarges rounding


def test_stride_other_arms_and_passive_joints(make):
    inputs = InputSettings(("state_error", "reference"), history=3, stride=4, past_commands=True)
    assert parity(*make(inputs=inputs, n=5)) <= 1e-5
    assert parity(*make(inputs=inputs, n=5, actuated=(0, 2), command_limit=(1.0, 2.0))) <= 1e-5


@pytest.mark.parametrize("architecture", ["ffn", "gru"])
def test_estimated_states(make, architecture):
    changes = {"actuated": (0, 2, 3), "command_limit": (1.0, 2.0, 3.0), "kinematic_chain": {}}
    changes |= {"planar_chain": PLANAR, "n_obstacles": 2}
    policy, law = make(architecture, flexible_inputs(history=2), n=5, **changes)
    assert parity(policy, law) <= 1e-5
    other = TorchPolicy(policy)
    reference = Reference(np.array([0.3, 0.2, 0.4]), np.linspace(-1.0, 1.0, 5))
    for one in (law, other):
        one.reset(reference)
    for state in np.random.default_rng(0).normal(size=(6, policy.spec.n_state)):
        for one in (law, other):
            one.refer(state[:5])
        np.testing.assert_allclose(law.command(state), other.command(state), atol=1e-5)


@pytest.mark.parametrize("architecture", ["ffn", "gru"])
def test_reset_forgets_the_past_and_commands_are_the_callers_own(make, architecture):
    _, law = make(architecture, InputSettings(history=4, past_commands=True))
    rng = np.random.default_rng(0)
    states = rng.normal(size=(10, 2, 3))

    def commands():
        law.reset(REFERENCE)
        return [law.command(q, dq) for q, dq in states]

    first = commands()
    law.observe_command(np.ones(3))
    np.testing.assert_array_equal(commands(), first)


def test_a_command_sent_in_place_of_its_own_is_seen(make):
    policy, law = make(inputs=InputSettings(history=4, past_commands=True))
    other = TorchPolicy(policy)
    for one in (law, other):
        one.reset(REFERENCE)
        one.command(np.zeros(3), np.zeros(3))
        one.observe_command(np.array([0.5, -0.5, 0.1]))
    state = np.full(3, 0.1), np.zeros(3)
    np.testing.assert_allclose(law.command(*state), other.command(*state), atol=1e-5)


def test_saturation_is_inside_and_counted(make):
    policy, law = make(command_limit=(0.01, 1000.0, 0.01))
    other = TorchPolicy(policy)
    for one in (law, other):
        one.reset(REFERENCE)
    for q, dq in np.random.default_rng(0).normal(size=(20, 2, 3)):
        np.testing.assert_allclose(law.command(q, dq), other.command(q, dq), atol=1e-3)
        assert law.saturated == other.saturated
        np.testing.assert_allclose(law.raw_command, other.raw_command, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_an_unusable_state_is_an_error_and_leaves_no_trace(make, bad):
    _, law = make("gru")
    states = np.random.default_rng(0).normal(size=(3, 2, 3))
    law.reset(REFERENCE)
    expected = [law.command(q, dq) for q, dq in states]
    law.reset(REFERENCE)
    for (q, dq), command in zip(states, expected, strict=True):
        np.testing.assert_array_equal(law.command(q, dq), command)
        with pytest.raises(PolicyError, match="cannot use the state"):
            law.command(np.array([bad, 0.0, 0.0]), np.zeros(3))


def test_a_non_finite_output_is_an_error(make):
    _, law = make()
    law.packed.numbers["network"][-1] = np.nan  # the last bias
    law.reset(REFERENCE)
    with pytest.raises(PolicyError, match="non-finite"):
        law.command(np.zeros(3), np.zeros(3))


def test_a_law_without_a_goal_gives_no_command(make):
    _, law = make()
    with pytest.raises(PolicyError, match="call reset first"):
        law.command(np.zeros(3), np.zeros(3))
    law.reset(REFERENCE)
    with pytest.raises(PolicyError, match="joint reference"):
        law.reset(Reference(np.zeros(3), None))
    with pytest.raises(PolicyError, match="call reset first"):
        law.command(np.zeros(3), np.zeros(3))


def test_runs_without_torch_onnxruntime_mujoco_and_casadi_in_the_loop(make, tmp_path):
    make()
    program = f"""
import sys
for name in ("torch", "onnx", "onnxscript", "casadi", "daqp", "pyarrow"):
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np
from types import SimpleNamespace
from ampc.policies.native import NativePolicy
law = NativePolicy({str(tmp_path)!r})
law.reset(SimpleNamespace(goal=np.zeros(3), q=np.zeros(3)))
law.command(np.zeros(3), np.zeros(3))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


class TestWrongFiles:
    def test_weights_of_another_shape(self, make, tmp_path):
        make()
        spec, weights = read_saved_policy(tmp_path)
        name = "network.layers.2.weight"
        for damaged, message in (
            ({**weights, name: weights[name][:, 1:]}, "has shape"),
            ({**weights, name: weights[name] * np.nan}, "not finite"),
            ({key: value for key, value in weights.items() if key != name}, "lack"),
        ):
            with pytest.raises(PolicyError, match=message):
                pack(spec, damaged)

    def test_missing(self, tmp_path):
        with pytest.raises(PolicyError, match=r"policy\.json is missing"):
            NativePolicy(tmp_path / "nothing")

    def test_damaged(self, make, tmp_path):
        make()
        path = tmp_path / "policy.safetensors"
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(PolicyError, match="is damaged"):
            NativePolicy(tmp_path)


def test_without_the_compiled_library_the_error_says_what_to_do(make, tmp_path, monkeypatch):
    make()

    def missing():
        raise OSError("no such file")

    monkeypatch.setattr(native_module, "open_library", missing)
    native_module._library.cache_clear()
    try:
        with pytest.raises(PolicyError, match="install a C compiler"):
            NativePolicy(tmp_path)
    finally:
        native_module._library.cache_clear()
