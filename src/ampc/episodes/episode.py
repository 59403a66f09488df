"""The record of one closed loop, with the true states."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import BoolArray, FloatArray
from ampc.control.situation import Situation
from ampc.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Episode:
    """T control steps of one controller on one task; row k is what was known and done at time k.

    The arrays hold the state *before* the step's torque acts, so that row k of `action` is the label of
    row k of the state. `final_*` is the state after the last step.
    """

    task: Task
    """The task that was run."""
    controller: str
    """Name of the controller."""
    control_period: float
    """Time between two rows [s]."""
    time: FloatArray
    """Time since the start (T,) [s]."""
    q: FloatArray
    """True joint positions (T, n) [rad]."""
    dq: FloatArray
    """True joint velocities (T, n) [rad/s]."""
    end_effector: FloatArray
    """True end-effector position, world frame (T, 3) [m]."""
    measured_q: FloatArray
    """Measured positions of the actuated joints (T, m) [rad]."""
    measured_dq: FloatArray
    """Measured velocities of the actuated joints (T, m) [rad/s]."""
    reference: FloatArray
    """Joint reference of the controller (n,) [rad]; NaN where it had none."""
    command: FloatArray
    """Feedback law's command (T, m): [rad/s^2] or [N m], see `ampc.control.torque_laws`."""
    corrective_torque: FloatArray
    """Torque that drives the arm to its goal (T, m) [N m]."""
    compensation_torque: FloatArray
    """Torque that cancels weight and motion (T, m) [N m]."""
    applied_torque: FloatArray
    """Torque after the plant's limits (T, m) [N m]."""
    torque_saturated: BoolArray
    """Whether the plant cut the torque (T,)."""
    command_saturated: BoolArray
    """Whether a policy's command was cut to its limit (T,)."""
    step_time: FloatArray
    """Wall time of the controller's `act` (T,) [s]."""
    fallbacks: tuple[tuple[int, str], ...]
    """Rows in which the controller or the plant reported a fault, with the reason."""
    final_q: FloatArray
    """True joint positions after the last step (n,) [rad]."""
    final_dq: FloatArray
    """True joint velocities after the last step (n,) [rad/s]."""
    final_end_effector: FloatArray
    """True end-effector position after the last step (3,) [m]."""
    settled_at: float | None
    """When the arm first was within the stop rule's tolerance [s]; None if never, or without a rule."""
    label: FloatArray | None = None
    """Command that an expert in the controller's shadow would have given (T, m), NaN where it was not asked;
    None without one: the command itself is then what there is to imitate."""
    label_derivative: FloatArray | None = None
    """Derivative of labels by the positions and velocities of all joints (T, m, 2n), NaN where it was not
    asked for; None where it was nowhere."""
    situations: tuple[Situation, ...] | None = None
    """What was known at each step (T,), of controllers that record it; None of others."""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def labelled(self) -> BoolArray:
        """Which rows are there to be imitated (T,).

        Not those without an answer of the expert and, of controllers that record situations, not those in
        which one fell back on something else.
        """
        found = np.ones(len(self), dtype=np.bool_)
        if self.label is not None:
            found &= np.isfinite(self.label).all(axis=1)
        if self.situations is not None:
            found[[row for row, _ in self.fallbacks]] = False
        return found

    @property
    def error(self) -> FloatArray:
        """Distance of the end effector to the goal (T,) [m]."""
        distance: FloatArray = np.linalg.norm(self.end_effector - self.task.goal, axis=1)
        return distance
