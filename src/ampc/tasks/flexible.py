"""Reaching tasks of an arm with flexible links, between shapes at rest and clear of the obstacles."""

from dataclasses import dataclass, field
from math import pi, radians
from typing import Literal, get_args

import numpy as np

from ampc.arrays import BoolArray, FloatArray
from ampc.chain.equilibrium import shapes_at_joints
from ampc.chain.parameters import chain_parameters
from ampc.chain.plane import PlanarStatics
from ampc.chain.statics import StaticEquilibrium
from ampc.errors import SettingsError, TaskError, UnreachableGoalError
from ampc.robots.robot import HalfSpace, Robot
from ampc.tasks.drawing import Drawing
from ampc.tasks.obstacles import WallSettings, among, direction_of
from ampc.tasks.task import Task
from ampc.tasks.variation import VariationSettings

FlexibleRegion = Literal["random", "near-wall"]
FLEXIBLE_REGIONS: tuple[FlexibleRegion, ...] = get_args(FlexibleRegion)

_MAX_ROUNDS = 500
_LEVEL = 0.99

Ranges = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class FlexibleTaskSettings:
    """What the tasks of an arm with flexible links look like; the defaults are those of the paper.

    Ranges are those of joints 1, 2 and 3, in that order, each from its lower to its upper end.
    """

    start: Ranges = ((-pi / 2, 3 * pi / 2), (0.0, pi), (-pi + 0.075, pi - 0.075))
    """Motor positions at the start [rad]."""
    random_goal: Ranges = ((-pi / 2, 3 * pi / 2), (0.0, pi), (-pi + 0.075, pi - 0.075))
    """Motor positions whose end effector is a goal of region ``random`` [rad]."""
    near_wall_goal: Ranges = ((radians(-15), radians(-15)), (0.0, pi / 2), (-pi + 0.2, 0.0))
    """Motor positions whose end effector is a goal of region ``near-wall`` [rad]."""
    wall_clearance: float = 0.01
    """Least distance of end effector and elbow from upright obstacles, at start and goal [m]."""
    ground_clearance: float = 0.0
    """Least distance from level ones [m]."""
    softest: float = 0.85
    """Starts keep clear also on an arm whose flexible links have this part of their stiffness, and so sag
    more: tasks for the nominal plant can then be repeated on softer ones."""
    variation: VariationSettings = field(default_factory=VariationSettings)
    """How the plants of the tasks differ from the nominal model."""
    walls: WallSettings | None = None
    """Walls that are drawn for each task; None for the robot's in all of them."""

    def __post_init__(self) -> None:
        for name in ("start", "random_goal", "near_wall_goal"):
            for low, high in getattr(self, name):
                if not -np.inf < low <= high < np.inf:
                    raise SettingsError(
                        f"{name} has the range [{low}, {high}]; its ends must be in ascending order"
                    )
        for name in ("wall_clearance", "ground_clearance"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise SettingsError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0.0 < self.softest <= 1.0:
            raise SettingsError(f"softest must be above 0 and at most 1, got {self.softest}")


class FlexibleTaskSampler:
    """Draws tasks of a yaw joint that carries two flexible links.

    Starts and goals are shapes at rest, the goal of a task the end effector of its witness: every goal is
    reachable by construction. Regions: ``random`` goals come from the distribution of the starts,
    ``near-wall`` goals from a plane that points slightly into the wall. End effector and elbow keep clear of
    all obstacles, at the start and at the goal. Where walls are drawn for each task, what is drawn for joint
    1 turns with them.

    Task i depends on the robot, the settings, the seed, the region and i alone: a larger set begins with the
    smaller one, and workers that share out the indices make the set that one would have made.
    """

    def __init__(self, robot: Robot, settings: FlexibleTaskSettings | None = None) -> None:
        """Prepare the robot's statics.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors.
            SettingsError: Walls are to be drawn in place of an obstacle that the robot does not have.
        """
        self.robot = robot
        self.settings = settings or FlexibleTaskSettings()
        self.statics_failures: dict[FlexibleRegion, int] = dict.fromkeys(FLEXIBLE_REGIONS, 0)
        """Tasks sampled so far on whose goal `StaticEquilibrium` found no allowed way to rest. They are kept:
        a set of tasks that a solver may thin out would flatter it."""
        self._equilibria = StaticEquilibrium(robot)
        walls = self.settings.walls
        self._replaced = None if walls is None else walls.replaced(robot)
        self._nominal = self._equilibria.plane
        softer = chain_parameters(robot, self.settings.softest)
        self._soft, self._axis = PlanarStatics(softer), softer.base

    def sample(self, n: int, region: FlexibleRegion = "random", seed: int = 0, first: int = 0) -> list[Task]:
        """Draw the tasks with indices ``first`` to ``first + n - 1``.

        Raises:
            TaskError: The region is unknown, or its ranges have no shape that is clear of the obstacles.
        """
        if region not in FLEXIBLE_REGIONS:
            raise TaskError(f"unknown region {region!r}; choose from {', '.join(FLEXIBLE_REGIONS)}")
        number, indices = FLEXIBLE_REGIONS.index(region), range(first, first + n)
        drawing = Drawing(self.robot, self.settings.variation, region, number, seed, indices)
        settings, generators, walls = self.settings, drawing.generators, self._walls(drawing)
        starts = self._draw(generators, settings.start, (self._nominal, self._soft), "start", walls)
        ranges = settings.random_goal if region == "random" else settings.near_wall_goal
        witnesses = self._draw(generators, ranges, (self._nominal,), f"{region} goal", walls)
        goals = np.array([self._end_effector(witness) for witness in witnesses]).reshape(-1, 3)
        tasks = drawing.tasks(starts, goals, witnesses, self._obstacles(walls))
        self.statics_failures[region] += sum(not self._has_equilibrium(task) for task in tasks)
        return tasks

    def _walls(self, drawing: Drawing) -> list[HalfSpace] | None:
        """The wall of each task; None where all have the robot's."""
        settings, random = self.settings.walls, drawing.of_obstacles()
        return None if settings is None else [settings.draw(each, self._axis) for each in random]

    def _obstacles(self, walls: list[HalfSpace] | None) -> list[tuple[HalfSpace, ...]] | None:
        """The robot's obstacles with the wall of each task among them."""
        place = self._replaced
        if walls is None or place is None:
            return None
        own = self.robot.obstacles
        return [(*own[:place], wall, *own[place + 1 :]) for wall in walls]

    def _draw(
        self,
        generators: list[np.random.Generator],
        ranges: Ranges,
        arms: tuple[PlanarStatics, ...],
        what: str,
        walls: list[HalfSpace] | None,
    ) -> FloatArray:
        """Motor positions that are clear on all of the arms, one from each generator (B, 3) [rad]."""
        low, high = np.array(ranges).T
        turns = None if walls is None else self._turns(walls)
        motors = np.empty((len(generators), 3))
        pending = np.arange(len(generators))
        for _ in range(_MAX_ROUNDS):
            if pending.size == 0:
                return motors
            motors[pending] = [generators[i].uniform(low, high) for i in pending]
            if turns is not None:
                motors[pending, 0] += turns[pending]
            near = None if walls is None else [walls[i] for i in pending]
            clear = np.ones(len(pending), dtype=np.bool_)
            for arm in arms:
                theta, rests = shapes_at_joints(arm, motors[pending, 1:])
                clear &= rests & self._is_clear(arm.positions(motors[pending, 0], theta), near)
            pending = pending[~clear]
        raise TaskError(
            f"no {what} clear of the obstacles was found in {_MAX_ROUNDS} draws from {ranges} rad; "
            "change the ranges"
        )

    def _end_effector(self, motors: FloatArray) -> FloatArray:
        """End effector at rest (3,) [m]; computed alone, since sums in batches round by the batch."""
        theta, _ = shapes_at_joints(self._nominal, motors[None, 1:])
        return np.asarray(self._nominal.positions(motors[:1], theta)[0, 0])

    def _turns(self, walls: list[HalfSpace]) -> FloatArray:
        """By how much each task's wall is turned from the robot's about the axis of joint 1 (B,) [rad]."""
        assert self._replaced is not None
        own = direction_of(self.robot.obstacles[self._replaced])
        turns = np.array([direction_of(wall) for wall in walls]) - own
        return turns - 2.0 * np.pi * np.round(turns / (2.0 * np.pi))

    def _is_clear(self, points: FloatArray, walls: list[HalfSpace] | None) -> BoolArray:
        """Whether the obstacle points (B, k, 3) of each shape keep clear of all obstacles (B,)."""
        clear = np.ones(len(points), dtype=np.bool_)
        for place, obstacle in enumerate(self.robot.obstacles):
            level = abs(obstacle.normal[2]) > _LEVEL
            least = self.settings.ground_clearance if level else self.settings.wall_clearance
            distance = obstacle.distance(points)
            if walls is not None and place == self._replaced:
                distance = np.array([wall.distance(own) for wall, own in zip(walls, points, strict=True)])
            clear &= (distance.reshape(len(points), -1) > least).all(axis=-1)
        return clear

    def _has_equilibrium(self, task: Task) -> bool:
        equilibria = self._equilibria
        if task.obstacles is not None:
            equilibria = StaticEquilibrium(among(self.robot, task))
        try:
            equilibria.solve(task.goal)
        except UnreachableGoalError:
            return False
        return True
