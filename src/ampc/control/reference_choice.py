"""Which way to rest on the goal the arm is sent to, whatever the stiffness of its links turns out to be."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.plane import PlanarStatics
from ampc.chain.statics import Equilibrium, StaticEquilibrium, rest_shape
from ampc.chain.yaw_chain import YawChain
from ampc.control.rest_path import MotionSettings
from ampc.control.rest_routes import destination, nearest_turn, rank_straight_plans
from ampc.robots import Robot

_SCALES = (0.75, 1.0, 1.3)
"""Stiffnesses at which a branch is solved for; in between it is a parabola in 1 / stiffness, to 1e-6 m."""
_NOMINAL = 1
_SAME_BRANCH = 0.8
"""Largest joint distance between equilibria of arms of two stiffnesses that belong together [rad]."""


@dataclass(frozen=True, eq=False)
class Branch:
    """One way to rest on the goal, or as near to it as possible, for links of any stiffness."""

    q: FloatArray
    """Joint positions at rest for each of three stiffnesses (3, n) [rad]."""
    clearance: FloatArray
    """Distance of each obstacle point from each obstacle, of the nominal arm (points, obstacles) [m]."""

    @property
    def reference(self) -> FloatArray:
        """Joint positions at rest of the nominal arm (n,) [rad]."""
        return np.asarray(self.q[_NOMINAL])

    def at(self, stiffness_scale: float) -> FloatArray:
        """Joint positions at rest (n,) [rad] for a stiffness relative to the nominal arm's."""
        softness = 1.0 / stiffness_scale
        constant, linear, quadratic = self.parabola
        return np.asarray(constant + softness * (linear + softness * quadratic))

    @cached_property
    def parabola(self) -> FloatArray:
        """Coefficients of `at` by powers of 1 / stiffness, the constant first (3, n) [rad]."""
        return np.asarray(np.linalg.solve(np.vander(1.0 / np.array(_SCALES), increasing=True), self.q))


class ReferenceChoice:
    """Finds the ways to rest on a goal and ranks them by how quickly and how freely the arm gets there."""

    def __init__(self, robot: Robot, margin: float) -> None:
        """Read the arm's statics.

        Args:
            robot: A yaw joint that carries a planar chain with two motors.
            margin: Distance from obstacles below which a way counts as longer [m].

        Raises:
            RobotError: The arm is of another kind.
        """
        self._robot, self._margin = robot, margin
        self._chain = YawChain.from_robot(robot)
        self._statics = tuple(StaticEquilibrium(robot, scale) for scale in _SCALES)
        self._plane = PlanarStatics(self._chain.parameters)
        self._equilibria: list[Equilibrium] = []
        self.goal: FloatArray = np.full(3, np.nan)
        """Where the end effector is sent (3,) [m]: the goal, or the reachable point nearest to it."""
        self.objection = ""
        """Why the goal cannot be reached; empty if it can."""

    def take(self, goal: FloatArray) -> None:
        """Find all ways to a goal (3,) [m]; of one out of reach, that to the nearest reachable point.

        Raises:
            TaskError: The goal is not three finite numbers.
            RobotError: The arm can rest nowhere.
        """
        there = destination(self._statics[_NOMINAL], goal)
        self.goal, self.objection, self._equilibria = there.goal, there.objection, there.equilibria

    def branches(self, start: FloatArray) -> list[Branch]:
        """Ways to the goal from motor positions (m,) [rad], the best first; at least one."""
        plans = rank_straight_plans(
            self._chain, self._robot, start, self._equilibria, MotionSettings(), self._margin
        )
        return [self._branch(plan.reference) for plan in plans]

    def _branch(self, reference: FloatArray) -> Branch:
        q = np.array([self._same(row, reference) for row in range(len(_SCALES))])
        points = self._plane.positions(reference[0], self._plane.angles(reference[None, 1:])[0])
        clearance = [obstacle.distance(points) for obstacle in self._robot.obstacles]
        return Branch(q, np.array(clearance).reshape(-1, len(points)).T)

    def _same(self, row: int, reference: FloatArray) -> FloatArray:
        """The same branch of an arm of another stiffness (n,).

        Where that arm has none, it is what its links make of the nominal arm's motor positions.
        """
        if row == _NOMINAL:
            return reference
        motors = self._robot.actuated
        candidates = [nearest_turn(each.q, reference[0]) for each in self._statics[row].candidates(self.goal)]
        near = [q for q in candidates if np.abs(q - reference)[motors].max() < _SAME_BRANCH]
        if near:
            return min(near, key=lambda q: float(np.abs(q - reference).max()))
        return rest_shape(self._chain.with_stiffness_scale(_SCALES[row]), reference[motors])
