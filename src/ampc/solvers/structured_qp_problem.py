"""A quadratic program of optimal control in arrays, its solution, and how far that is from optimal."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from ampc.arrays import FloatArray


class QPStatus(IntEnum):
    """How a solve ended."""

    OK = 0
    """All residuals of the problem as given are within the tolerance."""
    MAX_ITERATIONS = 1
    """They are not, after the largest number of iterations."""
    NOT_FINITE = 2
    """Data, or what became of them, are NaN or too large."""
    BAD_ARGUMENT = 3
    """Sizes or settings are out of range, or penalties negative."""
    NUMERICAL = 4
    """No progress is possible any more; as with an indefinite Hessian."""
    INFEASIBLE = 5
    """The hard limits contradict each other or the dynamics."""
    UNBOUNDED = 6
    """The cost falls without end."""


@dataclass(frozen=True)
class Limits:
    """Limits of each stage's inputs, states or rows, arrays (stages, number); infinite ones do not exist."""

    lower: FloatArray
    """Lower limits."""
    upper: FloatArray
    """Upper limits; equal to the lower ones: an equality."""
    l1: FloatArray | float = np.inf
    """Cost per violation; infinite: the limit is hard."""
    l2: FloatArray | float = 0.0
    """Cost per half the squared violation; not used by hard limits."""


@dataclass(frozen=True)
class StructuredQP:
    """Minimise sum_k 1/2 z_k' H_k z_k + g_k' z_k + penalties, z = [x, u], x_{k+1} = A_k x_k + B_k u_k + c_k.

    With N steps, n states, m inputs: stages 0 to N, without an input at the last one. States are limited from
    stage 1 on. Rows of stage k are C_k x_k + D_k u_k.
    """

    A: FloatArray
    """(N, n, n)"""
    B: FloatArray
    """(N, n, m)"""
    c: FloatArray
    """(N, n)"""
    x0: FloatArray
    """(n,)"""
    Q: FloatArray
    """(N + 1, n, n), symmetric; with R and S positive semidefinite"""
    R: FloatArray
    """(N, m, m)"""
    q: FloatArray
    """(N + 1, n)"""
    r: FloatArray
    """(N, m)"""
    S: FloatArray | None = None
    """(N, m, n): cost u' S x"""
    input_limits: Limits | None = None
    """Of u, (N, m)."""
    bounded: tuple[int, ...] = ()
    """State variables with limits."""
    state_limits: Limits | None = None
    """Of those, (N, number): at stages 1 to N."""
    C: FloatArray | None = None
    """(N + 1, rows, n)"""
    D: FloatArray | None = None
    """(N, rows, m)"""
    row_limits: Limits | None = None
    """Of the rows, (N + 1, rows)."""


@dataclass(frozen=True)
class QPSolution:
    """What a solve returned; to be used only if the status is OK."""

    status: QPStatus
    iterations: int
    x: FloatArray
    """(N + 1, n)"""
    u: FloatArray
    """(N, m)"""
    costate: FloatArray
    """(N + 1, n): derivative of the optimal cost by x0 and by each c_k."""
    input_multiplier: FloatArray
    """(N, m): of the lower limits less that of the upper ones."""
    state_multiplier: FloatArray
    """(N, number of bounded variables)"""
    row_multiplier: FloatArray
    """(N + 1, rows)"""
    row_slack: FloatArray
    """(N + 1, rows): violation of soft rows."""
    residuals: dict[str, float] = field(default_factory=dict)
    """Largest residuals, each relative to what the tolerance refers to."""


