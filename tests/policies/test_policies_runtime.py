import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.export.onnx import export_onnx
from ampc.policies import InputSettings, NetworkSettings, OnnxPolicy
from ampc.policies.policy import Policy
from ampc.policies.spec import FORMAT_VERSION

REFERENCE = Reference(np.array([0.3, 0.2, 0.4]), np.array([0.1, -0.2, 0.3]))


@pytest.fixture(scope="module", params=["ffn", "gru"])
def exported(request, make_spec, tmp_path_factory):
    torch.manual_seed(0)
    network = NetworkSettings(request.param, hidden_size=16, layers=2)
    policy = Policy(make_spec(3, InputSettings(history=4, past_commands=True), network))
    path = tmp_path_factory.mktemp("policy") / "policy.onnx"
    export_onnx(policy, path)
    return path


def commands(law, steps=15):
    rng = np.random.default_rng(0)
    law.reset(REFERENCE)
    return np.array([law.command(q, dq) for q, dq in rng.normal(size=(steps, 2, 3))])


def test_reset_forgets_the_past(exported):
    law = OnnxPolicy(exported)
    first = commands(law)
    np.testing.assert_array_equal(commands(law), first)
    law.reset(REFERENCE)
    law.command(np.ones(3), np.ones(3))
    np.testing.assert_array_equal(commands(law), first)


def test_commands_are_the_callers_own(exported):
    law = OnnxPolicy(exported)
    law.reset(REFERENCE)
    first = law.command(np.zeros(3), np.zeros(3))
    copy = first.copy()
    law.command(np.ones(3), np.ones(3))
    np.testing.assert_array_equal(first, copy)
    assert first.dtype == np.float64


def test_two_policies_do_not_share_their_past(exported):
    one, other = OnnxPolicy(exported), OnnxPolicy(exported)
    alone = commands(one)
    one.reset(REFERENCE)
    other.reset(REFERENCE)
    rng = np.random.default_rng(0)
    for t, (q, dq) in enumerate(rng.normal(size=(15, 2, 3))):
        other.command(dq, q)
        np.testing.assert_array_equal(one.command(q, dq), alone[t])


def test_runs_without_torch_mujoco_and_casadi(exported):
    program = f"""
import sys
for name in ("torch", "mujoco", "casadi", "onnx", "onnxscript", "safetensors", "daqp", "pyarrow", "scipy"):
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np
from types import SimpleNamespace
from ampc.policies.runtime import OnnxPolicy
law = OnnxPolicy({str(exported)!r})
law.reset(SimpleNamespace(goal=np.array([0.3, 0.2, 0.4]), q=np.array([0.1, -0.2, 0.3])))
rng = np.random.default_rng(0)
print(repr([law.command(q, dq).tolist() for q, dq in rng.normal(size=(15, 2, 3))]))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    np.testing.assert_allclose(np.array(eval(run.stdout)), commands(OnnxPolicy(exported)), atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_an_unusable_state_is_an_error_and_leaves_no_trace(exported, bad):
    law = OnnxPolicy(exported)
    expected = commands(law, steps=2)
    rng = np.random.default_rng(0)
    law.reset(REFERENCE)
    for t, (q, dq) in enumerate(rng.normal(size=(2, 2, 3))):
        np.testing.assert_array_equal(law.command(q, dq), expected[t])
        with pytest.raises(PolicyError, match="cannot use the state"):
            law.command(np.array([bad, 0.0, 0.0]), np.zeros(3))


def test_a_non_finite_output_is_an_error(exported, tmp_path):
    model = onnx.load(exported)
    bias = next(part for part in model.graph.initializer if list(part.dims) == [3] and "bias" in part.name)
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(3, np.nan, np.float32), bias.name))
    onnx.save_model(model, tmp_path / "policy.onnx")
    law = OnnxPolicy(tmp_path / "policy.onnx")
    law.reset(REFERENCE)
    with pytest.raises(PolicyError, match="non-finite"):
        law.command(np.zeros(3), np.zeros(3))


def test_needs_its_reference(exported):
    with pytest.raises(PolicyError, match="joint reference"):
        OnnxPolicy(exported).reset(Reference(np.zeros(3), None))


def test_a_law_without_a_goal_gives_no_command(exported):
    law = OnnxPolicy(exported)
    with pytest.raises(PolicyError, match="call reset first"):
        law.command(np.zeros(3), np.zeros(3))
    law.reset(REFERENCE)
    with pytest.raises(PolicyError, match="joint reference"):
        law.reset(Reference(np.zeros(3), None))
    with pytest.raises(PolicyError, match="call reset first"):
        law.command(np.zeros(3), np.zeros(3))


class TestWrongFiles:
    def test_missing(self, tmp_path):
        with pytest.raises(PolicyError, match="there is no policy"):
            OnnxPolicy(tmp_path / "policy.onnx")

    def test_folder(self, tmp_path):
        with pytest.raises(PolicyError, match="is a folder"):
            OnnxPolicy(tmp_path)

    @pytest.mark.parametrize("keep", [0, 10, 1000, -100])
    def test_damaged(self, exported, tmp_path, keep):
        path = tmp_path / "policy.onnx"
        path.write_bytes(exported.read_bytes()[:keep])
        with pytest.raises(PolicyError, match=r"policy\.onnx"):
            OnnxPolicy(path)

    def test_not_onnx(self, tmp_path):
        path = tmp_path / "policy.onnx"
        path.write_text("{}")
        with pytest.raises(PolicyError, match="cannot be read as ONNX"):
            OnnxPolicy(path)

    def test_onnx_of_something_else(self, exported, tmp_path):
        model = onnx.load(exported)
        del model.metadata_props[:]
        onnx.save_model(model, tmp_path / "other.onnx")
        with pytest.raises(PolicyError, match="not a policy"):
            OnnxPolicy(tmp_path / "other.onnx")

    def test_specification_of_another_graph(self, exported, tmp_path):
        model = onnx.load(exported)
        entry = model.metadata_props[0]
        entry.value = entry.value.replace('"gru"', '"ffn"').replace('"history": 4', '"history": 5')
        onnx.save_model(model, tmp_path / "other.onnx")
        with pytest.raises(PolicyError, match="has shape"):
            OnnxPolicy(tmp_path / "other.onnx")

    def test_newer_format(self, exported, tmp_path):
        model = onnx.load(exported)
        entry = model.metadata_props[0]
        entry.value = entry.value.replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 99')
        onnx.save_model(model, tmp_path / "other.onnx")
        with pytest.raises(PolicyError, match="update ampc"):
            OnnxPolicy(tmp_path / "other.onnx")
