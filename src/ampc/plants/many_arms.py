"""Many flexible arms stepped at once on all cores."""

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.plants.chain_plant import FlexiblePlantSettings
from ampc.plants.signals import DelayLine, SensorNoise, limit_torque
from ampc.plants.simulated_plant import PlantSettings
from ampc.plants.varied_arm import VariedArm, hang_at_rest, model_variation
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation, Task

_JOBS_PER_THREAD = 4


@dataclass(frozen=True, slots=True)
class Measurements:
    """Readings of one control step of B arms."""

    time: FloatArray
    """Time since the start of each arm's task (B,) [s]."""
    q: FloatArray
    """Measured positions of the joints with motors (B, m) [rad]."""
    dq: FloatArray
    """Measured velocities of the joints with motors (B, m) [rad/s]."""
    end_effector: FloatArray
    """Measured end-effector positions, world frame (B, 3) [m]."""


class ManyArms:
    """B plants like `FlexiblePlant`, equal to rounding, with a task, a variation and a noise sequence each.

    Attributes:
        robot: The nominal arm.
        count: Number of arms B.
        settings: Rates.
        control_period: Time for which one torque is held [s].
        points: True positions of the obstacle points, end effector first, world frame (B, k, 3) [m].
        applied_torque: Torque accepted at the last step, after limits (B, m) [N m].
        torque_saturated: Whether the last torque was cut to the limits (B,).
        torque_rejected: Whether the last torque was not finite and was replaced by zero as a whole (B,).
        unstable: Whether an arm's integration has failed in its task; its state then stays what it was (B,).
    """

    def __init__(
        self, robot: Robot, count: int, settings: PlantSettings | None = None, threads: int | None = None
    ) -> None:
        """Make the plants, all at rest at the robot's home.

        Args:
            robot: The nominal arm.
            count: Number of arms B.
            settings: Rates; by default those of the published flexible arm.
            threads: Threads to step on; by default one for each core.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain.
        """
        self.robot, self.count = robot, count
        self.settings = settings or FlexiblePlantSettings()
        self.control_period = self.settings.control_period
        n, m, k = robot.n_joints, robot.n_actuated, len(robot.obstacle_points)
        self._nominal = VariedArm.make(robot, PlantVariation())
        self._arms = [self._nominal] * count
        self._noise = [SensorNoise(PlantVariation(), 0, m, end_effector=True)] * count
        self._inputs: list[DelayLine | None] = [None] * count
        self._state = np.tile(np.concatenate([robot.home, np.zeros(n)]), (count, 1))
        self._stages = self._nominal.chain.warm_start(self.settings.substeps, count)
        self._steps = np.zeros(count, dtype=np.int64)
        self.points: FloatArray = np.tile(self._nominal.chain.points(self._state[0])[0], (count, 1, 1))
        self.points = self.points.reshape(count, k, 3)
        self.applied_torque: FloatArray = np.zeros((count, m))
        self.torque_saturated, self.torque_rejected, self.unstable = np.zeros((3, count), dtype=np.bool_)
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="ampc-arms")

    @property
    def time(self) -> FloatArray:
        """Time since the start of each arm's task (B,) [s]."""
        return np.asarray(self._steps * self.control_period)

    @property
    def q(self) -> FloatArray:
        """True joint positions (B, n) [rad]."""
        return self._state[:, : self.robot.n_joints]

    @property
    def dq(self) -> FloatArray:
        """True joint velocities (B, n) [rad/s]."""
        return self._state[:, self.robot.n_joints :]

    @property
    def end_effector(self) -> FloatArray:
        """True end-effector positions, world frame (B, 3) [m]."""
        return self.points[:, 0]

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def reset(self, tasks: Sequence[Task], rows: IntArray | None = None) -> Measurements:
        """Let arms hang at rest at the starts of new tasks, each in its task's plant.

        Args:
            tasks: One task for each arm to reset.
            rows: Which arms to reset; all by default. The others stay as they are.

        Returns:
            The first measurements of the arms that were reset, in the order of ``rows``.

        Raises:
            TaskError: As `FlexiblePlant.reset` does. Then no arm is reset.
        """
        rows = np.arange(self.count) if rows is None else np.asarray(rows, dtype=np.int64)
        if len(tasks) != len(rows):
            raise ValueError(f"{len(tasks)} tasks for {len(rows)} arms")
        known = {id(arm): arm for arm in self._arms}
        varied = {model_variation(arm.variation): arm for arm in known.values()}
        varied[PlantVariation()] = self._nominal
        groups: dict[PlantVariation, list[int]] = defaultdict(list)
        for i, task in enumerate(tasks):
            groups[model_variation(task.variation)].append(i)
        states = np.zeros((len(tasks), 2 * self.robot.n_joints))
        arms: list[VariedArm] = [self._nominal] * len(tasks)
        for variation, members in groups.items():
            arm = varied.get(variation) or VariedArm.make(self.robot, variation)
            states[members, : self.robot.n_joints] = hang_at_rest(
                self._nominal, arm, [tasks[i] for i in members]
            )
            for i in members:
                arms[i] = arm
        self._state[rows] = states
        self._stages[rows] = 0.0
        self._steps[rows] = 0
        self.applied_torque[rows] = 0.0
        for flags in (self.torque_saturated, self.torque_rejected, self.unstable):
            flags[rows] = False
        m = self.robot.n_actuated
        for row, arm, task in zip(rows.tolist(), arms, tasks, strict=True):
            delay = round(task.variation.input_delay / self.settings.physics_step)
            self._arms[row] = arm
            self._inputs[row] = DelayLine(m, delay) if delay else None
            self._noise[row] = SensorNoise(task.variation, task.seed, m, end_effector=True)
            self.points[row] = arm.chain.points(self._state[row])[0]
        return self._measure(rows)

    def step(self, torque: FloatArray, rows: IntArray | None = None) -> Measurements:
        """Hold torques for one control period.

        Args:
            torque: Torque of the joints with motors of each arm (B, m) [N m]; cut to the limits, zero where
                an arm's is not finite.
            rows: Which arms to step; all by default. The others stay as they are, their torques are not read.

        Returns:
            The measurements at the end of the control period, in the order of ``rows``.

        Raises:
            ValueError: If the torques have another shape.
        """
        if np.shape(torque) != self.applied_torque.shape:
            raise ValueError(f"torque has shape {np.shape(torque)}, expected {self.applied_torque.shape}")
        rows = np.arange(self.count) if rows is None else np.asarray(rows, dtype=np.int64)
        limited = limit_torque(torque[rows], self.robot.torque_limits)
        self.applied_torque[rows] = limited.applied
        self.torque_saturated[rows], self.torque_rejected[rows] = limited.saturated, limited.rejected
        for ticks, members, acting in self._segments(rows[~self.unstable[rows]]):
            self._advance(ticks, members, acting)
        self._steps[rows] += 1
        return self._measure(rows)

    def _segments(self, rows: IntArray) -> list[tuple[int, IntArray, FloatArray]]:
        """What to integrate in turn: for how many ticks which arms (b,) under which torques (b, m).

        Arms without input delay need one segment; a delayed torque arrives within the control period.
        """
        substeps = self.settings.substeps
        prompt = np.array([self._inputs[row] is None for row in rows.tolist()], dtype=np.bool_)
        segments = [(substeps, rows[prompt], self.applied_torque[rows[prompt]])]
        later: dict[tuple[int, int], list[tuple[int, FloatArray]]] = defaultdict(list)
        for row in rows[~prompt].tolist():
            line = self._inputs[row]
            if line is not None:
                sent = line.send(self.applied_torque[row].copy(), substeps)
                for order, (torque, ticks) in enumerate(sent):
                    later[order, ticks].append((row, torque))
        for (_, ticks), entries in sorted(later.items(), key=lambda item: item[0]):
            members = np.array([row for row, _ in entries])
            segments.append((ticks, members, np.array([torque for _, torque in entries])))
        return segments

    def _advance(self, ticks: int, rows: IntArray, torque: FloatArray) -> None:
        """Integrate arms (b,) under torques (b, m), those with the same dynamics together."""
        rows_of: dict[int, list[int]] = defaultdict(list)
        for i, row in enumerate(rows.tolist()):
            if not self.unstable[row]:  # it may have failed in an earlier segment
                rows_of[id(self._arms[row])].append(i)
        size = max(1, -(-len(rows) // (self._threads * _JOBS_PER_THREAD)))
        jobs = [
            np.array(members[first : first + size])
            for members in rows_of.values()
            for first in range(0, len(members), size)
        ]
        run = map if len(jobs) == 1 else self._pool.map
        list(run(lambda job: self._integrate(ticks, rows[job], torque[job]), jobs))

    def _integrate(self, ticks: int, rows: IntArray, torque: FloatArray) -> None:
        chain = self._arms[rows[0]].chain
        stages = self._stages[rows] if ticks == self.settings.substeps else None
        states, status = chain.step_many(
            self._state[rows],
            torque,
            ticks * self.settings.physics_step,
            scheme="radau",
            substeps=ticks,
            warm_start=stages,
            threads=1,
        )
        done: BoolArray = status == 0
        self._state[rows[done]] = states[done]
        self.unstable[rows[~done]] = True
        if stages is not None:
            self._stages[rows] = stages
        for row in rows[done].tolist():
            self.points[row] = chain.points(self._state[row])[0]

    def _measure(self, rows: IntArray) -> Measurements:
        actuated = self.robot.actuated
        m = len(actuated)
        noise: FloatArray = np.zeros((len(rows), 2 * m + 3))
        for i, row in enumerate(rows.tolist()):
            noise[i] = self._noise[row].draw()
        return Measurements(
            self.time[rows],
            self.q[np.ix_(rows, actuated)] + noise[:, :m],
            self.dq[np.ix_(rows, actuated)] + noise[:, m : 2 * m],
            self.points[rows, 0] + noise[:, 2 * m :],
        )
