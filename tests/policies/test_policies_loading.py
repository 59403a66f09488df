import numpy as np
import pytest
import torch

from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.export.onnx import export_onnx
from ampc.policies import InputSettings, NetworkSettings, OnnxPolicy
from ampc.policies.loading import load_policy
from ampc.policies.native import NativePolicy
from ampc.policies.policy import Policy


def test_the_named_file_decides_what_runs_it(make_spec, tmp_path):
    torch.manual_seed(0)
    policy = Policy(make_spec(3, InputSettings(history=2), NetworkSettings("gru", 8, 1))).eval()
    policy.save(tmp_path)
    export_onnx(policy, tmp_path / "policy.onnx")
    in_c, by_onnx = load_policy(tmp_path), load_policy(tmp_path / "policy.onnx")
    assert isinstance(in_c, NativePolicy)
    assert isinstance(by_onnx, OnnxPolicy)
    for law in (in_c, by_onnx):
        law.reset(Reference(np.array([0.3, 0.2, 0.4]), np.array([0.1, -0.2, 0.3])))
    for q, dq in np.random.default_rng(0).normal(size=(10, 2, 3)):
        np.testing.assert_allclose(in_c.command(q, dq), by_onnx.command(q, dq), atol=1e-4)


def test_nothing_there(tmp_path):
    with pytest.raises(PolicyError, match="there is no policy at"):
        load_policy(tmp_path / "nothing")
    with pytest.raises(PolicyError, match="holds no policy"):
        load_policy(tmp_path)
