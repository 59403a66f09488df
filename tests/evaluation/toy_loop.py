"""A one-joint arm with exact dynamics and a PD controller: a closed loop that costs no time to run."""

import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import StepRecord
from ampc.errors import UnreachableGoalError
from ampc.plants.measurement import Measurement
from ampc.tasks.task import Task

PERIOD = 0.05


class ToyPlant:
    """Unit inertia, semi-implicit Euler; the end effector is (q, 0, 0)."""

    control_period = PERIOD

    def reset(self, task: Task) -> Measurement:
        if not np.any(task.goal):
            raise UnreachableGoalError("the origin is taken", distance=0.5)
        self.q, self.dq, self._time = task.start.copy(), np.zeros(1), 0.0
        self.applied_torque, self.torque_saturated, self.fault = np.zeros(1), False, ""
        self._noise = np.random.default_rng(task.seed)
        return self._measure()

    def step(self, torque: FloatArray) -> Measurement:
        self.applied_torque = np.clip(torque, -20.0, 20.0)
        self.torque_saturated = bool((self.applied_torque != torque).any())
        self.dq = self.dq + PERIOD * self.applied_torque
        self.q = self.q + PERIOD * self.dq
        self._time += PERIOD
        return self._measure()

    @property
    def end_effector(self) -> FloatArray:
        return np.array([self.q[0], 0.0, 0.0])

    def _measure(self) -> Measurement:
        return Measurement(self._time, self.q + 1e-4 * self._noise.normal(size=1), self.dq.copy())


class ToyController:
    control_period = PERIOD

    def __init__(self, name: str, stiffness: float, delay: float) -> None:
        self.name, self.stiffness, self.delay = name, stiffness, delay

    def reset(self, task: Task) -> None:
        self.goal = task.goal[:1]
        self.last_step = StepRecord(*np.zeros((3, 1)))

    def act(self, measurement: Measurement) -> FloatArray:
        time.sleep(self.delay)
        error = measurement.q - self.goal
        torque = -self.stiffness * error - 2.0 * np.sqrt(self.stiffness) * measurement.dq
        unreachable = bool(self.goal[0] > 5.0)
        if unreachable:
            torque = np.zeros(1)
        status = "fallback" if unreachable else "ok"
        self.last_step = StepRecord(torque, torque, np.zeros(1), status, "unreachable" if unreachable else "")
        return torque


@dataclass(frozen=True)
class ToySetup:
    name: str = "pd"
    stiffness: float = 16.0
    delay: float = 0.0
    file: Path | None = None
    arm: str = "toy"

    def build_robot(self) -> SimpleNamespace:
        return SimpleNamespace(
            position_limits=np.array([[-10.0, 10.0]]),
            velocity_limits=np.array([50.0]),
            torque_limits=np.array([[-20.0, 20.0]]),
            fingerprint=self.arm,
        )

    def build(self) -> tuple[ToyPlant, ToyController]:
        stiffness = self.stiffness if self.file is None else float(self.file.read_text())
        return ToyPlant(), ToyController(self.name, stiffness, self.delay)


def toy_tasks(n: int, region: str = "interior", seed: int = 0) -> list[Task]:
    rng = np.random.default_rng(seed)
    goals = np.c_[rng.uniform(-1, 1, size=n), np.zeros((n, 2))]
    starts = rng.uniform(-1, 1, size=(n, 1))
    return [Task(i, region, starts[i], goals[i], goals[i, :1], seed=i) for i in range(n)]
