import itertools
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.export import onnx as onnx_export
from ampc.export.onnx import export_onnx
from ampc.export.parity import compare
from ampc.policies import InputSettings, NetworkSettings, OnnxPolicy
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy

REPOSITORY = Path(__file__).parents[2]
ARCHITECTURES = ("ffn", "lstm", "gru", "transformer")
INPUTS = {
    "state-error": InputSettings(history=10),
    "cartesian": InputSettings(("sincos", "state", "target", "target_error"), history=2, past_commands=True),
}


def make_policy(make_spec, architecture, n=3, inputs=None, **changes):
    torch.manual_seed(0)
    network = NetworkSettings(architecture, hidden_size=32, layers=2)
    policy = Policy(make_spec(n, inputs or InputSettings(history=4), network, **changes))
    length = policy.spec.inputs.history
    shapes = ((64, length, 2 * n), (64, n), (64, 3), (64, length, n))
    policy.fit_normalisation(*(torch.randn(shape) for shape in shapes))
    return policy


@pytest.mark.parametrize(("architecture", "inputs"), list(itertools.product(ARCHITECTURES, INPUTS)))
def test_the_file_computes_what_the_policy_does(make_spec, architecture, inputs, tmp_path):
    policy = make_policy(make_spec, architecture, inputs=INPUTS[inputs])
    parity = export_onnx(policy, tmp_path / "policy.onnx")
    assert max(parity.command, parity.raw_command) <= 1e-5
    assert parity.steps == 1000
    law = OnnxPolicy(tmp_path / "policy.onnx")
    assert law.spec == policy.spec
    assert law.needs_reference == INPUTS[inputs].needs_reference
    assert list(tmp_path.iterdir()) == [tmp_path / "policy.onnx"]


def test_stride_and_other_arms_are_carried_over(make_spec, tmp_path):
    inputs = InputSettings(("state", "reference"), history=3, stride=4, past_commands=True)
    policy = make_policy(make_spec, "ffn", n=5, inputs=inputs)
    assert export_onnx(policy, tmp_path / "policy.onnx").raw_command <= 1e-5


def test_exporting_leaves_the_policy_as_it_was(make_spec, tmp_path):
    policy = make_policy(make_spec, "gru").double().train()
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    export_onnx(policy, tmp_path / "policy.onnx")
    assert policy.training
    for name, tensor in policy.state_dict().items():
        torch.testing.assert_close(tensor, before[name], atol=0.0, rtol=0.0)


def test_a_graph_that_differs_is_not_written(make_spec, tmp_path, monkeypatch):
    policy = make_policy(make_spec, "ffn")

    def compare_with_another(expected, found):
        return compare(TorchPolicy(Policy(policy.spec)), found)

    monkeypatch.setattr(onnx_export, "compare", compare_with_another)
    with pytest.raises(PolicyError, match="nothing was written"):
        export_onnx(policy, tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("architecture", ["ffn", "gru"])
def test_saturation_is_inside_and_counted(make_spec, architecture, tmp_path):
    policy = make_policy(make_spec, architecture, command_limit=(0.01, 1000.0, 0.01))
    export_onnx(policy, tmp_path / "policy.onnx")
    law, torch_law = OnnxPolicy(tmp_path / "policy.onnx"), TorchPolicy(policy)
    rng = np.random.default_rng(0)
    reference = Reference(np.zeros(3), np.zeros(3))
    law.reset(reference)
    torch_law.reset(reference)
    with torch.no_grad():
        for q, dq in rng.normal(size=(30, 2, 3)):
            command = law.command(q, dq)
            np.testing.assert_allclose(command, torch_law.command(q, dq), atol=1e-3)
            assert (np.abs(command) <= law.command_limit + 1e-9).all()
            assert law.saturated == torch_law.saturated == bool((law.raw_command != command).any())


def test_onnxruntime_alone_gives_the_same_from_the_documented_inputs(make_spec, tmp_path):
    policy = make_policy(make_spec, "ffn")
    export_onnx(policy, tmp_path / "policy.onnx")
    session = ort.InferenceSession(tmp_path / "policy.onnx")
    states, reference = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    feeds = {"states": states[None], "reference": reference[:1, :3]}
    assert {port.name for port in session.get_inputs()} == set(feeds)
    command, raw = session.run(["command", "raw_command"], feeds)
    unused = torch.zeros(1, 3), torch.zeros(1, 4, 3)
    expected = policy.eval()(*(torch.tensor(feeds[name]) for name in feeds), *unused)
    np.testing.assert_allclose(raw, expected.detach(), atol=1e-5)
    np.testing.assert_allclose(command, policy.saturate(expected).detach(), atol=1e-5)


def test_the_documented_loop_without_ampc_gives_the_same(make_spec, tmp_path, monkeypatch):
    inputs = InputSettings(history=3, stride=2)
    export_onnx(make_policy(make_spec, "ffn", inputs=inputs), tmp_path / "policy.onnx")
    section = (REPOSITORY / "docs" / "policies.md").read_text().split("## Without ampc")[1]
    monkeypatch.chdir(tmp_path)
    documented = {}
    exec(section.split("```python")[1].split("```")[0], documented)
    law = OnnxPolicy(tmp_path / "policy.onnx")
    rng = np.random.default_rng(0)
    q_ref = rng.normal(size=3)
    law.reset(Reference(np.zeros(3), q_ref))
    for q, dq in rng.normal(size=(12, 2, 3)):
        np.testing.assert_allclose(documented["command"](q, dq, q_ref), law.command(q, dq), atol=1e-6)


def test_the_file_is_valid_onnx_and_tells_nothing_of_the_machine(make_spec, tmp_path):
    export_onnx(make_policy(make_spec, "lstm"), tmp_path / "policy.onnx")
    onnx.checker.check_model(tmp_path / "policy.onnx", full_check=True)
    content = (tmp_path / "policy.onnx").read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content
