"""Inverse kinematics to rely on: many starts, joint limits, wrapped angles, one canonical branch."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import SettingsError, TaskError, UnreachableGoalError
from ampc.robots.inverse_kinematics.limited_descent import LimitedDescent
from ampc.robots.inverse_kinematics.low_discrepancy import low_discrepancy_points
from ampc.robots.inverse_kinematics.self_motion import SelfMotion
from ampc.robots.kinematic_chain import KinematicChain
from ampc.robots.robot import Robot

_GOALS_AT_ONCE = 128
_HOME_TILT = 1e-3
_SAME_SOLUTION = 1e-2
_SLIDING_CANDIDATES = 4


@dataclass(frozen=True)
class InverseKinematicsSettings:
    """How hard to search. The defaults fail on fewer than one reachable goal in a thousand."""

    tolerance: float = 1e-7
    """Largest distance of a solution's end effector from the goal [m]."""
    starts: int = 24
    """Configurations the first search of a goal starts from."""
    max_iterations: int = 16
    """Budget of each of these."""
    thorough_starts: int = 64
    """Starts of the second search, made only where the first found no solution."""
    thorough_iterations: int = 300
    """Budget of each of these. A goal that none of them reaches counts as unreachable."""
    table_size: int = 3072
    """Configurations spread over the joint ranges, of which the nearest to the goal become starts."""

    def __post_init__(self) -> None:
        for name in ("tolerance", "starts", "max_iterations", "thorough_starts", "thorough_iterations"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} must be positive, got {getattr(self, name)}")
        if not self.starts <= self.thorough_starts <= self.table_size:
            raise SettingsError(
                "starts <= thorough_starts <= table_size must hold, got "
                f"{self.starts}, {self.thorough_starts}, {self.table_size}"
            )


@dataclass(frozen=True, eq=False)
class IKSolution:
    """A joint configuration that puts the end effector on a goal."""

    q: FloatArray
    """Joint positions within the limits (n,) [rad]."""
    error: float
    """Distance of the end effector from the goal [m]."""
    iterations: int
    """Iterations of the descent that found it."""
    alternatives: FloatArray
    """Other solutions that were found, nearest to home first (k, n) [rad]."""


@dataclass(frozen=True, eq=False)
class IKBatch:
    """Answers to B goals."""

    q: FloatArray
    """Canonical solutions (B, n) [rad]; where there is none, the configuration that came nearest."""
    error: FloatArray
    """Distances of the end effector from the goals (B,) [m]."""
    iterations: IntArray
    """Iterations of the descents that found them (B,)."""
    converged: BoolArray
    """Whether each goal was reached within tolerance (B,)."""


