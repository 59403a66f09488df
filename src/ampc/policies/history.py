"""The recent past of a control loop, in the form a policy was trained on."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ampc.arrays import FloatArray
from ampc.errors import PolicyError

LARGEST_STATE = 1e30
"""Magnitude above which a state is taken for a fault rather than a measurement."""


class HistoryBuffer:
    """States and past commands of the last ``(history - 1) * stride + 1`` control steps, read at the stride.

    Entry k of `past_commands` is the command applied in the control step that led to entry k of `states`.
    Before the episode began the arm is taken to have rested in its first state under zero command: the
    first `append` after `reset` fills all states with it. Training windows are padded in the same way.

    `states` and `past_commands` are views that stay valid: their memory is updated in place.
    """

    states: NDArray[np.floating]
    """States (history, n_state), newest last."""
    past_commands: NDArray[np.floating]
    """Commands applied just before them (history, n_command), newest last."""

    def __init__(
        self, n_state: int, n_command: int, history: int, stride: int = 1, dtype: DTypeLike = np.float64
    ) -> None:
        """Make an empty buffer.

        Args:
            n_state: Entries of a state.
            n_command: Entries of a command.
            history: Entries of the history, the present one included.
            stride: Control steps between two of them.
            dtype: Floating-point type of the memory.
        """
        span = (history - 1) * stride + 1
        self._all_states = np.zeros((span, n_state), dtype)
        self._all_commands = np.zeros((span, n_command), dtype)
        self._last_command = np.zeros(n_command, dtype)
        self.states = self._all_states[::stride]
        self.past_commands = self._all_commands[::stride]
        # Views made once: the buffer is shifted at every control step.
        flat_states, flat_commands = self._all_states.reshape(-1), self._all_commands.reshape(-1)
        self._shifts = [(flat_states[:-n_state], flat_states[n_state:])]
        if n_command:
            self._shifts.append((flat_commands[:-n_command], flat_commands[n_command:]))
        self._newest_state, self._newest_command = self._all_states[-1], self._all_commands[-1]
        self._empty = True

    def reset(self) -> None:
        """Forget the past."""
        self._all_commands[:] = 0.0
        self._last_command[:] = 0.0
        self._empty = True

    def append(self, *state: FloatArray) -> None:
        """Take the state measured at this control step, whole or in parts such as ``append(q, dq)``.

        Raises:
            PolicyError: If it is not finite, or too large for single precision; the buffer is left as it was.
        """
        # Checked here because recurrent kernels may turn a NaN into an ordinary number.
        for part in state:
            if not sum(map(abs, part.tolist())) < LARGEST_STATE:
                raise PolicyError(f"a policy cannot use the state {np.concatenate(state)}")
        for older, newer in self._shifts:
            older[:] = newer
        np.concatenate(state, out=self._newest_state, casting="same_kind")
        self._newest_command[:] = self._last_command
        if self._empty:
            self._all_states[:] = self._newest_state
            self._empty = False

    def record_command(self, command: FloatArray) -> None:
        """Take the command (n_command,) that is applied from this control step to the next."""
        self._last_command[:] = command
