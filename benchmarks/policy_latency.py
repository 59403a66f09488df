"""Time of one whole step of a policy: torch eager against ONNX Runtime, C, plain NumPy and the expert.

A step is ``law.command(q, dq)``: history, network, saturation, checks. All laws run on one thread in this
process, in turns, on the same states. Weights are random, which does not change what a step costs.

    python benchmarks/policy_latency.py --output latency.json
"""

# Libraries read these when they are first imported.
# ruff: noqa: E402
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import tyro

from ampc.arrays import FloatArray
from ampc.control.feedback import FeedbackLaw, Reference
from ampc.control.joint_mpc import JointMPC
from ampc.export.onnx import export_onnx
from ampc.policies import HistoryBuffer, NetworkSettings, OnnxPolicy, PolicySpec
from ampc.policies.law import TorchPolicy
from ampc.policies.native import NativePolicy
from ampc.policies.networks import FeedForward
from ampc.policies.policy import Policy
from ampc.policies.spec import Architecture
from ampc.provenance import save_result
from ampc.solvers.double_integrator import JointMPCSettings

IPOPT = "expert IPOPT"
TARGETS = {"ffn onnx": 20.0, "ffn c": 10.0, **{f"ffn {size} c": 10.0 for size in ("64x2", "128x2", "256x2")}}
"""Medians that steps have to stay below [us]."""


@dataclass(frozen=True)
class LatencySettings:
    """What to measure."""

    joints: int = 3
    """Number of joints."""
    steps: int = 1000
    """Steps of a law in each round; a tenth of them for IPOPT."""
    rounds: int = 5
    """Rounds; the laws take turns in each."""
    output: Path | None = None
    """JSON file to write."""


