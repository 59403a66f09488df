"""Reaching tasks drawn at random from a region of the workspace, each a function of its own index."""

from dataclasses import dataclass, field

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import TaskError
from ampc.robots.inverse_kinematics import InverseKinematics
from ampc.robots.robot import Robot
from ampc.tasks.drawing import Drawing
from ampc.tasks.task import Task
from ampc.tasks.variation import VariationSettings
from ampc.tasks.workspace import REGIONS, Region, RegionSettings, Workspace

_PROPOSALS = 4
_JITTER = 0.02
_MAX_ROUNDS = 500
_CANONICAL_ROUNDS = 10


@dataclass(frozen=True)
class TaskSettings:
    """What the tasks of a robot look like."""

    regions: RegionSettings = field(default_factory=RegionSettings)
    """Where one workspace region ends and the next begins."""
    variation: VariationSettings = field(default_factory=VariationSettings)
    """How the plants of the tasks differ from the nominal model."""


class TaskSampler:
    """Draws tasks of one robot.

    The goal of a task is where the end effector is in its witness, a random configuration of the region asked
    for, so that every goal is reachable by construction; see `Workspace` for the regions. A ``joint-limit``
    task moreover has its *canonical* inverse-kinematics solution near a limit, unless no such goal turned up
    in ten rounds of proposals. The start is a random configuration at rest, away from the joint limits.
    Start and goal keep clear of the robot's obstacles.

    Task i depends on the robot, the settings, the seed, the region and i alone: a larger set begins with the
    smaller one, and workers that share out the indices make the set that one would have made.
    """

    def __init__(self, robot: Robot, settings: TaskSettings | None = None) -> None:
        """Cut the robot's workspace into regions.

        Raises:
            TaskError: The robot has joints without motors, whose positions depend on its weight.
        """
        if robot.passive.size:
            names = ", ".join(repr(robot.joint_names[joint]) for joint in robot.passive)
            raise TaskError(
                f"robot {robot.name!r} has joints without motors ({names}); its goals are drawn by "
                "FlexibleTaskSampler, from shapes at rest"
            )
        self.robot = robot
        self.settings = settings or TaskSettings()
        self.workspace = Workspace(robot, self.settings.regions)
        self.ik_failures: dict[Region, int] = dict.fromkeys(REGIONS, 0)
        """Tasks sampled so far whose goal inverse kinematics did not reach. They are kept: a set of tasks
        that a solver may thin out would flatter it."""
        self._inverse_kinematics = InverseKinematics(robot)

    def sample(self, n: int, region: Region = "interior", seed: int = 0, first: int = 0) -> list[Task]:
        """Draw the tasks with indices ``first`` to ``first + n - 1``.

        Raises:
            TaskError: The arm has no configuration in the region, or the region is unknown.
        """
        if region not in REGIONS:
            raise TaskError(f"unknown region {region!r}; choose from {', '.join(REGIONS)}")
        if len(self.workspace.pool[region]) == 0:
            raise TaskError(f"robot {self.robot.name!r} has no configuration in region {region!r}")
        drawing = Drawing(
            self.robot, self.settings.variation, region, REGIONS.index(region), seed, range(first, first + n)
        )
        starts = self._starts(drawing.generators)
        witnesses, unsolved = self._witnesses(drawing.generators, region)
        self.ik_failures[region] += unsolved
        return drawing.tasks(starts, self.workspace.end_effector(witnesses), witnesses)

    def _starts(self, generators: list[np.random.Generator]) -> FloatArray:
        """Clear configurations away from the limits, one from each generator (B, n)."""
        ranges = self.workspace.ranges
        margin = self.settings.regions.limit_fraction * (ranges[:, 1] - ranges[:, 0])
        low, high = ranges[:, 0] + margin, ranges[:, 1] - margin
        starts = np.empty((len(generators), self.robot.n_joints))
        pending = np.arange(len(generators))
        for _ in range(_MAX_ROUNDS):
            if pending.size == 0:
                return starts
            proposals = np.array([generators[i].uniform(low, high) for i in pending])
            starts[pending] = proposals
            pending = pending[~self.workspace.is_clear(proposals)]
        raise TaskError(f"no start clear of the obstacles was found in {_MAX_ROUNDS} draws")

    def _witnesses(self, generators: list[np.random.Generator], region: Region) -> tuple[FloatArray, int]:
        """A configuration of the region from each generator (B, n), and how many goals IK did not reach."""
        witnesses = self._proposals(generators, region)
        if not generators:
            return witnesses, 0
        solutions, solved = self._solve(witnesses)
        if region == "joint-limit":
            for _ in range(_CANONICAL_ROUNDS):
                pending = np.flatnonzero(solved & ~self.workspace.near_limit(solutions))
                if pending.size == 0:
                    break
                witnesses[pending] = self._proposals([generators[i] for i in pending], region)
                solutions[pending], solved[pending] = self._solve(witnesses[pending])
        return witnesses, int((~solved).sum())

    def _solve(self, witnesses: FloatArray) -> tuple[FloatArray, BoolArray]:
        answer = self._inverse_kinematics.solve_batch(self.workspace.end_effector(witnesses))
        return answer.q, answer.converged

    def _proposals(self, generators: list[np.random.Generator], region: Region) -> FloatArray:
        """Clear configurations of the region: jittered members of the pool that still belong to it."""
        workspace, wanted = self.workspace, REGIONS.index(region)
        pool, n_joints = workspace.pool[region], self.robot.n_joints
        jitter = _JITTER * (workspace.ranges[:, 1] - workspace.ranges[:, 0])
        found = np.empty((len(generators), n_joints))
        pending: IntArray = np.arange(len(generators))
        for _ in range(_MAX_ROUNDS):
            if pending.size == 0:
                return found
            members = np.array([generators[i].integers(len(pool), size=_PROPOSALS) for i in pending])
            noise = np.array([generators[i].standard_normal((_PROPOSALS, n_joints)) for i in pending])
            q = (pool[members] + jitter * noise).reshape(-1, n_joints)
            fits = workspace.within_ranges(q) & workspace.is_clear(q) & (workspace.classify(q) == wanted)
            fits = fits.reshape(len(pending), _PROPOSALS)
            rows = np.arange(len(pending))
            found[pending] = q.reshape(len(pending), _PROPOSALS, n_joints)[rows, fits.argmax(axis=1)]
            pending = pending[~fits.any(axis=1)]
        raise TaskError(f"region {region!r} of robot {self.robot.name!r} is too small to sample")
