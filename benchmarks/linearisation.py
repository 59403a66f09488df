"""The quadratic program of one real-time iteration, put together in NumPy from the chain's own derivatives.

It shares no code with the compiled iteration, which tests hold against it; benchmarks hand it to other
solvers.
"""

from collections.abc import Sequence

import numpy as np

from ampc.arrays import FloatArray
from ampc.solvers.optimal_control import Limit, OptimalControlProblem, Query
from ampc.solvers.structured_qp_problem import Limits, StructuredQP


def linearise(problem: OptimalControlProblem, query: Query, x: FloatArray, u: FloatArray) -> StructuredQP:
    """Gauss-Newton QP in the change of a plan x (N + 1, 2n), u (N, m)."""
    N, n, m = problem.horizon, problem.n_states, problem.robot.n_actuated
    chain = problem.chain.with_stiffness_scale(query.stiffness_scale)
    A, B, c = np.zeros((N, n, n)), np.zeros((N, n, m)), np.zeros((N, n))
    for k in range(N):
        following, A[k], B[k] = chain.step_with_sensitivities(
            x[k],
            u[k],
            float(problem.steps[k]),
            scheme=problem.settings.grid.scheme,
            substeps=int(problem.substeps[k]),
        )
        c[k] = following - x[k + 1]

    goal = np.broadcast_to(query.goal, (N + 1, 3))
    x_ref = np.broadcast_to(query.x_ref, (N + 1, n))
    Q, q = np.zeros((N + 1, n, n)), np.zeros((N + 1, n))
    rows = [limit for limit in problem.stage_limits if limit.kind in ("distance", "approach")]
    C, row_limits = np.zeros((N + 1, len(rows), n)), _empty((N + 1, len(rows)))
    for k in range(1, N + 1):
        last = k == N
        span = 1.0 if last else problem.steps[k]
        weights = problem.terminal_weights if last else problem.stage_weights
        position, velocity, d_position, d_velocity = chain.point_jacobians(x[k])
        J = np.hstack([d_position[0], np.zeros((3, n // 2))])
        P = problem.end_effector_weights[last]
        Q[k] = span * (np.diag(weights) + P * J.T @ J)
        q[k] = span * (weights * (x[k] - x_ref[k]) + P * J.T @ (position[0] - goal[k]))
        for row, limit in enumerate(rows):
            obstacle = problem.robot.obstacles[limit.obstacle]
            value = float(obstacle.distance(position[limit.index]))
            C[k, row, : n // 2] = obstacle.normal @ d_position[limit.index]
            if limit.kind == "approach":
                value = float(obstacle.normal @ velocity[limit.index]) + limit.slope * (value - limit.margin)
                C[k, row] = limit.slope * C[k, row] + obstacle.normal @ d_velocity[limit.index]
            _limit(row_limits, (k, row), limit, value, span)

    kept = [limit for limit in (*problem.stage_limits, *problem.terminal_limits) if _state(limit, n) >= 0]
    bounded = sorted({_state(limit, n) for limit in kept})
    state_limits = _empty((N, len(bounded)))
    for k in range(1, N + 1):
        limits: Sequence[Limit] = problem.terminal_limits if k == N else problem.stage_limits
        for limit in limits:
            if (state := _state(limit, n)) >= 0:
                span = 1.0 if k == N else problem.steps[k]
                _limit(state_limits, (k - 1, bounded.index(state)), limit, x[k, state], span)

    R = problem.steps[:, None] * problem.torque_weights
    u_ref = np.array(np.broadcast_to(query.u_ref, (N, m)))
    if query.proposed is not None:
        R[0], u_ref[0] = query.proposed_weight, query.proposed
    lower, upper = problem.torque_limits.T
    return StructuredQP(
        A=A, B=B, c=c, x0=query.x0 - x[0],
        Q=Q, R=R[:, :, None] * np.eye(m), q=q, r=R * (u - u_ref),
        input_limits=Limits(lower - u, upper - u),
        bounded=tuple(bounded), state_limits=state_limits,
        C=C if rows else None, row_limits=row_limits if rows else None,
    )  # fmt: skip


def _empty(shape: tuple[int, int]) -> Limits:
    return Limits(np.full(shape, -np.inf), np.full(shape, np.inf), np.full(shape, 1.0), np.full(shape, 1.0))


def _limit(limits: Limits, at: tuple[int, int], limit: Limit, value: float, span: float) -> None:
    assert isinstance(limits.l1, np.ndarray)
    assert isinstance(limits.l2, np.ndarray)
    limits.lower[at], limits.upper[at] = limit.lower - value, limit.upper - value
    limits.l1[at], limits.l2[at] = span * limit.penalty.l1, span * limit.penalty.l2


def _state(limit: Limit, n: int) -> int:
    """Which state variable is limited, or -1."""
    return {"position": limit.index, "velocity": n // 2 + limit.index}.get(limit.kind, -1)
