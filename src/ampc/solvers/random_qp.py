"""Random quadratic programs of optimal control, ordinary and adversarial, to try a solver on."""

from dataclasses import replace
from typing import Literal

import numpy as np

from ampc.arrays import FloatArray
from ampc.solvers.structured_qp_problem import Limits, StructuredQP

Kind = Literal["solvable", "contradictory", "unbounded", "corrupt"]
"""Whether there is a solution: there is one; hard limits exclude each other; there is no minimum; a number is
NaN or infinite."""


def random_qp(seed: int, kind: Kind | None = None) -> tuple[StructuredQP, Kind]:
    """The problem of a seed; of a kind drawn from it, nine in ten solvable, if none is given.

    Sizes, stability, ranks of the weights, kinds of limits and scales are drawn: costs over 16 decades,
    states over 4, rows over 6. Hard limits of solvable problems are met by one trajectory at least, with or
    without room to spare.
    """
    rng = np.random.default_rng(seed)
    if kind is None:
        kind = rng.choice(["solvable", "contradictory", "unbounded", "corrupt"], p=[0.9, 0.04, 0.03, 0.03])
    N = int(rng.choice([1, 2, 3, 5, 10, 25], p=[0.1, 0.1, 0.2, 0.2, 0.25, 0.15]))
    n, m = (int(rng.integers(1, 9)), int(rng.integers(1, 5))) if rng.random() < 0.8 else (6, 3)
    A, B = _dynamics(rng, N, n, m)
    c = rng.normal(size=(N, n)) * rng.choice([0.0, 0.1, 1.0])
    x0 = rng.normal(size=n) * rng.choice([0.0, 1.0, 10.0])
    u = rng.normal(size=(N, m))
    x = _simulate(A, B, c, x0, u)
    H = _weights(rng, N + 1, n + m)
    scale = 10.0 ** rng.uniform(-8.0, 8.0) if rng.random() < 0.3 else 1.0
    linear = scale * rng.normal(size=(N + 1, n + m)) * rng.choice([0.0, 1.0, 100.0])
    H *= scale
    bounded = tuple(int(i) for i in np.flatnonzero(rng.random(n) < rng.choice([0.0, 0.4])))
    rows = int(rng.choice([0, 1, 4]))
    C = rng.normal(size=(N + 1, rows, n)) * (rng.random((N + 1, rows, n)) < 0.7)
    D = rng.normal(size=(N, rows, m)) * rng.choice([0.0, 1.0])
    if rng.random() < 0.2:
        factors = 10.0 ** rng.uniform(-3.0, 3.0, size=(1, rows, 1))
        C, D = C * factors, D * factors
    values = np.einsum("kij,kj->ki", C, x)
    values[:N] += np.einsum("kij,kj->ki", D, u)
    problem = StructuredQP(
        A=A,
        B=B,
        c=c,
        x0=x0,
        Q=H[:, :n, :n],
        R=H[:N, n:, n:],
        S=H[:N, n:, :n],
        q=linear[:, :n],
        r=linear[:N, n:],
        input_limits=_limits(rng, u, scale, hard=0.9) if rng.random() < 0.8 else None,
        bounded=bounded,
        state_limits=_limits(rng, x[1:, list(bounded)], scale, hard=0.2),
        C=C if rows else None,
        D=D if rows else None,
        row_limits=_limits(rng, values, scale, hard=0.2) if rows else None,
    )
    box = problem.input_limits
    if box is None or not (np.isfinite(box.lower + box.upper) & np.isinf(box.l1)).all():
        # Without a hard box only curvature bounds the cost.
        more = scale * 1e-3 * np.eye(n + m)
        problem = replace(problem, Q=problem.Q + more[:n, :n], R=problem.R + more[n:, n:])
    return _spoil(rng, problem, kind), kind


def _simulate(A: FloatArray, B: FloatArray, c: FloatArray, x0: FloatArray, u: FloatArray) -> FloatArray:
    x = [x0]
    for k in range(len(u)):
        x.append(A[k] @ x[-1] + B[k] @ u[k] + c[k])
    return np.array(x)


