"""Writes a policy as one ONNX file, and proves that the file computes what the policy does."""

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from ampc.arrays import FloatArray
from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy
from ampc.policies.runtime import METADATA_KEY, OnnxPolicy
from ampc.robots import KinematicChain

OPSET = 20
"""ONNX operator set of the files; read by ONNX Runtime from 1.17."""

LARGEST_DIFFERENCE = 1e-4
"""Parity that an export has to reach, see `Parity`. Sums in another order differ in the seventh digit, which
the gains of a policy multiply: most reach 1e-6, those taught under noise or with a reference network 2e-5."""


@dataclass(frozen=True)
class Parity:
    """How far the exported file is from the torch policy, over `steps` steps of whole sequences."""

    command: float
    """Largest difference of a saturated command, as a fraction of its limit."""
    raw_command: float
    """Largest difference of a command before saturation, as a fraction of its limit or, where larger, of
    the command itself."""
    steps: int
    """Steps compared."""


def export_onnx(policy: Policy, path: Path) -> Parity:
    """Write a policy as an ONNX file for `OnnxPolicy` or any ONNX runtime.

    Features, normalisation, network and saturation are inside the graph. Its batch is one; its inputs are
    those of ``states`` (1, T, 2m), ``reference`` (1, n), ``goal`` (1, 3) and ``past_commands`` (1, T, m) that
    the policy reads; its outputs ``command`` (1, m), saturated, and ``raw_command`` (1, m). A recurrent
    policy becomes a single step, T = 1, with the hidden state as inputs ``hidden_i`` and outputs
    ``next_hidden_i``. The specification is in the metadata.

    Args:
        policy: The policy; not modified.
        path: File to write; appears only once parity is established.

    Returns:
        The parity between the file and the policy.

    Raises:
        PolicyError: If the file does not compute what the policy does to `LARGEST_DIFFERENCE`.
    """
    step = _Step(copy.deepcopy(policy).float().eval())
    example = step.example_inputs()
    hidden = [name for name in example if name.startswith("hidden_")]
    outputs = ["command", "raw_command", *(f"next_{name}" for name in hidden)]
    with warnings.catch_warnings(), _quiet("torch.onnx", "onnxscript"):
        warnings.simplefilter("ignore")  # of the exporter about itself
        program = torch.onnx.export(
            step,
            tuple(example.values()),
            input_names=list(example),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _strip_traces(model)
    model.metadata_props.add(key=METADATA_KEY, value=policy.spec.to_json())
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        onnx.save_model(model, draft)
        parity = compare(TorchPolicy(step.policy), OnnxPolicy(draft))
        if max(parity.command, parity.raw_command) > LARGEST_DIFFERENCE:
            raise PolicyError(
                f"the exported graph differs from the policy by {parity.raw_command:.1e} of the command "
                f"limit (at most {LARGEST_DIFFERENCE:.0e} is allowed); nothing was written to {path}"
            )
        draft.replace(path)
    return parity


def compare(expected: TorchPolicy, found: OnnxPolicy, sequences: int = 20, length: int = 50) -> Parity:
    """Run both laws through the same sequences of states, history and hidden state included.

    Half of the sequences are approaches to the reference as in a closed loop, from any configuration to
    rest; half are white noise. The goal is where the reference puts the end effector, if the specification
    has the kinematics.

    Args:
        expected: The torch policy.
        found: The exported one.
        sequences: Number of sequences, each with its own reference and goal.
        length: Steps of a sequence.
    """
    spec = found.spec
    limit = np.asarray(spec.command_limit)
    chain = KinematicChain.from_dict(spec.kinematic_chain) if spec.kinematic_chain else None
    rng = np.random.default_rng(0)
    difference = raw_difference = 0.0
    for sequence in range(sequences):
        q_ref = rng.uniform(-np.pi, np.pi, spec.n_joints)
        goal = rng.uniform(-1.0, 1.0, 3) if chain is None else chain.end_effector(q_ref)
        reference = Reference(goal, q_ref)
        expected.reset(reference)
        found.reset(reference)
        if sequence % 2:
            q, dq = rng.uniform(-np.pi, np.pi, (2, length, spec.n_actuated))
        else:
            q, dq = _approach(q_ref[list(spec.actuated)], length, spec.control_period, rng)
        for step in range(length):
            commands = expected.command(q[step], dq[step]), found.command(q[step], dq[step])
            raw, other_raw = expected.raw_command, found.raw_command
            difference = max(difference, np.max(np.abs(commands[0] - commands[1]) / limit))
            scale = np.maximum(limit, np.abs(raw))
            raw_difference = max(raw_difference, np.max(np.abs(raw - other_raw) / scale))
    return Parity(float(difference), float(raw_difference), sequences * length)


class _Step(nn.Module):
    """One step of a policy as a function of the inputs it reads, saturation included."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy
        spec = policy.spec
        self._read = {
            "reference": spec.needs_reference,
            "goal": spec.needs_goal,
            "past_commands": spec.inputs.past_commands,
        }

    def example_inputs(self) -> dict[str, Tensor]:
        """Zeros of the right shapes for every input of the graph, by name."""
        spec = self.policy.spec
        m, length = spec.n_actuated, 1 if spec.recurrent else spec.inputs.history
        shapes = {"reference": (1, spec.n_joints), "goal": (1, 3), "past_commands": (1, length, m)}
        example = {"states": torch.zeros(1, length, 2 * m)}
        example |= {name: torch.zeros(shape) for name, shape in shapes.items() if self._read[name]}
        if spec.recurrent:
            example |= {f"hidden_{i}": tensor for i, tensor in enumerate(self.policy.initial_hidden())}
        return example

    def forward(self, states: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Command, raw command and hidden state, for the inputs in the order of `example_inputs`."""
        remaining = list(others)
        unread = states.new_zeros(0)
        reference, goal, past_commands = (
            remaining.pop(0) if is_read else unread for is_read in self._read.values()
        )
        if not remaining:
            raw = self.policy(states, reference, goal, past_commands)
            return self.policy.saturate(raw), raw
        sequence, hidden = self.policy.advance(states, reference, goal, past_commands, tuple(remaining))
        raw = sequence[:, 0]
        return self.policy.saturate(raw), raw, *hidden


def _approach(
    q_ref: FloatArray, length: int, control_period: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Positions and velocities (length, m) of an exponential approach to q_ref from a random start."""
    rate = 3.0
    decay = np.exp(-rate * control_period * np.arange(length))[:, None]
    error = rng.uniform(-np.pi, np.pi, len(q_ref)) * decay
    return q_ref + error, -rate * error


def _strip_traces(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes on where each node comes from: bulk, with paths of this machine."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Silence loggers below errors."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
