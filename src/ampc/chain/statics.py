"""Arms at rest: the shape they take under gravity, and all the ways to hold the end effector on a goal."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.equilibrium import shapes_at_joints, shapes_at_targets
from ampc.chain.nearest import nearest_rest
from ampc.chain.parameters import chain_parameters
from ampc.chain.plane import PlanarStatics
from ampc.chain.yaw_chain import YawChain
from ampc.errors import RobotError, SolverError, TaskError, UnreachableGoalError
from ampc.robots.dynamics import RobotDynamics
from ampc.robots.robot import Robot

_TOLERANCE = 1e-9
_ANGLE_TOLERANCE = 1e-6
"""Excess over a joint limit that counts as rounding [rad]: a straight arm is found to 1e-8 rad at best."""
_SAME = 1e-6
_TURN = 2.0 * np.pi


def rest_shapes(arm: Robot | YawChain, q_actuated: FloatArray) -> FloatArray:
    """Joint positions at rest with the motors held where they are, many at once.

    Solves ``g_p(q) + K_p (q_p - q_p0) = 0`` for the joints p without motors by Newton's method.

    Args:
        arm: The arm, or its chain, perhaps with another stiffness.
        q_actuated: Positions of the joints with motors (B, m) [rad].

    Returns:
        All joint positions (B, n) [rad].

    Raises:
        SolverError: A position is not finite, or the links are so soft that they find to no rest.
        RobotError: The arm is not a yaw joint that carries a planar chain.
    """
    if not np.all(np.isfinite(q_actuated)):
        raise SolverError(f"motor positions are not finite: {np.asarray(q_actuated).tolist()} rad")
    plane = _plane(arm)
    theta, converged = shapes_at_joints(plane, q_actuated[:, 1:])
    if not converged.all():
        worst = q_actuated[np.argmin(converged)].tolist()
        raise SolverError(
            f"no shape at rest was found with the motors at {worst} rad; the links are too soft"
        )
    return np.column_stack([q_actuated[:, 0], plane.joints(theta)])


def rest_shape(arm: Robot | YawChain, q_actuated: FloatArray) -> FloatArray:
    """Joint positions at rest (n,) [rad] with the motors at q_actuated (m,) [rad]; see `rest_shapes`."""
    return np.asarray(rest_shapes(arm, np.asarray(q_actuated, dtype=np.float64)[None])[0])


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """One way to hold the end effector on a goal, at rest."""

    q: FloatArray
    """Joint positions (n,) [rad]."""
    u: FloatArray
    """Torque of the motors that holds them (m,) [N m]."""
    error: float
    """Distance of the end effector from the goal [m]."""
    branch: str
    """``front`` or ``back``, as the arm faces the goal or bends over backwards, and ``up`` or ``down``, as
    its elbow is the higher or the lower of the two that lead there: ``front-up``, for one; ``nearest`` where
    none leads there."""
    clearance: float
    """Least distance of the obstacle points from the obstacles [m]; infinite without obstacles."""
    objection: str = ""
    """Why the arm may not rest there: the obstacle, joint limit or torque limit in the way; else empty."""


class StaticEquilibrium:
    """Inverse kinematics of an arm that bends under its own weight.

    Equilibrium of the joints without motors and the end effector on the goal are one system of equations,
    solved by Newton's method with exact derivatives from the two rigid arms that reach as far; with the yaw
    facing the goal and facing away from it there are up to four branches. A rigid arm is the case without
    passive joints.
    """

    def __init__(self, robot: Robot, stiffness_scale: float = 1.0) -> None:
        """Read the arm's statics.

        Args:
            robot: A yaw joint that carries a planar chain with two motors.
            stiffness_scale: Factor on the stiffness of the joints without motors.

        Raises:
            RobotError: The arm is of another kind; the message says in which way.
        """
        self.robot = robot
        self.plane = PlanarStatics(chain_parameters(robot, stiffness_scale))
        if len(self.plane.actuated) != 2:
            raise RobotError(
                f"robot {robot.name!r} has {len(self.plane.actuated)} motors after joint 1; static "
                "equilibria are found for arms with two, which have finitely many ways to a goal"
            )

    def solve(self, goal: FloatArray) -> list[Equilibrium]:
        """All ways to rest with the end effector on the goal, the one with most clearance first.

        Args:
            goal: End-effector goal, world frame (3,) [m].

        Raises:
            UnreachableGoalError: There is none that obstacles, joint and torque limits allow; the message
                says why, and how far the nearest point is where the arm can rest.
            TaskError: The goal is not three finite numbers.
        """
        candidates, goal = self.candidates(goal), np.asarray(goal, dtype=np.float64)
        allowed = [candidate for candidate in candidates if not candidate.objection]
        if allowed:
            return sorted(allowed, key=lambda equilibrium: -equilibrium.clearance)
        nearest = self.nearest(goal)
        position = RobotDynamics(self.robot).end_effector(nearest.q)
        raise UnreachableGoalError(
            "goal ({:.4f}, {:.4f}, {:.4f}) m ".format(*goal)
            + self._reason(goal, candidates)
            + f"; the nearest point where {self.robot.name!r} can rest is "
            + "({:.4f}, {:.4f}, {:.4f}) m".format(*position)
            + f", {nearest.error:.4g} m away",
            nearest.error,
        )

    def nearest(self, goal: FloatArray) -> Equilibrium:
        """The allowed way to rest that brings the end effector nearest to a goal (3,) [m]; takes 0.1 s.

        For references of goals that a model just fails to reach, while the arm may well do so.

        Raises:
            RobotError: Obstacles and torque limits allow the arm to rest nowhere.
        """
        motors = nearest_rest(self.robot, self.plane, goal)
        theta, _ = shapes_at_joints(self.plane, motors[None, 1:])
        return self._describe(goal, motors[0], theta[0], "nearest")

    def candidates(self, goal: FloatArray) -> list[Equilibrium]:
        """All ways to rest with the end effector on the goal, also those that something forbids.

        Raises:
            TaskError: The goal is not three finite numbers.
        """
        goal = np.asarray(goal, dtype=np.float64)
        if goal.shape != (3,) or not np.all(np.isfinite(goal)):
            raise TaskError(f"a goal is three finite numbers in metres, got {goal.tolist()}")
        places = self.plane.targets(goal)
        if not places:
            return []
        yaw = np.repeat([yaw for yaw, _ in places], 2)
        targets = np.repeat([target for _, target in places], 2)
        theta, converged = shapes_at_targets(self.plane, targets, self._rigid_shapes([t for _, t in places]))
        found: list[Equilibrium] = []
        for side, first in (("front", 0), ("back", 2)):
            rows = [row for row in (first, first + 1) if converged[row]]
            if (
                len(rows) == 2
                and np.abs(np.exp(1j * theta[first]) - np.exp(1j * theta[first + 1])).max() < _SAME
            ):
                del rows[1]
            rows.sort(key=lambda row: -self._elbow_height(theta[row]))
            found += [
                self._describe(goal, yaw[row], theta[row], f"{side}-{height}")
                for row, height in zip(rows, ("up", "down"), strict=False)
            ]
        return found

    def _rigid_shapes(self, targets: list[complex]) -> FloatArray:
        """Shapes with relaxed springs that reach or nearly reach targets, two each: (2 T, n - 1) [rad]."""
        plane = self.plane
        straight = plane.links * np.exp(1j * plane.angles(plane.relaxed))
        first, second = int(plane.actuated[0]), int(plane.actuated[1])
        upper, fore = straight[:second].sum(), straight[second:].sum()
        a, b = abs(upper), abs(fore)
        shapes = []
        for target in targets:
            reach = np.clip(abs(target), abs(a - b) + 1e-3 * a, (a + b) * (1.0 - 1e-3))
            inner = np.arccos((a * a + reach * reach - b * b) / (2.0 * a * reach))
            outer = np.arccos((b * b + reach * reach - a * a) / (2.0 * b * reach))
            for bend in (1.0, -1.0):
                q = plane.relaxed.copy()
                q[first] = np.angle(target) + bend * inner - np.angle(upper)
                q[second] = -bend * (inner + outer) + np.angle(upper) - np.angle(fore)
                shapes.append(plane.angles(q))
        return np.array(shapes)

    def _elbow_height(self, theta: FloatArray) -> float:
        upper = slice(int(self.plane.actuated[1]))
        return float((self.plane.links[upper] @ np.exp(1j * theta[upper])).imag)

    def _describe(self, goal: FloatArray, yaw: float, theta: FloatArray, branch: str) -> Equilibrium:
        robot, plane = self.robot, self.plane
        q = self._unwind(np.array([yaw, *plane.joints(theta)]))
        torque = plane.holding_torque(plane.angles(q[1:]))
        u = np.array([plane.yaw_torque(q[0]), *torque[plane.actuated]])
        points = plane.positions(q[0], theta)
        distances = [obstacle.distance(points) for obstacle in robot.obstacles]
        return Equilibrium(
            q=q,
            u=u,
            error=float(np.linalg.norm(points[0] - goal)),
            branch=branch,
            clearance=float(np.min(distances)) if distances else np.inf,
            objection="; ".join(self._objections(q, u, points)),
        )

    def _objections(self, q: FloatArray, u: FloatArray, points: FloatArray) -> Iterator[str]:
        robot = self.robot
        for obstacle in robot.obstacles:
            for name, distance in zip(robot.obstacle_points, obstacle.distance(points), strict=True):
                if distance < -_TOLERANCE:
                    yield f"{name} {-distance:.4g} m inside {obstacle.name!r}"
        for name, angle, (lower, upper) in zip(robot.joint_names, q, robot.position_limits, strict=True):
            if not lower - _ANGLE_TOLERANCE <= angle <= upper + _ANGLE_TOLERANCE:
                yield f"joint {name!r} at {angle:.4g} rad, outside its limits [{lower:g}, {upper:g}]"
        for joint, torque, (least, most) in zip(robot.actuated, u, robot.torque_limits, strict=True):
            if not least <= torque <= most:
                name = robot.joint_names[joint]
                yield f"motor of joint {name!r} at {torque:.4g} N m, outside its limits [{least:g}, {most:g}]"

    def _unwind(self, q: FloatArray) -> FloatArray:
        """Turn motors into their limits; yaw and shoulder to half a turn of home, the elbow of straight."""
        q = q.copy()
        for rank, joint in enumerate(self.robot.actuated):
            middle = self.robot.home[joint] if rank < 2 else 0.0
            q[joint] -= _TURN * np.round((q[joint] - middle) / _TURN)
            lower, upper = self.robot.position_limits[joint]
            for turned in (q[joint] - _TURN, q[joint] + _TURN):
                if not lower <= q[joint] <= upper and lower <= turned <= upper:
                    q[joint] = turned
        return q

    def _reason(self, goal: FloatArray, candidates: list[Equilibrium]) -> str:
        for obstacle in self.robot.obstacles:
            depth = -float(obstacle.distance(goal))
            if depth > _TOLERANCE:
                return f"lies {depth:.4g} m inside {obstacle.name!r}"
        if not candidates:
            return "is out of reach"
        ways = "; ".join(f"{candidate.branch}: {candidate.objection}" for candidate in candidates)
        return f"can be reached only in ways that are not allowed ({ways})"


def _plane(arm: Robot | YawChain) -> PlanarStatics:
    return PlanarStatics(chain_parameters(arm) if isinstance(arm, Robot) else arm.parameters)