class InverseKinematics:
    """Position inverse kinematics of a serial arm, as a function of the goal alone.

    Each goal is searched from a fixed set of starts: a table of configurations that depends on the robot
    only is cut into layers by distance from home, and the entry of each layer whose end effector is nearest
    to the goal is a start. Every start descends within the joint limits (`LimitedDescent`). Among the
    solutions the canonical one is the nearest to home, each joint's distance measured in units of its range,
    after shifts by whole turns; an arm with more joints than the task needs also slides along its
    self-motion towards home first. Nothing depends on where the arm is, on earlier goals or on chance.
    """

    def __init__(self, robot: Robot, settings: InverseKinematicsSettings | None = None) -> None:
        self.settings = settings or InverseKinematicsSettings()
        self._chain = KinematicChain.from_robot(robot)
        self._limits = robot.position_limits
        ranges = joint_ranges(robot)
        self._width = ranges[:, 1] - ranges[:, 0]
        # A home in the very middle would leave mirror images tied; the tilt decides between them.
        tilt = _HOME_TILT * self._width / np.arange(1, robot.n_joints + 1)
        self._home = np.clip(robot.home + tilt, self._limits[:, 0], self._limits[:, 1])
        self._descent = LimitedDescent(self._chain, self._limits, arm_length(self._chain))
        self._self_motion = SelfMotion(self._chain, self._descent, self._limits, self._home, self._width)

        table = ranges[:, 0] + self._width * low_discrepancy_points(self.settings.table_size, robot.n_joints)
        self._table = table[np.argsort(self._self_motion.cost(table))]
        self._table_positions = self._chain.end_effector(self._table)
        rank = np.linalg.matrix_rank(self._chain.jacobian(table[:64]), tol=1e-6 * arm_length(self._chain))
        self._redundant = robot.n_joints > int(rank.max())

    def solve(self, goal: FloatArray) -> IKSolution:
        """Canonical solution for one goal (3,) [m], world frame.

        Raises:
            TaskError: The goal is not three finite numbers.
            UnreachableGoalError: No start reached it; carries the distance to the nearest reached position.
        """
        goals = _checked_goals(goal)
        if len(goals) != 1:
            raise TaskError(f"solve takes one goal, got {len(goals)}; use solve_batch for several")
        found = self._search(goals)
        solved = found.error[0] <= self.settings.tolerance
        if not solved.any():
            raise self._unreachable(goals[0], found.q[0, 0], float(found.error[0, 0]))
        q = found.q[0, solved]
        return IKSolution(
            q[0], float(found.error[0, 0]), int(found.iterations[0, 0]), self._distinct_from_first(q)
        )

    def solve_batch(self, goals: FloatArray) -> IKBatch:
        """Canonical solutions for many goals (B, 3) [m]: row i is that of ``solve(goals[i])``.

        Raises:
            TaskError: A goal is not finite.
        """
        goals = _checked_goals(goals)
        parts = [goals[i : i + _GOALS_AT_ONCE] for i in range(0, max(len(goals), 1), _GOALS_AT_ONCE)]
        found = [self._search(part) for part in parts]
        error = np.concatenate([part.error[:, 0] for part in found])
        return IKBatch(
            q=np.concatenate([part.q[:, 0] for part in found]),
            error=error,
            iterations=np.concatenate([part.iterations[:, 0] for part in found]),
            converged=error <= self.settings.tolerance,
        )

    def position(self, q: FloatArray) -> FloatArray:
        """End-effector position (..., 3) [m] of configurations (..., n), world frame."""
        return self._chain.end_effector(q)

    def margin(self, q: FloatArray) -> FloatArray:
        """Distance (...,) [rad] of configurations (..., n) to the nearest joint limit; negative outside."""
        inside: FloatArray = np.minimum(q - self._limits[:, 0], self._limits[:, 1] - q).min(axis=-1)
        return inside

    def _search(self, goals: FloatArray) -> "_Found":
        """Candidates for each goal, solutions first, canonical one foremost."""
        settings = self.settings
        found = self._descend(goals, settings.starts, settings.max_iterations)
        missed = np.flatnonzero(found.error[:, 0] > settings.tolerance)
        if missed.size:
            again = self._descend(goals[missed], settings.thorough_starts, settings.thorough_iterations)
            found.q[missed] = again.q[:, : settings.starts]
            found.error[missed] = again.error[:, : settings.starts]
            found.iterations[missed] = again.iterations[:, : settings.starts]
        return found

    def _descend(self, goals: FloatArray, n_starts: int, max_iterations: int) -> "_Found":
        starts = self._starts(goals, n_starts)
        n_goals, n_joints = len(goals), starts.shape[2]
        repeated = np.repeat(goals, n_starts, axis=0)
        tolerance = self.settings.tolerance
        descent = self._descent.run(repeated, starts.reshape(-1, n_joints), tolerance, max_iterations)
        q = wrap_towards(descent.q, self._home, self._limits).reshape(n_goals, n_starts, n_joints)
        found = _Found(q, descent.error.reshape(q.shape[:2]), descent.iterations.reshape(q.shape[:2]))
        found = found.ordered(self._self_motion.cost(found.q), tolerance)
        if self._redundant:
            self._slide(found, goals)
            found = found.ordered(self._self_motion.cost(found.q), tolerance)
        return found

    def _slide(self, found: "_Found", goals: FloatArray) -> None:
        """Replace the most promising solutions by the nearest to home on their self-motions."""
        goal_index, candidate = np.nonzero(found.error[:, :_SLIDING_CANDIDATES] <= self.settings.tolerance)
        if goal_index.size:
            slid, error = self._self_motion.slide(
                found.q[goal_index, candidate], goals[goal_index], self.settings.tolerance
            )
            found.q[goal_index, candidate] = wrap_towards(slid, self._home, self._limits)
            found.error[goal_index, candidate] = error

    def _starts(self, goals: FloatArray, n_starts: int) -> FloatArray:
        """Of each layer of the table the configuration with the nearest end effector (B, n_starts, n)."""
        per_layer = len(self._table) // n_starts
        positions = self._table_positions[: n_starts * per_layer]
        # einsum, not @: a product this thin is not worth the threads that BLAS would start for it.
        score = (positions**2).sum(axis=1) - 2.0 * np.einsum("gi,ti->gt", goals, positions)
        nearest = score.reshape(len(goals), n_starts, per_layer).argmin(axis=2)
        starts: FloatArray = self._table[nearest + per_layer * np.arange(n_starts)]
        return starts

    def _distinct_from_first(self, q: FloatArray) -> FloatArray:
        distinct = [q[0]]
        for candidate in q[1:]:
            if min(np.abs(candidate - other).max() for other in distinct) > _SAME_SOLUTION:
                distinct.append(candidate)
        return np.array(distinct[1:]).reshape(-1, q.shape[1])

    def _unreachable(self, goal: FloatArray, q: FloatArray, distance: float) -> UnreachableGoalError:
        nearest = self._chain.end_effector(q[None])[0]
        return UnreachableGoalError(
            f"goal {_metres(goal)} cannot be reached within the joint limits; the nearest position that was "
            f"reached is {_metres(nearest)}, {distance:.4g} m away",
            distance,
        )


