"""How inverse kinematics fares by workspace region: the paper's iteration against the one in use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.robots.inverse_kinematics import InverseKinematics
from ampc.robots.inverse_kinematics.damped_least_squares import (
    LITERAL_SETTINGS,
    DampedLeastSquares,
    DampedLeastSquaresSettings,
)
from ampc.robots.robot import Robot
from ampc.tasks.sampler import TaskSampler, TaskSettings
from ampc.tasks.workspace import REGIONS, Region


@dataclass(frozen=True)
class ConvergenceRow:
    """One variant of inverse kinematics on reachable goals of one region."""

    region: Region
    """Workspace region of the goals."""
    variant: str
    """``literal``: the paper's constants; ``tuned``: its iteration with usable constants, both from home;
    ``default``: `InverseKinematics`."""
    goals: int
    """Number of goals, all reachable."""
    converged: float
    """Fraction that met the variant's own tolerance within its budget."""
    tolerance: float
    """That tolerance [m]."""
    iterations_p50: float
    """Median number of iterations of the descent that gave the answer."""
    iterations_p95: float
    """95th percentile of the same."""
    outside_limits: float
    """Fraction of the converged answers with a joint outside its limits."""
    winding: float
    """Fraction of the converged answers with a joint beyond +-pi."""
    usable: float
    """Fraction of the goals with a converged answer within the limits."""


def convergence_by_region(
    robot: Robot,
    n: int = 1000,
    seed: int = 0,
    regions: Sequence[Region] = REGIONS,
    settings: TaskSettings | None = None,
) -> list[ConvergenceRow]:
    """Solve ``n`` goals of each region with every variant; regions that the arm lacks are left out."""
    sampler = TaskSampler(robot, settings)
    rows = []
    for region in regions:
        if len(sampler.workspace.pool[region]) == 0:
            continue
        goals = np.array([task.goal for task in sampler.sample(n, region, seed)])
        for variant, constants in (("literal", LITERAL_SETTINGS), ("tuned", DampedLeastSquaresSettings())):
            result = DampedLeastSquares(robot, constants).solve_batch(goals, robot.home)
            answers = (result.q, result.converged, result.iterations)
            rows.append(_row(robot, region, variant, constants.tolerance, *answers))
        solver = InverseKinematics(robot)
        found = solver.solve_batch(goals)
        rows.append(
            _row(
                robot,
                region,
                "default",
                solver.settings.tolerance,
                found.q,
                found.converged,
                found.iterations,
            )
        )
    return rows


def _row(
    robot: Robot,
    region: Region,
    variant: str,
    tolerance: float,
    q: FloatArray,
    converged: BoolArray,
    iterations: IntArray,
) -> ConvergenceRow:
    outside = ((q < robot.position_limits[:, 0]) | (q > robot.position_limits[:, 1])).any(axis=1)
    winding = (np.abs(q) > np.pi).any(axis=1)
    count = max(int(converged.sum()), 1)
    return ConvergenceRow(
        region=region,
        variant=variant,
        goals=len(q),
        converged=float(converged.mean()),
        tolerance=tolerance,
        iterations_p50=float(np.percentile(iterations, 50)),
        iterations_p95=float(np.percentile(iterations, 95)),
        outside_limits=float((outside & converged).sum() / count),
        winding=float((winding & converged).sum() / count),
        usable=float((converged & ~outside).mean()),
    )
