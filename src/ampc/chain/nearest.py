"""Where the arm can rest with its end effector as near as possible to a goal it cannot rest on."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.equilibrium import shapes_at_joints
from ampc.chain.plane import PlanarStatics
from ampc.errors import RobotError
from ampc.robots.robot import Robot

_GRID = 36
_STARTS = 4
_APART = 0.6
_DIFFERENCE = 1e-6
_VIOLATION = 1e-7


def nearest_rest(robot: Robot, plane: PlanarStatics, goal: FloatArray) -> FloatArray:
    """Motor positions (m,) [rad] at which the arm may rest with its end effector nearest to a goal (3,) [m].

    A grid of motor positions within the joint limits is searched for shapes that obstacles and torque limits
    allow; the best few are refined by sequential quadratic programming.

    Raises:
        RobotError: Obstacles and torque limits allow none at all.
    """
    ranges = np.where(np.isfinite(robot.position_limits), robot.position_limits, [-np.pi, np.pi])[
        robot.actuated
    ]
    axes = [np.linspace(lower, upper, _GRID) for lower, upper in ranges]
    planar = np.stack(np.meshgrid(*axes[1:], indexing="ij"), axis=-1).reshape(-1, len(axes) - 1)
    theta, _ = shapes_at_joints(plane, planar)
    positions, room = _rest(robot, plane, axes[0][:, None], theta)
    allowed = (room >= 0.0).all(axis=-1)
    if not allowed.any():
        raise RobotError(f"robot {robot.name!r} cannot rest anywhere within its obstacles and torque limits")
    distance = np.where(allowed, np.linalg.norm(positions - goal, axis=-1), np.inf).ravel()
    motors = np.column_stack([np.repeat(axes[0], len(planar)), np.tile(planar, (_GRID, 1))])

    best, least = motors[np.argmin(distance)], float(distance.min())
    for _ in range(_STARTS):
        start = motors[np.argmin(distance)]
        refined, away = _refine(robot, plane, goal, start, ranges)
        if away < least:
            best, least = refined, away
        distance[np.abs(motors - start).max(axis=-1) < _APART] = np.inf
    return np.asarray(best)


def _rest(
    robot: Robot, plane: PlanarStatics, yaw: FloatArray, theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """End-effector positions (..., 3) [m], and what is left to obstacles [m] and torque limits [N m]."""
    points = plane.positions(yaw, theta)
    torque = plane.holding_torque(theta)[..., plane.actuated]
    lower, upper = robot.torque_limits[robot.actuated > 0].T
    left = np.concatenate([torque - lower, upper - torque], axis=-1)
    room = [
        np.broadcast_to(left, (*points.shape[:-2], left.shape[-1])),
        *(obstacle.distance(points) for obstacle in robot.obstacles),
    ]
    return points[..., 0, :], np.concatenate(room, axis=-1)


def _refine(
    robot: Robot, plane: PlanarStatics, goal: FloatArray, start: FloatArray, ranges: FloatArray
) -> tuple[FloatArray, float]:
    """Motor positions at a local minimum of the distance to the goal, and it [m]; infinite if not allowed."""
    # Half of the time it takes to import this package, and needed for goals out of reach only.
    from scipy.optimize import minimize

    def at(motors: FloatArray) -> tuple[FloatArray, FloatArray]:
        theta, _ = shapes_at_joints(plane, motors[:, 1:])
        return _rest(robot, plane, motors[:, 0], theta)

    def gradients(motors: FloatArray) -> tuple[FloatArray, FloatArray]:
        steps = _DIFFERENCE * np.eye(len(motors))
        positions, room = at(np.concatenate([motors + steps, motors - steps]))
        ahead, behind = np.split(positions, 2)
        room_ahead, room_behind = np.split(room, 2)
        return (ahead - behind) / (2.0 * _DIFFERENCE), (room_ahead - room_behind) / (2.0 * _DIFFERENCE)

    solution = minimize(
        lambda motors: float(np.sum((at(motors[None])[0] - goal) ** 2)),
        start,
        jac=lambda motors: 2.0 * gradients(motors)[0] @ (at(motors[None])[0][0] - goal),
        bounds=ranges,
        constraints={
            "type": "ineq",
            "fun": lambda motors: at(motors[None])[1][0],
            "jac": lambda motors: gradients(motors)[1].T,
        },
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 60},
    )
    positions, room = at(solution.x[None])
    away = float(np.linalg.norm(positions[0] - goal)) if (room >= -_VIOLATION).all() else np.inf
    return solution.x, away
