"""The interface of feedback laws: joint state in, command out, with the goal fixed at reset."""

from dataclasses import dataclass
from typing import Literal, Protocol

from ampc.arrays import FloatArray

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
