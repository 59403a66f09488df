"""Runs an exported policy with NumPy and ONNX Runtime alone: no torch, no MuJoCo, no CasADi."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ampc.arrays import FloatArray
from ampc.errors import PolicyError
from ampc.policies.history import HistoryBuffer
from ampc.policies.spec import PolicySpec

if TYPE_CHECKING:
    from ampc.control.feedback import Reference

METADATA_KEY = "ampc.policy"
"""Key of the metadata entry that holds the policy's specification as JSON."""


class OnnxPolicy:
    """An ``.onnx`` file written by `ampc.export.onnx.export_onnx`, as a feedback law.

    Recurrent policies run statefully: the hidden state is carried on from `reset`, one step per call.

    A step costs little more than the network itself because nothing is allocated in it: inputs, outputs and
    hidden states live in arrays that are bound to the session once. The hidden state alternates between two
    of them, one read while the other is written.
    """

    def __init__(self, path: Path | str, name: str | None = None) -> None:
        """Load a policy on one thread.

        Args:
            path: The ``.onnx`` file.
            name: Name in tables and figures; None for the architecture.

        Raises:
            PolicyError: If the file is missing, damaged, not a policy, or of a newer format.
        """
        self._session = _open_session(Path(path))
        self.spec = _read_spec(self._session, Path(path))
        spec = self.spec
        self.name = name or spec.network.architecture
        self.needs_reference = spec.needs_reference
        self.command_limit: FloatArray = np.asarray(spec.command_limit)
        self.saturated = False
        m = spec.n_actuated
        length = 1 if spec.recurrent else spec.inputs.history
        self._history = HistoryBuffer(spec.n_state, m, length, spec.inputs.stride, np.float32)

        self._arrays: dict[str, NDArray[np.float32]] = {
            port.name: np.zeros(port.shape, np.float32)
            for port in (*self._session.get_inputs(), *self._session.get_outputs())
        }
        expected = {"states": (1, length, spec.n_state), "command": (1, m), "raw_command": (1, m)}
        for port_name, shape in expected.items():
            found = self._arrays[port_name].shape if port_name in self._arrays else None
            if found != shape:
                raise PolicyError(f"{path}: {port_name!r} has shape {found}, its specification says {shape}")
        self._states = self._arrays["states"][0]
        self._past_commands = self._arrays["past_commands"][0] if spec.inputs.past_commands else None
        self._raw, self._command = self._arrays["raw_command"][0], self._arrays["command"][0]
        hidden = [name for name in self._arrays if name.startswith("hidden_")]
        forward = {name: name.replace("hidden_", "next_hidden_") for name in hidden}
        backward = {after: before for before, after in forward.items()}
        self._binding = self._bind({})
        self._other_binding = self._bind(forward | backward) if hidden else self._binding
        self._hidden = [self._arrays[name] for name in (*forward, *backward)]
        self._is_reset = False

    def reset(self, reference: "Reference") -> None:
        """Take a new goal and forget the past.

        Raises:
            PolicyError: If the policy needs a joint reference and there is none.
        """
        self._is_reset = False
        self._history.reset()
        self.saturated = False
        for array in self._hidden:
            array[:] = 0.0
        if self.spec.needs_goal:
            self._arrays["goal"][0] = reference.goal
        if self.needs_reference:
            if reference.q is None:
                raise PolicyError(f"policy {self.name!r} needs a joint reference from inverse kinematics")
            self._arrays["reference"][0] = reference.q
        self._is_reset = True

    def refer(self, q: FloatArray) -> None:
        """Take another joint reference (n,) [rad] in the middle of an episode."""
        if self.needs_reference:
            self._arrays["reference"][0] = q

    def command(self, *state: FloatArray) -> FloatArray:
        """Saturated command (m,) for a state (S,), see `PolicySpec.n_state`, whole or in parts: (q, dq).

        Raises:
            PolicyError: If the state or the network's output is not finite, or there was no `reset`.
        """
        if not self._is_reset:
            raise PolicyError(f"policy {self.name!r} has no goal: call reset first")
        history = self._history
        history.append(*state)
        self._states[:] = history.states
        if self._past_commands is not None:
            self._past_commands[:] = history.past_commands
        self._session.run_with_iobinding(self._binding)
        self._binding, self._other_binding = self._other_binding, self._binding
        # Lists of a few floats: several times faster here than array operations.
        raw, command = self._raw.tolist(), self._command.tolist()
        if not all(map(math.isfinite, raw)):
            raise PolicyError(f"policy {self.name!r} returned a non-finite command: {raw}")
        self.saturated = raw != command
        history.record_command(self._command)
        return np.array(command)

    def observe_command(self, command: FloatArray) -> None:
        """Take the command (m,) that was sent in place of the last one into the history."""
        self._history.record_command(command)

    @property
    def raw_command(self) -> FloatArray:
        """The last command before saturation (m,)."""
        return np.array(self._raw, np.float64)

    def _bind(self, exchanged: dict[str, str]) -> ort.IOBinding:
        """All inputs and outputs bound to their arrays, or to that of the port they are exchanged with."""
        binding = self._session.io_binding()
        for ports, bind in (
            (self._session.get_inputs(), binding.bind_ortvalue_input),
            (self._session.get_outputs(), binding.bind_ortvalue_output),
        ):
            for port in ports:
                array = self._arrays[exchanged.get(port.name, port.name)]
                bind(port.name, ort.OrtValue.ortvalue_from_numpy(array))  # shares memory on the CPU
        return binding


def _open_session(path: Path) -> ort.InferenceSession:
    if path.is_dir():
        raise PolicyError(f"{path} is a folder; the .onnx file in it is needed")
    if not path.is_file():
        raise PolicyError(f"there is no policy at {path}; an .onnx file written by `ampc export` is needed")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise PolicyError(
            f"{path} cannot be read as ONNX ({error}); `ampc export` writes an .onnx file from a saved policy"
        ) from error


def _read_spec(session: ort.InferenceSession, path: Path) -> PolicySpec:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise PolicyError(
            f"{path} is an ONNX file, but not a policy: its metadata has no {METADATA_KEY!r}; "
            "`ampc export` writes it"
        )
    return PolicySpec.from_json(text, path)
