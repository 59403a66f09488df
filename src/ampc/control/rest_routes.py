"""Which equilibrium to go to, and on which route, so that the arm keeps clear of its obstacles."""

import itertools
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.plane import PlanarStatics
from ampc.chain.statics import Equilibrium, StaticEquilibrium, rest_shapes
from ampc.control.rest_path import MotionSettings, Route
from ampc.errors import UnreachableGoalError
from ampc.robots import Robot, RobotDynamics

_PENETRATION_COST = 60.0
"""Travel time that one metre of missing clearance is worth [s/m]."""
_TRAVEL_COST = 0.05
"""Travel time that one radian of the joints' summed travel is worth [s/rad]."""
_BOWS = (-1.2, -0.6, 0.0, 0.6, 1.2)
"""Bows of each joint after the yaw that are tried where straight routes are not clear [rad]."""
_BENT_GOALS = 3
"""Best goals for which bent routes are tried."""
_SAMPLES = np.linspace(0.0, 1.0, 11)[1:-1]
"""Shares of a route at which it is looked at; start and goal are what they are."""
_NEARLY = 0.005
"""Distance of the nearest reachable point up to which a goal is left what it is [m]: another arm than the
model may well reach it."""


@dataclass(frozen=True, eq=False)
class Destination:
    """Where the end effector is sent."""

    goal: FloatArray
    """The goal, or the reachable point nearest to it (3,) [m]."""
    equilibria: list[Equilibrium]
    """The ways to rest there, or as near to it as possible; at least one."""
    objection: str = ""
    """Why the goal cannot be reached; empty if it can."""


def destination(statics: StaticEquilibrium, goal: FloatArray) -> Destination:
    """The ways to rest on a goal (3,) [m]; of one out of reach, those on the nearest reachable point.

    Raises:
        TaskError: The goal is not three finite numbers.
        RobotError: The arm can rest nowhere.
    """
    goal = np.asarray(goal, dtype=np.float64)
    try:
        return Destination(goal, statics.solve(goal))
    except UnreachableGoalError as error:
        nearest = statics.nearest(goal)
        if nearest.error <= _NEARLY:
            return Destination(goal, [nearest])
        goal, equilibria = RobotDynamics(statics.robot).end_effector(nearest.q), [nearest]
        with suppress(UnreachableGoalError):
            equilibria = statics.solve(goal)
        return Destination(goal, equilibria, str(error))


@dataclass(frozen=True, eq=False)
class Plan:
    """The route that was chosen."""

    route: Route
    """Positions of the actuated joints."""
    reference: FloatArray
    """Joint positions of the equilibrium at its end (n,) [rad]."""
    clearance: float
    """Least distance of the obstacle points from the obstacles on the way, at rest [m]."""


def choose_plan(
    chain: YawChain,
    robot: Robot,
    start: FloatArray,
    equilibria: list[Equilibrium],
    motion: MotionSettings,
    margin: float,
) -> Plan:
    """The quickest route to any of the equilibria that keeps the margin, or the one that misses it least.

    Args:
        chain: The arm.
        robot: The same arm, for its limits and obstacles.
        start: Actuated joint positions now (m,) [rad].
        equilibria: Where the end effector is on the goal; at least one.
        motion: Speed.
        margin: Distance to keep from obstacles [m].
    """
    plans = rank_straight_plans(chain, robot, start, equilibria, motion, margin)
    if plans[0].clearance >= margin:
        return plans[0]
    bows = [np.array([0.0, *bow]) for bow in itertools.product(_BOWS, repeat=len(start) - 1)]
    bent = [
        (Route(start, plan.route.goal, bow), plan.reference) for plan in plans[:_BENT_GOALS] for bow in bows
    ]
    return min(_judge(chain, robot, bent), key=lambda plan: _cost(robot, plan, motion, margin))


def rank_straight_plans(
    chain: YawChain,
    robot: Robot,
    start: FloatArray,
    equilibria: list[Equilibrium],
    motion: MotionSettings,
    margin: float,
) -> list[Plan]:
    """Straight routes to all equilibria and turns of the yaw, the best first; arguments as `choose_plan`."""
    straight = np.zeros_like(start)
    candidates = [(Route(start, q[robot.actuated], straight), q) for q in _turned(robot, start, equilibria)]
    return sorted(_judge(chain, robot, candidates), key=lambda plan: _cost(robot, plan, motion, margin))


def nearest_turn(q: FloatArray, to: float) -> FloatArray:
    """The configuration (n,) with its yaw turned by whole turns to the one nearest to ``to`` [rad]."""
    turned = q.copy()
    turned[0] += 2.0 * np.pi * np.round((to - q[0]) / (2.0 * np.pi))
    return turned


def _turned(robot: Robot, start: FloatArray, equilibria: list[Equilibrium]) -> list[FloatArray]:
    """The equilibria with all yaw angles within the limits and some one and a half turns of the start."""
    lower, upper = robot.position_limits[0]
    found = []
    for equilibrium in equilibria:
        for turn in (-1.0, 0.0, 1.0):
            q = nearest_turn(equilibrium.q, start[0])
            q[0] += 2.0 * np.pi * turn
            if lower <= q[0] <= upper:
                found.append(q)
    return found or [equilibrium.q for equilibrium in equilibria]


def _judge(chain: YawChain, robot: Robot, candidates: list[tuple[Route, FloatArray]]) -> list[Plan]:
    lines = np.concatenate([route.at(_SAMPLES) for route, _ in candidates])
    q = rest_shapes(chain, lines)
    plane = PlanarStatics(chain.parameters)
    points = plane.positions(q[:, 0], plane.angles(q[:, 1:]))
    clearance = np.full(len(lines), np.inf)
    for obstacle in robot.obstacles:
        clearance = np.minimum(clearance, obstacle.distance(points).min(axis=-1))
    least = clearance.reshape(len(candidates), -1).min(axis=-1)
    return [Plan(*candidate, float(value)) for candidate, value in zip(candidates, least, strict=True)]


def _cost(robot: Robot, plan: Plan, motion: MotionSettings, margin: float) -> float:
    route = plan.route
    travel = float(np.abs(route.goal - route.start).sum() + 2.0 * np.abs(route.bow).sum())
    missing = max(margin - plan.clearance, 0.0)
    return route.travel_time(robot, motion) + _TRAVEL_COST * travel + _PENETRATION_COST * missing