def optimality(problem: StructuredQP, solution: QPSolution) -> dict[str, float]:
    """Residuals of the optimality conditions, by other formulas than the solver's.

    For every limited quantity y with penalty phi and multiplier -p the gap phi(y) + phi*(p) - p y of Fenchel
    and Young is zero where y and p belong together, and positive elsewhere.

    Returns:
        ``stationarity``, ``dynamics``, ``limits`` and ``complementarity``, each relative to the size of what
        cancels in it; infinite if a number is not finite, or a multiplier exceeds all that a penalty can pay.
    """
    x, u, A, B = solution.x, solution.u, problem.A, problem.B
    S = np.zeros((len(u), u.shape[1], x.shape[1])) if problem.S is None else problem.S
    cost_x, cost_u = _apply(problem.Q, x) + problem.q, _apply(problem.R, u) + problem.r + _apply(S, x[:-1])
    cost_x[:-1] += _apply(np.swapaxes(S, 1, 2), u)
    pull_x, pull_u = np.zeros_like(x), np.zeros_like(u)
    groups = [(problem.input_limits, u, solution.input_multiplier)]
    pull_u -= solution.input_multiplier
    chosen = list(problem.bounded)
    groups.append((problem.state_limits, x[1:, chosen], solution.state_multiplier))
    pull_x[1:, chosen] -= solution.state_multiplier
    if problem.row_limits is not None:
        rows = np.zeros_like(solution.row_multiplier)
        for matrix, z, pull, stages in ((problem.C, x, pull_x, len(x)), (problem.D, u, pull_u, len(u))):
            if matrix is not None:
                rows[:stages] += _apply(matrix, z)
                pull -= _apply(np.swapaxes(matrix, 1, 2), solution.row_multiplier[:stages])
        groups.append((problem.row_limits, rows, solution.row_multiplier))
    forward_x = _apply(np.swapaxes(A, 1, 2), solution.costate[1:])
    forward_u = _apply(np.swapaxes(B, 1, 2), solution.costate[1:])
    gradient_x = cost_x + pull_x - solution.costate
    gradient_x[:-1] += forward_x
    gradient_u = cost_u + pull_u + forward_u
    size_x = _size(cost_x, pull_x, solution.costate, forward_x)
    size_u = _size(cost_u, pull_u, forward_u)
    edges = [edge[np.isfinite(edge)] for group, *_ in groups if group for edge in (group.lower, group.upper)]
    reach = max([np.abs(x).max(), np.abs(u).max(), *(np.abs(edge).max(initial=0.0) for edge in edges)])
    curvature = max(np.abs(problem.Q).max(), np.abs(problem.R).max()) or 1.0
    floor = max(1e-8 * max(size_x.max(), size_u.max()), 1e-8 * curvature * reach)
    gap = np.concatenate([(problem.x0 - x[0])[None], _apply(A, x[:-1]) + _apply(B, u) + problem.c - x[1:]])
    extent = _size(x, problem.c)
    limits = complementarity = 0.0
    scale = float(max((size_x * extent).max(), (size_u * _size(u)).max(), floor * reach))
    forces = (np.maximum(size_u, floor), np.maximum(size_x, floor)[chosen], np.zeros(1))
    for (group, values, multipliers), force in zip(groups, forces, strict=False):
        if group is not None and values.size:
            off, excess = _penalties(group, values, multipliers, scale, force)
            limits, complementarity = max(limits, off), max(complementarity, excess)
    residuals = {
        "stationarity": max(
            float((np.abs(gradient_x) / np.maximum(size_x, floor + 1e-150)).max()),
            float((np.abs(gradient_u) / np.maximum(size_u, floor + 1e-150)).max()),
        ),
        "dynamics": float((np.abs(gap) / np.maximum(extent, 1e-8 * extent.max() + 1e-150)).max()),
        "limits": limits,
        "complementarity": complementarity,
    }
    return {name: value if np.isfinite(value) else np.inf for name, value in residuals.items()}


def _apply(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("kij,kj->ki", matrices, vectors))


def _size(*arrays: FloatArray) -> FloatArray:
    return np.asarray(np.max([np.abs(array).max(axis=0, initial=0.0) for array in arrays], axis=0))


def _penalties(
    limits: Limits, values: FloatArray, multipliers: FloatArray, scale: float, force: FloatArray
) -> tuple[float, float]:
    """Largest violation of hard limits; largest gap beside its terms, the cost, and force times distance."""
    lower, upper, l1, l2, y, p = np.broadcast_arrays(
        limits.lower, limits.upper, limits.l1, limits.l2, values, -multipliers
    )
    none = (l1 == 0.0) & (l2 == 0.0)
    lower, upper = np.where(none, -np.inf, lower), np.where(none, np.inf, upper)
    beyond = np.maximum(np.maximum(lower - y, y - upper), 0.0)
    hard = np.isinf(l1)
    bound = np.where(p > 0.0, upper, lower)
    size = np.abs(y) + np.where(np.isfinite(bound), np.abs(bound), 0.0) + np.abs(y).max()
    off = np.where(hard, beyond / np.maximum(size, 1e-150), 0.0).max()
    price, weight = np.where(hard, 0.0, l1), np.where(hard, 0.0, l2)
    more = np.maximum(np.abs(p) - price * (1.0 + 1e-7 * (weight == 0.0)), 0.0)
    with np.errstate(all="ignore"):
        dual = np.where(hard, 0.0, np.where(weight > 0.0, more**2 / (2.0 * weight), more * size))
        paid = np.where(hard, 0.0, price * beyond + 0.5 * weight * beyond**2)
        gap = np.abs(np.where(p == 0.0, 0.0, p * (bound - y)) + dual + paid)
        spent = paid + dual + np.where(p == 0.0, 0.0, np.abs(p * (bound - y)))
    return float(off), float((gap / (scale + spent + force * size + 1e-150)).max())