class NumpyFeedForward:
    """The same FFN with NumPy's matrix products: what there is to win over the obvious way."""

    def __init__(self, policy: Policy) -> None:
        assert isinstance(policy.network, FeedForward)
        spec = policy.spec
        m = spec.n_actuated
        self._history = HistoryBuffer(2 * m, m, spec.inputs.history, dtype=np.float32)
        self._limit = np.asarray(spec.command_limit, np.float32)
        self._mean, self._deviation = policy.features.mean.numpy(), policy.features.deviation.numpy()
        self._layers = [
            (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy())
            for layer in policy.network.layers
            if isinstance(layer, torch.nn.Linear)
        ]

    def reset(self, reference: Reference) -> None:
        """Take a new goal."""
        self._history.reset()
        assert reference.q is not None
        self._offset = np.concatenate([reference.q, np.zeros_like(reference.q)]).astype(np.float32)

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Saturated command (m,)."""
        self._history.append(q, dq)
        x = ((self._history.states - self._offset - self._mean) / self._deviation).ravel()
        *hidden, (weight, bias) = self._layers
        for hidden_weight, hidden_bias in hidden:
            x = np.maximum(x @ hidden_weight + hidden_bias, 0.0)
        raw = (x @ weight + bias) * self._limit
        command = np.clip(raw, -self._limit, self._limit).astype(np.float64)
        self._history.record_command(command)
        return command


def native(policy: Policy, folder: Path) -> NativePolicy:
    """The policy in C."""
    policy.save(folder)
    return NativePolicy(folder)


def make_policy(architecture: Architecture, joints: int, size: tuple[int, int] | None = None) -> Policy:
    """A policy with random weights, on the default inputs; size is width and depth."""
    width, depth = size or (None, None)
    spec = PolicySpec(
        robot="benchmark",
        robot_fingerprint="",
        joint_names=tuple(f"joint{i}" for i in range(joints)),
        actuated=tuple(range(joints)),
        control_period=0.05,
        command_limit=(10.0,) * joints,
        network=NetworkSettings(architecture, width, depth).resolved(),
    )
    torch.manual_seed(0)
    return Policy(spec).eval()


def main(settings: LatencySettings) -> None:
    """Measure, print a table, write JSON."""
    torch.set_num_threads(1)
    laws: dict[str, FeedbackLaw | NumpyFeedForward] = {}
    parity: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for architecture in get_args(Architecture):
            policy = make_policy(architecture, settings.joints)
            path = Path(folder) / f"{architecture}.onnx"
            parity[architecture] = export_onnx(policy, path).raw_command
            laws[f"{architecture} torch"] = TorchPolicy(policy)
            laws[f"{architecture} onnx"] = OnnxPolicy(path)
            laws[f"{architecture} c"] = native(policy, Path(folder, architecture))
            if architecture == "ffn":
                laws["ffn numpy"] = NumpyFeedForward(policy)
        for width, depth in ((64, 2), (128, 2), (256, 2)):
            policy = make_policy("ffn", settings.joints, (width, depth))
            laws[f"ffn {width}x{depth} c"] = native(policy, Path(folder, f"{width}x{depth}"))
    laws["expert exact"] = JointMPC(JointMPCSettings(), settings.joints, solver="exact")
    laws[IPOPT] = JointMPC(JointMPCSettings(), settings.joints, solver="ipopt")

    times = measure(laws, settings)
    expert = float(np.median(times["expert exact"]))
    rows = {}
    print(f"{'law':20}{'p50 [us]':>10}{'p99':>10}{'max':>10}{'expert / law':>14}")
    for name, values in times.items():
        p50, p99, largest = (float(x) for x in np.percentile(values, [50, 99, 100]))
        rows[name] = {"p50_us": p50, "p99_us": p99, "max_us": largest, "expert_over_law": expert / p50}
        print(f"{name:20}{p50:10.1f}{p99:10.1f}{largest:10.1f}{expert / p50:14.2g}")
    for architecture in parity:
        ratio = rows[f"{architecture} torch"]["p50_us"] / rows[f"{architecture} onnx"]["p50_us"]
        print(
            f"{architecture}: ONNX Runtime {ratio:.1f} times faster than torch, "
            f"parity {parity[architecture]:.1e}"
        )
    met = {name: rows[name]["p50_us"] <= target for name, target in TARGETS.items()}
    for name, target in TARGETS.items():
        print(f"{name} at most {target:.0f} us: {'met' if met[name] else 'NOT met'}")
    if settings.output is not None:
        result = {
            "joints": settings.joints,
            "laws": rows,
            "parity": parity,
            "targets_us": TARGETS,
            "met": met,
        }
        save_result(settings.output, result)


def measure(
    laws: dict[str, FeedbackLaw | NumpyFeedForward], settings: LatencySettings
) -> dict[str, FloatArray]:
    """Time of every step of every law [us]."""
    rng = np.random.default_rng(0)
    states = rng.uniform(-1.0, 1.0, (settings.steps, 2, settings.joints))
    reference = Reference(rng.uniform(-1.0, 1.0, 3), rng.uniform(-1.0, 1.0, settings.joints))
    times: dict[str, list[float]] = {name: [] for name in laws}
    for round_number in range(settings.rounds + 1):
        for name, law in laws.items():
            some = states[: settings.steps // 10] if name == IPOPT else states
            elapsed = run(law.command, law.reset, reference, some)
            if round_number > 0:  # in the first, caches and allocators settle
                times[name] += elapsed
    return {name: np.array(values) / 1e3 for name, values in times.items()}


def run(
    command: Callable[[FloatArray, FloatArray], FloatArray],
    reset: Callable[[Reference], None],
    reference: Reference,
    states: FloatArray,
) -> list[float]:
    """Time of each step of one episode [ns]."""
    reset(reference)
    times = []
    for q, dq in states:
        start = time.perf_counter_ns()
        command(q, dq)
        times.append(time.perf_counter_ns() - start)
    return times


if __name__ == "__main__":
    main(tyro.cli(LatencySettings, description=__doc__))
