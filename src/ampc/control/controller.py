"""The one interface that experts, baselines, policies and filtered policies share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from ampc.arrays import FloatArray
from ampc.plants.measurement import Measurement
from ampc.tasks.task import Task

if TYPE_CHECKING:  # a rigid arm needs neither estimator nor chain
    from ampc.control.situation import Situation


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What a controller did in its last step."""

    command: FloatArray
    """Output of the feedback law before it becomes a torque (m,): [rad/s^2] under computed torque, [N m]
    where torque is applied directly."""
    corrective_torque: FloatArray
    """Part of the torque that drives the arm to its goal (m,) [N m]."""
    compensation_torque: FloatArray
    """Part that cancels gravity and, under computed torque, velocity-dependent forces (m,) [N m]."""
    status: Literal["ok", "fallback"] = "ok"
    """``fallback`` where the controller could not do its job and did something safe instead."""
    reason: str = ""
    """Why it fell back, in plain words."""
    command_saturated: bool = False
    """Whether the feedback law's output was cut to its limit after being computed (policies only)."""
    label: FloatArray | None = None
    """Command that an expert in the controller's shadow would have given (m,); None without one."""
    solve_seconds: float = 0.0
    """Time that an optimisation took [s]; 0 without one."""
    iterations: int = 0
    """Iterations of that optimisation."""
    situation: "Situation | None" = None
    """What a policy in the controller's place would see, where that is more than a measurement."""


class Controller(Protocol):
    """Measurement in, torque out. `act` never raises and never returns a non-finite torque."""

    name: str
    """Name in tables and figures."""
    control_period: float
    """Time between two calls of `act` [s]."""
    last_step: StepRecord
    """What the last call of `act` did."""

    def reset(self, task: Task) -> None:
        """Prepare for a new task: forget the past, take the goal."""

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque of the actuated joints for the next control period (m,) [N m]."""


@runtime_checkable
class ObservesApplied(Protocol):
    """A controller that has to know what was sent to the motors where it was not its own torque.

    Estimators, delay predictions and histories of commands need it whenever another controller drives.
    """

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Take what was sent in place of the last torque, after the last `act` and before the next.

        Args:
            torque: Torque of the actuated joints (m,) [N m], before the plant's limits.
            command: The command that it comes from (m,), in the unit of `StepRecord.command`.
        """


@runtime_checkable
class Watches(Protocol):
    """A controller that can follow what happens without deciding, where deciding takes long."""

    def watch(self, measurement: Measurement) -> None:
        """Take a measurement in; `observe_applied` follows. `last_step` has no torque of its own then."""
