"""A torch policy as a feedback law, for loops inside training such as DAgger."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ampc.arrays import FloatArray
from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.policies.history import HistoryBuffer
from ampc.policies.policy import Policy

RunMode = Literal["stateful", "windowed"]


class TorchPolicy:
    """Runs a policy step by step, with its history, hidden state and saturation.

    Recurrent policies run statefully by default: the hidden state is carried on from `reset`, one step per
    call, which equals running over the whole past. ``windowed`` runs them over the last ``history`` states
    from zero hidden state instead, for comparison; other networks know only that mode.
    """

    def __init__(self, policy: Policy, mode: RunMode = "stateful", name: str | None = None) -> None:
        """Wrap a policy.

        Args:
            policy: The policy; put into evaluation mode.
            mode: How recurrent networks run.
            name: Name in tables and figures; None for the architecture.
        """
        spec = policy.spec
        self.name = name or spec.network.architecture
        self.needs_reference = spec.needs_reference
        self.command_limit: FloatArray = np.asarray(spec.command_limit)
        self.saturated = False
        self._policy = policy.eval()
        self._stateful = spec.recurrent and mode == "stateful"
        m = spec.n_actuated
        self.raw_command: FloatArray = np.zeros(m)
        """The last command before saturation (m,)."""
        length = 1 if self._stateful else spec.inputs.history
        like = policy.features.mean
        precision = torch.empty(0, dtype=like.dtype).numpy().dtype
        self._history = HistoryBuffer(spec.n_state, m, length, spec.inputs.stride, precision)
        # Tensors that share the buffer's memory: nothing is copied at a control step.
        self._states = torch.from_numpy(self._history.states)[None]
        self._past_commands = torch.from_numpy(self._history.past_commands)[None]
        self._reference = self._tensor(np.zeros(spec.n_joints))
        self._is_reset = False

    def reset(self, reference: Reference) -> None:
        """Take a new goal and forget the past.

        Raises:
            PolicyError: If the policy needs a joint reference and there is none.
        """
        self._is_reset = False
        self._history.reset()
        self.saturated = False
        self._goal = self._tensor(reference.goal)
        if reference.q is not None:
            self._reference = self._tensor(reference.q)
        elif self.needs_reference:
            raise PolicyError(f"policy {self.name!r} needs a joint reference from inverse kinematics")
        if self._stateful:
            self._hidden = self._policy.initial_hidden()
        self._is_reset = True

    def refer(self, q: FloatArray) -> None:
        """Take another joint reference (n,) [rad] in the middle of an episode."""
        self._reference = self._tensor(q)

    def command(self, *state: FloatArray) -> FloatArray:
        """Saturated command (m,) for a state (S,), see `PolicySpec.n_state`, whole or in parts: (q, dq).

        Raises:
            PolicyError: If the state or the network's output is not finite, or there was no `reset`.
        """
        if not self._is_reset:
            raise PolicyError(f"policy {self.name!r} has no goal: call reset first")
        self._history.append(*state)
        device = self._reference.device
        states, past_commands = self._states.to(device), self._past_commands.to(device)
        with torch.inference_mode():
            if self._stateful:
                outputs, self._hidden = self._policy.advance(
                    states, self._reference, self._goal, past_commands, self._hidden
                )
                output = outputs[:, -1]
            else:
                output = self._policy(states, self._reference, self._goal, past_commands)
        raw = output[0].double().cpu().numpy()
        if not np.isfinite(raw).all():
            raise PolicyError(f"policy {self.name!r} returned a non-finite command: {raw}")
        self.raw_command = raw
        command: FloatArray = np.clip(raw, -self.command_limit, self.command_limit)
        self.saturated = bool((command != raw).any())
        self._history.record_command(command)
        return command

    def observe_command(self, command: FloatArray) -> None:
        """Take the command (m,) that was sent in place of the last one into the history."""
        self._history.record_command(command)

    def _tensor(self, values: NDArray[np.floating]) -> Tensor:
        """Batch of one, where the policy is and in its precision."""
        like = self._policy.features.mean
        return torch.tensor(values, dtype=like.dtype, device=like.device)[None]