@dataclass(frozen=True, eq=False)
class _Found:
    """Ends of the descents of B goals from S starts each."""

    q: FloatArray  # (B, S, n)
    error: FloatArray  # (B, S)
    iterations: IntArray  # (B, S)

    def ordered(self, cost: FloatArray, tolerance: float) -> "_Found":
        """Solutions by cost, then everything else by error."""
        unsolved = self.error > tolerance
        order = np.lexsort((np.where(unsolved, self.error, cost), unsolved), axis=1)
        return _Found(
            np.take_along_axis(self.q, order[:, :, None], axis=1),
            np.take_along_axis(self.error, order, axis=1),
            np.take_along_axis(self.iterations, order, axis=1),
        )


def joint_ranges(robot: Robot) -> FloatArray:
    """Lower and upper joint positions (n, 2) [rad], with +-pi where a joint is unlimited."""
    return np.where(np.isfinite(robot.position_limits), robot.position_limits, [-np.pi, np.pi])


def arm_length(chain: KinematicChain) -> float:
    """Length of the arm's offsets laid end to end, from the first joint to the end effector [m]."""
    return float(np.linalg.norm(chain.offsets[1:], axis=1).sum() + np.linalg.norm(chain.tool))


def wrap_towards(q: FloatArray, home: FloatArray, limits: FloatArray) -> FloatArray:
    """Shift joints by whole turns to where they are nearest to home, as far as the limits allow.

    Args:
        q: Joint positions (..., n) [rad].
        home: Preferred joint positions (n,) [rad].
        limits: Lower and upper joint positions (n, 2) [rad], may be infinite.

    Returns:
        Joint positions (..., n) of the same pose [rad]; within the limits wherever some whole turn is.
    """
    turn = 2.0 * np.pi
    shifted = q - turn * np.round((q - home) / turn)
    shifted = shifted + turn * np.ceil(np.maximum(limits[:, 0] - shifted, 0.0) / turn)
    shifted = shifted - turn * np.ceil(np.maximum(shifted - limits[:, 1], 0.0) / turn)
    # Undo turns that rounding or a range shorter than a turn made worse.
    outside = np.maximum(limits[:, 0] - shifted, shifted - limits[:, 1])
    result: FloatArray = np.where(
        outside > np.maximum(limits[:, 0] - q, q - limits[:, 1]).clip(0.0), q, shifted
    )
    return result


def _checked_goals(goals: FloatArray) -> FloatArray:
    checked = np.atleast_2d(np.asarray(goals, dtype=np.float64))
    if checked.ndim != 2 or checked.shape[1] != 3:
        raise TaskError(f"a goal is three coordinates in metres, got an array of shape {np.shape(goals)}")
    if not np.all(np.isfinite(checked)):
        bad = int(np.flatnonzero(~np.isfinite(checked).all(axis=1))[0])
        raise TaskError(f"goal {bad} is not finite: {checked[bad].tolist()}")
    return checked


def _metres(position: FloatArray) -> str:
    return "({:.4f}, {:.4f}, {:.4f}) m".format(*position)