def _dynamics(rng: np.random.Generator, N: int, n: int, m: int) -> tuple[FloatArray, FloatArray]:
    """Stable, unstable, integrating, uncontrollable; the same at all stages or not; states of any scale."""
    stages = N if rng.random() < 0.5 else 1
    A = rng.normal(size=(stages, n, n)) / np.sqrt(n)
    kind = rng.integers(5)
    if kind == 1:
        A *= 1.5
    elif kind == 2:
        A = np.eye(n) + 0.05 * A
    elif kind == 3:
        A *= 0.0
    B = rng.normal(size=(stages, n, m)) * (
        rng.random((stages, n, m)) < rng.choice([0.0, 0.3, 1.0], p=[0.1, 0.3, 0.6])
    )
    if rng.random() < 0.2:
        sizes = 10.0 ** rng.uniform(-2.0, 2.0, size=n)
        A, B = A * sizes[:, None] / sizes, B * sizes[:, None]
    return np.broadcast_to(A, (N, n, n)).copy(), np.broadcast_to(B, (N, n, m)).copy()


def _weights(rng: np.random.Generator, stages: int, width: int) -> FloatArray:
    """Positive definite, semidefinite, or none at all; with eigenvalues over many decades or not."""
    rank = int(rng.choice([0, 1, width, width + 2], p=[0.05, 0.15, 0.3, 0.5]))
    factors = rng.normal(size=(stages, width, rank))
    if rng.random() < 0.2:
        factors = factors * 10.0 ** rng.uniform(-3.0, 3.0, size=(1, width, 1))
    return np.asarray(factors @ np.swapaxes(factors, 1, 2) / max(rank, 1))


def _limits(rng: np.random.Generator, values: FloatArray, scale: float, hard: float) -> Limits:
    """Limits that `values` meet, where they are hard; soft ones anywhere."""
    shape = values.shape
    size = 1.0 + np.abs(values).max(initial=0.0)
    room = float(rng.choice([0.0, 1e-6, 1.0, 1e3], p=[0.05, 0.05, 0.8, 0.1]))
    lower = values - room * size * rng.uniform(0.0, 2.0, size=shape)
    upper = values + room * size * rng.uniform(0.0, 2.0, size=shape)
    if rng.random() < 0.4:
        one_sided = rng.random(shape)
        lower, upper = np.where(one_sided < 0.3, -np.inf, lower), np.where(one_sided > 0.7, np.inf, upper)
    l1 = scale * 10.0 ** rng.uniform(-2.0, 4.0, size=shape)
    l2 = np.where(rng.random(shape) < 0.5, 0.0, scale * 10.0 ** rng.uniform(-2.0, 4.0, size=shape))
    l1 = np.where(rng.random(shape) < (0.2 if rng.random() < 0.5 else 0.0), 0.0, l1)
    soft = rng.random(shape) > (hard if rng.random() < 0.8 else rng.random())
    moved = rng.normal(size=shape) * size
    lower, upper = lower + np.where(soft, moved, 0.0), upper + np.where(soft, moved, 0.0)
    equal = soft & (rng.random(shape) < 0.1)
    lower, upper = np.where(equal, moved, lower), np.where(equal, moved, upper)
    return Limits(lower, upper, np.where(soft, l1, np.inf), l2)


def _spoil(rng: np.random.Generator, problem: StructuredQP, kind: Kind) -> StructuredQP:
    """Make a problem of another kind of a solvable one."""
    N, m, n = len(problem.r), problem.r.shape[1], len(problem.x0)
    if kind == "contradictory":
        # x_1 is to be on either side of what the last stage's row says of it.
        C, D = np.zeros((N + 1, 2, n)), np.zeros((N, 2, m))
        C[1:, 0], C[1:, 1] = (direction := rng.normal(size=n)), -direction
        gap = 10.0 ** rng.uniform(-3.0, 3.0)
        lower = np.full((N + 1, 2), -np.inf)
        lower[int(rng.integers(1, N + 1))] = gap
        return replace(problem, C=C, D=D, row_limits=Limits(lower, np.full((N + 1, 2), np.inf)))
    if kind == "unbounded":
        B, Q, R, S = problem.B.copy(), problem.Q.copy(), problem.R.copy(), np.zeros((N, m, n))
        B[:, :, 0], R[:, 0], R[:, :, 0] = 0.0, 0.0, 0.0
        r = problem.r.copy()
        r[:, 0] = max(np.abs(r).max(), np.abs(problem.q).max(), np.abs(Q).max(), 1e-3)
        return replace(problem, B=B, Q=Q, R=R, S=S, r=r, input_limits=None, C=None, D=None, row_limits=None)
    if kind == "corrupt":
        name = str(rng.choice(["A", "B", "c", "x0", "Q", "R", "q", "r"]))
        array = getattr(problem, name).copy()
        array.reshape(-1)[rng.integers(array.size)] = rng.choice([np.nan, np.inf, -np.inf])
        return replace(problem, **{name: array})
    return problem
