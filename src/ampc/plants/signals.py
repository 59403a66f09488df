"""What lies between a controller and any simulated arm: torque limits, input delay, sensor noise."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ampc.arrays import BoolArray, FloatArray
from ampc.tasks.task import PlantVariation


class LimitedTorque(NamedTuple):
    """What a plant makes of the torques (..., m) that it is asked for."""

    applied: FloatArray
    """Torques within the limits (..., m) [N m]."""
    saturated: BoolArray
    """Whether an arm's torque was cut to the limits (...,)."""
    rejected: BoolArray
    """Whether an arm's torque was not finite and was replaced by zero as a whole (...,)."""


def limit_torque(torque: FloatArray, limits: FloatArray) -> LimitedTorque:
    """Cut torques (..., m) [N m] of one or many arms to ``limits`` (m, 2) [N m]."""
    rejected: BoolArray = np.asarray(~np.isfinite(torque).all(axis=-1))
    requested = np.where(rejected[..., None], 0.0, torque)
    applied = np.clip(requested, limits[:, 0], limits[:, 1])
    return LimitedTorque(applied, np.asarray((applied != requested).any(axis=-1)), rejected)


class DelayLine:
    """Torques on their way to the motors; until the first arrives, none acts.

    Time is counted in ticks of the simulation.
    """

    def __init__(self, n_motors: int, delay: int) -> None:
        """Make a line of ``delay`` ticks for ``n_motors`` motors."""
        self._delay = delay
        self._acting: FloatArray = np.zeros(n_motors)
        self._pending: deque[tuple[int, FloatArray]] = deque()
        self._now = 0

    def send(self, torque: FloatArray, ticks: int) -> Iterator[tuple[FloatArray, int]]:
        """Send a torque (m,) [N m] and let ``ticks`` pass.

        Yields:
            Which torque (m,) [N m] acts, and for how many ticks, one after the other.
        """
        self._pending.append((self._now + self._delay, torque))
        end = self._now + ticks
        while self._now < end:
            if self._pending and self._pending[0][0] <= self._now:
                self._acting = self._pending.popleft()[1]
                continue
            until = min(end, self._pending[0][0]) if self._pending else end
            yield self._acting, until - self._now
            self._now = until


class SensorNoise:
    """Gaussian noise of an arm's sensors: one draw per measurement, from the task's seed alone.

    Every controller that is compared on a task thus meets the same sequence.
    """

    def __init__(self, variation: PlantVariation, seed: int, n_actuated: int, end_effector: bool) -> None:
        """Prepare the noise of one task; ``end_effector`` says whether the arm has that sensor."""
        scale = [variation.position_noise] * n_actuated + [variation.velocity_noise] * n_actuated
        if end_effector:
            scale += [variation.end_effector_noise] * 3
        self._scale: FloatArray = np.array(scale)
        self._silent = not self._scale.any()
        self._generator = np.random.default_rng(seed)

    def draw(self) -> FloatArray:
        """Errors of positions (m) [rad], velocities (m) [rad/s] and, where sensed, end effector (3) [m]."""
        if self._silent:
            return self._scale
        return np.asarray(self._scale * self._generator.standard_normal(self._scale.size))


def describe_fault(torque_rejected: bool, unstable: bool) -> str:
    """What went wrong in a step, in plain words; empty if nothing did."""
    faults = ["torque is not finite: none applied"] if torque_rejected else []
    if unstable:
        faults.append("simulation is unstable: the arm stands still")
    return "; ".join(faults)
