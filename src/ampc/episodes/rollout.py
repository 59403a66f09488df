"""The closed loop: one plant, one controller, one task."""

import math
import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller
from ampc.control.situation import Situation
from ampc.episodes.episode import Episode
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.tasks.task import Task


class Plant(Protocol):
    """A simulated arm, or a real one behind the same calls; it alone knows the true state."""

    control_period: float
    """Time that one `step` takes [s]."""
    q: FloatArray
    """True joint positions (n,) [rad]."""
    dq: FloatArray
    """True joint velocities (n,) [rad/s]."""
    end_effector: FloatArray
    """True end-effector position, world frame (3,) [m]."""
    applied_torque: FloatArray
    """Torque of the last step after the plant's limits (m,) [N m]."""
    torque_saturated: bool
    """Whether the last torque was cut to the limits."""
    fault: str
    """What went wrong in the last step, such as a non-finite torque or an unstable simulation; else empty."""

    def reset(self, task: Task) -> Measurement:
        """Put the arm at rest at the task's start, with the task's variation and noise."""

    def step(self, torque: FloatArray) -> Measurement:
        """Hold a torque (m,) [N m] for one control period."""


@dataclass(frozen=True)
class StopRule:
    """Ends an episode some time after the arm has come to rest at its reference."""

    tolerance: float = 0.01
    """Largest deviation of any joint position [rad] and, times ten, of any velocity [rad/s] that counts as
    settled."""
    hold: float = 0.3
    """Time that is still recorded after the arm has settled [s], so that data show how to hold still."""


def run_episode(
    plant: Plant, controller: Controller, task: Task, duration: float, stop: StopRule | None = None
) -> Episode:
    """Run a controller on a task.

    Args:
        plant: The arm.
        controller: The controller; timed by the wall clock at each step.
        task: Where to start and where to go.
        duration: Length of the episode [s]; with a stop rule its maximum.
        stop: When to end before that; None for an episode of fixed length.

    Returns:
        The record of the loop.

    Raises:
        SettingsError: If plant and controller run at different rates, or the duration is below one step.
    """
    period = plant.control_period
    if abs(controller.control_period - period) > 1e-9:
        raise SettingsError(
            f"controller {controller.name!r} runs every {controller.control_period:g} s but the plant expects"
            f" a torque every {period:g} s; give both the same control period"
        )
    if not math.isfinite(duration):
        raise SettingsError(f"an episode of {duration:g} s has no end; give its duration in seconds")
    n_steps = round(duration / period)
    if n_steps < 1:
        raise SettingsError(
            f"an episode of {duration:g} s is shorter than one control period of {period:g} s"
        )

    measurement = plant.reset(task)
    controller.reset(task)
    reference = getattr(controller, "reference", None)
    reference = np.full(len(plant.q), np.nan) if reference is None else np.asarray(reference)

    n, m = len(plant.q), len(measurement.q)
    times, step_time = np.empty(n_steps), np.empty(n_steps)
    q, dq, end_effector = np.empty((n_steps, n)), np.empty((n_steps, n)), np.empty((n_steps, 3))
    measured_q, measured_dq, command, corrective, compensation, applied = np.empty((6, n_steps, m))
    torque_saturated, command_saturated = np.zeros((2, n_steps), dtype=bool)
    labels: list[FloatArray] = []
    situations: list[Situation] = []
    fallbacks: list[tuple[int, str]] = []
    settled_at: float | None = None
    length = n_steps
    for k in range(n_steps):
        times[k] = measurement.time
        q[k], dq[k], end_effector[k] = plant.q, plant.dq, plant.end_effector
        measured_q[k], measured_dq[k] = measurement.q, measurement.dq
        if stop is not None:
            if settled_at is None and _settled(plant.q, plant.dq, reference, stop.tolerance):
                settled_at = measurement.time
            if k and settled_at is not None and measurement.time - settled_at >= stop.hold - 1e-9:
                length = k
                break
        started = time.perf_counter()
        torque = controller.act(measurement)
        step_time[k] = time.perf_counter() - started
        record = controller.last_step
        command[k] = record.command
        corrective[k], compensation[k] = record.corrective_torque, record.compensation_torque
        command_saturated[k] = record.command_saturated
        if record.label is not None:
            labels.append(record.label)
        if record.situation is not None:
            situations.append(record.situation)
        measurement = plant.step(torque)
        applied[k], torque_saturated[k] = plant.applied_torque, plant.torque_saturated
        if record.status == "fallback" or plant.fault:
            fallbacks.append((k, "; ".join(filter(None, (record.reason, plant.fault)))))
    rows = slice(0, length)
    return Episode(
        task=task,
        controller=controller.name,
        control_period=period,
        time=times[rows],
        q=q[rows],
        dq=dq[rows],
        end_effector=end_effector[rows],
        measured_q=measured_q[rows],
        measured_dq=measured_dq[rows],
        reference=reference,
        command=command[rows],
        corrective_torque=corrective[rows],
        compensation_torque=compensation[rows],
        applied_torque=applied[rows],
        torque_saturated=torque_saturated[rows],
        command_saturated=command_saturated[rows],
        step_time=step_time[rows],
        fallbacks=tuple(fallbacks),
        final_q=plant.q.copy(),
        final_dq=plant.dq.copy(),
        final_end_effector=plant.end_effector.copy(),
        settled_at=settled_at,
        label=np.array(labels) if labels else None,
        situations=tuple(situations) if len(situations) == length else None,
    )


def _settled(q: FloatArray, dq: FloatArray, reference: FloatArray, tolerance: float) -> bool:
    return bool(np.abs(q - reference).max() < tolerance and np.abs(dq).max() < 10.0 * tolerance)
