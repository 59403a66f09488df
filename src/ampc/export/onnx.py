"""Writes a policy as one ONNX file, and proves that the file computes what the policy does."""

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from ampc.export.parity import Parity, compare, require_parity
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy
from ampc.policies.runtime import METADATA_KEY, OnnxPolicy

OPSET = 20
"""ONNX operator set of the files; read by ONNX Runtime from 1.17."""


def export_onnx(policy: Policy, path: Path) -> Parity:
    """Write a policy as an ONNX file for `OnnxPolicy` or any ONNX runtime.

    Features, normalisation, network and saturation are inside the graph. Its batch is one; its inputs are
    those of ``states`` (1, T, S), ``reference`` (1, n), ``goal`` (1, 3) and ``past_commands`` (1, T, m) that
    the policy reads; its outputs ``command`` (1, m), saturated, and ``raw_command`` (1, m). A recurrent
    policy becomes a single step, T = 1, with the hidden state as inputs ``hidden_i`` and outputs
    ``next_hidden_i``. The specification is in the metadata.

    Args:
        policy: The policy; not modified.
        path: File to write; appears only once parity is established.

    Returns:
        The parity between the file and the policy.

    Raises:
        PolicyError: If the file does not compute what the policy does to `LARGEST_DIFFERENCE` of
            `ampc.export.parity`.
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
        require_parity(parity, policy.spec, path)
        draft.replace(path)
    return parity


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
        example = {"states": torch.zeros(1, length, spec.n_state)}
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
