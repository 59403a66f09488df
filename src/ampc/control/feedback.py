"""The interface of feedback laws: joint state in, command out, with the goal fixed at reset."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError

TorqueLawName = Literal["computed-torque", "gravity-compensation"]
"""What a command is: a joint acceleration [rad/s^2] or a torque on top of gravity [N m]."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Where a feedback law is to bring the arm."""

    goal: FloatArray
    """End-effector goal, world frame (3,) [m]."""
    q: FloatArray | None
    """Joint configuration that reaches it (n,) [rad]; None if the law does not need inverse kinematics."""


class FeedbackLaw(Protocol):
    """The part of a joint-space controller that differs between MPC, LQR, table and policy."""

    name: str
    """Name in tables and figures."""
    needs_reference: bool
    """Whether `reset` needs a joint reference, so that the controller runs inverse kinematics."""
    command_limit: FloatArray
    """Largest magnitude of each command (m,)."""
    saturated: bool
    """Whether the last command was cut to its limit after being computed (policies only)."""

    def reset(self, reference: Reference) -> None:
        """Take a new goal and forget the past."""

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Command for the current joint state (m,); may raise, the controller around it catches."""


@runtime_checkable
class ObservesCommand(Protocol):
    """A law that keeps a history of commands and must know those that were not its own."""

    def observe_command(self, command: FloatArray) -> None:
        """Take the command (m,) that was sent in place of the last one returned."""


@runtime_checkable
class Coasts(Protocol):
    """A law that can do without a measurement for a while, by a prediction of its own."""

    def coast(self) -> FloatArray:
        """Command (m,) of a control step whose measurement is missing; may raise."""


class ErrorFeedback:
    """Base of laws that act on the deviation from a joint reference and keep their limit by themselves."""

    needs_reference = True
    saturated = False

    def __init__(self, name: str, n_joints: int, limit: float) -> None:
        """Name the law; the limit holds for each of n commands."""
        self.name = name
        self.command_limit: FloatArray = np.full(n_joints, limit)
        self._q_ref: FloatArray = np.full(n_joints, np.nan)

    def reset(self, reference: Reference) -> None:
        """Take the joint reference.

        Raises:
            SolverError: If there is none.
        """
        if reference.q is None:
            raise SolverError(f"{self.name} needs a joint reference")
        self._q_ref = reference.q
