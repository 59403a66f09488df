"""Runs a saved policy in C: no torch, no ONNX Runtime, a few microseconds a step."""

import ctypes
import functools
from ctypes import POINTER, c_float, c_int, c_void_p
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ampc.arrays import FloatArray
from ampc.chain.core import open_library
from ampc.errors import PolicyError
from ampc.policies.files import read_saved_policy
from ampc.policies.packing import INDICES, NUMBERS, SIZES, PackedPolicy, pack

if TYPE_CHECKING:
    from ampc.control.feedback import Reference

VERSION = 3
"""``POLICY_VERSION`` of src/policy.h that this module is written for."""


class Status(IntEnum):
    """``PolicyStatus`` of policy.h; from `NO_GOAL` on they are faults."""

    OK = 0
    SATURATED = 1
    NO_GOAL = 2
    BAD_STATE = 3
    NOT_FINITE = 4


class CPolicyModel(ctypes.Structure):
    """``PolicyModel`` of policy.h."""

    _fields_ = (
        *((name, c_int) for name in SIZES),
        *((name, POINTER(c_int)) for name in INDICES),
        *((name, POINTER(c_float)) for name in NUMBERS),
    )

    def __init__(self, packed: PackedPolicy) -> None:
        """Point to the arrays of a packed policy, which has to outlive this."""
        super().__init__(*packed.sizes.values())
        for name, indices in packed.indices.items():
            setattr(self, name, indices.ctypes.data_as(POINTER(c_int)))
        for name, numbers in packed.numbers.items():
            setattr(self, name, numbers.ctypes.data_as(POINTER(c_float)))


class NativePolicy:
    """A policy as `Policy.save` wrote it, as a feedback law that runs in the package's C library.

    It computes what `OnnxPolicy` does from the exported file, in single precision as well, and needs no
    export. Recurrent policies run statefully. A reference network runs once, at `reset`.
    """

    def __init__(self, folder: Path | str, name: str | None = None) -> None:
        """Load a policy.

        Args:
            folder: Folder with ``policy.json`` and ``policy.safetensors``.
            name: Name in tables and figures; None for the architecture.

        Raises:
            PolicyError: If a file is missing or damaged, they do not fit each other, the format is newer, or
                the package has no compiled library.
        """
        self.spec, weights = read_saved_policy(Path(folder))
        spec, m = self.spec, self.spec.n_actuated
        self.name = name or spec.network.architecture
        self.needs_reference = spec.needs_reference
        self.command_limit: FloatArray = np.asarray(spec.command_limit)
        self.saturated = False
        library = _library()
        self.packed = pack(spec, weights)
        self.model = CPolicyModel(self.packed)
        """The policy as the C code takes it."""
        self._state, (self._command, self._raw) = np.zeros(spec.n_state), np.zeros((2, m))
        self.memory_size: int = library.policy_memory_size(self.model)
        self.memory: NDArray[np.float32] = np.zeros(self.memory_size, np.float32)
        """History and hidden state, as the C code keeps them."""
        self._policy = (ctypes.byref(self.model), _address(self.memory))
        # Made once: converting an array's address costs as much as the network.
        self._step = library.policy_step
        self._arguments = (
            *self._policy,
            *(_address(array) for array in (self._state, self._command, self._raw)),
        )
        self._reset, self._refer, self._observe = (
            library.policy_reset,
            library.policy_refer,
            library.policy_observe,
        )

    def reset(self, reference: "Reference") -> None:
        """Take a new goal and forget the past.

        Raises:
            PolicyError: If the policy needs a joint reference and there is none.
        """
        self.memory[:] = 0.0
        self.saturated = False
        if self.needs_reference and reference.q is None:
            raise PolicyError(f"policy {self.name!r} needs a joint reference from inverse kinematics")
        goal = np.array(reference.goal, dtype=np.float64)
        q = None if reference.q is None else np.array(reference.q, dtype=np.float64)
        self._reset(*self._policy, None if q is None else _address(q), _address(goal))

    def refer(self, q: FloatArray) -> None:
        """Take another joint reference (n,) [rad] in the middle of an episode."""
        reference = np.array(q, dtype=np.float64)
        self._refer(*self._policy, _address(reference))

    def command(self, *state: FloatArray) -> FloatArray:
        """Saturated command (m,) for a state (S,), see `PolicySpec.n_state`, whole or in parts: (q, dq).

        Raises:
            PolicyError: If the state or the network's output is not finite, or there was no `reset`.
        """
        np.concatenate(state, out=self._state)
        status = self._step(*self._arguments)
        if status >= Status.NO_GOAL:
            raise PolicyError(self._fault(status))
        self.saturated = status == Status.SATURATED
        return self._command.copy()

    def observe_command(self, command: FloatArray) -> None:
        """Take the command (m,) that was sent in place of the last one into the history."""
        sent = np.array(command, dtype=np.float64)
        self._observe(*self._policy, _address(sent))

    @property
    def raw_command(self) -> FloatArray:
        """The last command before saturation (m,)."""
        return self._raw.copy()

    def _fault(self, status: int) -> str:
        match status:
            case Status.NO_GOAL:
                return f"policy {self.name!r} has no goal: call reset first"
            case Status.BAD_STATE:
                return f"a policy cannot use the state {self._state}"
        return f"policy {self.name!r} returned a non-finite command: {self._raw}"


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = open_library()
        if library.policy_version() != VERSION:
            raise OSError("it is of another version than the package")
    except (OSError, AttributeError) as error:
        raise PolicyError(
            f"policies run in C by the compiled library, which cannot be used: {error}; install a C compiler "
            "(such as gcc) and then this package again, or use the exported .onnx file"
        ) from None
    library.policy_memory_size.argtypes = [POINTER(CPolicyModel)]
    library.policy_reset.restype = library.policy_refer.restype = library.policy_observe.restype = None
    return library


def _address(array: NDArray[Any]) -> c_void_p:
    return c_void_p(array.ctypes.data)
