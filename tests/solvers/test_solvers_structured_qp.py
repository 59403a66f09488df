"""The structured QP solver: against an exact dense solver, finite differences, and its own word."""

import dataclasses

import daqp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.solvers.random_qp import random_qp
from ampc.solvers.structured_qp import QPSettings, StructuredQPSolver
from ampc.solvers.structured_qp_problem import Limits, QPSolution, QPStatus, StructuredQP, optimality

PRECISE = QPSettings(tolerance=1e-11, max_iterations=100)


def regular_qp(
    seed: int, N: int = 6, n: int = 4, m: int = 2, rows: int = 3, bounded: tuple[int, ...] = (0, 2)
) -> StructuredQP:
    """A strictly convex problem with active hard and soft limits of every sort."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(N + 1, n + m, n + m))
    H = factors @ np.swapaxes(factors, 1, 2) / (n + m) + 0.1 * np.eye(n + m)
    states, below = (N, len(bounded)), np.full((N + 1, rows), -1.0)
    below[-1, :1] = 0.2
    above = np.where(rng.random(below.shape) < 0.5, np.inf, 1.0)
    above[-1, :1] = 0.2  # an equality, soft
    return StructuredQP(
        A=0.5 * rng.normal(size=(N, n, n)),
        B=rng.normal(size=(N, n, m)),
        c=0.1 * rng.normal(size=(N, n)),
        x0=rng.normal(size=n),
        Q=H[:, :n, :n],
        R=H[:N, n:, n:],
        S=H[:N, n:, :n],
        q=rng.normal(size=(N + 1, n)),
        r=rng.normal(size=(N, m)),
        input_limits=Limits(np.full((N, m), -0.8), np.full((N, m), 0.8)),
        bounded=bounded,
        state_limits=Limits(np.full(states, -0.5), np.full(states, 0.5), 3.0, 1.0),
        C=rng.normal(size=(N + 1, rows, n)),
        D=rng.normal(size=(N, rows, m)),
        row_limits=Limits(below, above, 2.0, rng.choice([0.5, 2.0], size=below.shape)),
    )


def solver_of(problem: StructuredQP, settings: QPSettings | None = None) -> StructuredQPSolver:
    N, m = problem.r.shape
    rows = 0 if problem.C is None else problem.C.shape[1]
    return StructuredQPSolver(N, len(problem.x0), m, problem.bounded, rows, settings)


def solve(problem: StructuredQP, settings: QPSettings | None = None) -> QPSolution:
    return solver_of(problem, settings).solve(problem)


def dense_inputs(problem: StructuredQP) -> FloatArray:
    """The same problem in the inputs and two explicit slacks per soft limit, by DAQP."""
    N, m = problem.r.shape
    n = len(problem.x0)
    offset, gain = [problem.x0], [np.zeros((n, N * m))]
    for k in range(N):
        gain.append(problem.A[k] @ gain[-1])
        gain[-1][:, k * m : (k + 1) * m] += problem.B[k]
        offset.append(problem.A[k] @ offset[-1] + problem.c[k])
    pick = [np.eye(m, N * m, k * m) for k in range(N)]
    H, f = np.zeros((N * m, N * m)), np.zeros(N * m)
    for k in range(N + 1):
        H += gain[k].T @ problem.Q[k] @ gain[k]
        f += gain[k].T @ (problem.Q[k] @ offset[k] + problem.q[k])
        if k < N:
            cross = pick[k].T @ problem.S[k] @ gain[k]
            H += pick[k].T @ problem.R[k] @ pick[k] + cross + cross.T
            f += pick[k].T @ (problem.r[k] + problem.S[k] @ offset[k])
    rows, lower, upper, l1, l2 = [], [], [], [], []

    def add(limits: Limits, row: FloatArray, constant: float, at: tuple[int, int]) -> None:
        values = [np.broadcast_to(v, limits.lower.shape)[at] for v in dataclasses.astuple(limits)]
        rows.append(row)
        lower.append(values[0] - constant)
        upper.append(values[1] - constant)
        l1.append(values[2])
        l2.append(values[3])

    for k in range(N + 1):
        if k < N:
            for i in range(m):
                add(problem.input_limits, pick[k][i], 0.0, (k, i))
        if k > 0:
            for j, i in enumerate(problem.bounded):
                add(problem.state_limits, gain[k][i], offset[k][i], (k - 1, j))
        for i in range(problem.C.shape[1]):
            row, constant = problem.C[k, i] @ gain[k], problem.C[k, i] @ offset[k]
            add(problem.row_limits, row + (problem.D[k, i] @ pick[k] if k < N else 0.0), constant, (k, i))
    soft = [i for i in range(len(rows)) if np.isfinite(l1[i])]
    size = N * m + 2 * len(soft)
    full_H, full_f = np.zeros((size, size)), np.zeros(size)
    full_H[: N * m, : N * m], full_f[: N * m] = H, f
    matrix = np.zeros((2 * len(rows), size))
    low, high = np.full(len(matrix), -1e30), np.full(len(matrix), 1e30)
    for i, row in enumerate(rows):
        matrix[2 * i, : N * m] = matrix[2 * i + 1, : N * m] = row
        low[2 * i], high[2 * i + 1] = max(lower[i], -1e30), min(upper[i], 1e30)
    for j, i in enumerate(soft):
        for side in (0, 1):
            at = N * m + 2 * j + side
            full_H[at, at], full_f[at] = l2[i], l1[i]
            matrix[2 * i + side, at] = 1.0 - 2.0 * side
    box_low = np.concatenate([np.full(N * m, -1e30), np.zeros(2 * len(soft))])
    box_high = np.full(size, 1e30)
    z, _, flag, _ = daqp.solve(
        full_H,
        full_f,
        matrix,
        np.concatenate([box_high, high]),
        np.concatenate([box_low, low]),
        np.zeros(size + len(matrix), dtype=np.int32),
        primal_tol=1e-12,
    )
    assert flag == 1
    return np.asarray(z)[: N * m].reshape(N, m)


@pytest.mark.parametrize("seed", range(12))
def test_inputs_are_those_of_an_exact_dense_solver(seed: int) -> None:
    problem = regular_qp(seed)
    solution = solve(problem, PRECISE)
    assert solution.status == QPStatus.OK
    np.testing.assert_allclose(solution.u, dense_inputs(problem), atol=1e-6)
    assert max(optimality(problem, solution).values()) < 1e-9


@pytest.mark.parametrize("l2", [4.0, 400.0])
@pytest.mark.parametrize("seed", range(4))
def test_limits_with_quadratic_penalties_alone(seed: int, l2: float) -> None:
    """Limits that are met then have no price at all; those of states are exceeded all along, rows too."""
    problem = regular_qp(seed, N=12)
    edge = np.full((12, 2), 0.01)
    exceeded = dataclasses.replace(
        problem,
        state_limits=Limits(-edge, edge, 0.0, l2),
        row_limits=dataclasses.replace(problem.row_limits, l1=0.0, l2=l2),
    )
    for tolerance in (1e-3, 1e-8, 1e-11):
        solution = solve(exceeded, QPSettings(tolerance=tolerance, max_iterations=30))
        assert solution.status == QPStatus.OK
        assert max(optimality(exceeded, solution).values()) < 10.0 * tolerance
    np.testing.assert_allclose(solution.u, dense_inputs(exceeded), atol=1e-6)


@pytest.mark.parametrize("states", [6, 10, 14, 18, 26, 46])
def test_compiled_sizes_agree_with_the_general_one(states: int) -> None:
    """A further state that nothing depends on makes the solver use its code for any size."""
    problem = regular_qp(3, N=4, n=states, m=3, rows=5)
    more = dataclasses.replace(
        problem,
        **{name: np.pad(getattr(problem, name), ((0, 0), (0, 1), (0, 1))) for name in ("A", "Q")},
        **{name: np.pad(getattr(problem, name), ((0, 0), (0, 0), (0, 1))) for name in ("S", "C")},
        **{name: np.pad(getattr(problem, name), ((0, 0), (0, 1))) for name in ("c", "q")},
        B=np.pad(problem.B, ((0, 0), (0, 1), (0, 0))),
        x0=np.append(problem.x0, 0.0),
    )
    special, general = solve(problem, PRECISE), solve(more, PRECISE)
    assert special.status == general.status == QPStatus.OK
    np.testing.assert_allclose(general.x[:, :states], special.x, atol=1e-8)
    np.testing.assert_allclose(general.u, special.u, atol=1e-8)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_what_is_called_solved_is_solved(seed: int) -> None:
    problem, kind = random_qp(seed)
    solution = solve(problem, QPSettings(max_iterations=100))
    if solution.status == QPStatus.OK:
        assert kind == "solvable"
        assert max(optimality(problem, solution).values()) < 1e-6
    if kind == "corrupt":
        assert solution.status == QPStatus.NOT_FINITE


def test_most_random_problems_are_solved() -> None:
    problems = [random_qp(seed, "solvable")[0] for seed in range(300)]
    solved = sum(solve(problem, QPSettings(max_iterations=100)).status == QPStatus.OK for problem in problems)
    assert solved >= 0.97 * len(problems)


def test_contradictory_limits_are_proved_to_be() -> None:
    problem = regular_qp(0)
    rows = Limits(np.array(problem.row_limits.lower), np.full((7, 3), np.inf))
    C = problem.C.copy()
    C[4, 1] = -C[4, 0]
    rows.lower[4, :2] = 1.0
    D = problem.D.copy()
    D[4, :2] = 0.0
    impossible = dataclasses.replace(problem, C=C, D=D, row_limits=rows)
    assert solve(impossible).status == QPStatus.INFEASIBLE
    crossed = dataclasses.replace(problem.input_limits, lower=problem.input_limits.upper + 1e-9)
    assert solve(dataclasses.replace(problem, input_limits=crossed)).status == QPStatus.INFEASIBLE


def test_a_cost_without_minimum_is_found() -> None:
    problem = dataclasses.replace(regular_qp(0), input_limits=None, C=None, D=None, row_limits=None)
    B, R, S = problem.B.copy(), problem.R.copy(), problem.S.copy()
    B[:, :, 0] = R[:, 0] = R[:, :, 0] = S[:, 0] = 0.0
    free = dataclasses.replace(problem, B=B, R=R, S=S)
    assert solve(free).status == QPStatus.UNBOUNDED
    r = problem.r.copy()
    r[:, 0] = 0.0
    assert solve(dataclasses.replace(free, r=r)).status == QPStatus.OK


def test_an_indefinite_cost_is_not_called_solved() -> None:
    problem = regular_qp(1)
    assert solve(dataclasses.replace(problem, R=-problem.R - 5.0 * np.eye(2))).status != QPStatus.OK


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["A", "B", "c", "x0", "Q", "R", "S", "q", "r", "C", "D"])
def test_numbers_that_are_not_finite_are_reported(name: str, bad: float) -> None:
    problem = regular_qp(2)
    array = getattr(problem, name).copy()
    array[tuple(size // 2 for size in array.shape)] = bad
    solver = solver_of(problem)
    assert solver.solve(dataclasses.replace(problem, **{name: array})).status == QPStatus.NOT_FINITE
    after = solver.solve(problem)
    assert after.status == QPStatus.OK
    np.testing.assert_array_equal(after.u, solve(problem).u)


@pytest.mark.parametrize(
    "change",
    [{"l1": -1.0}, {"l1": np.nan}, {"l2": -1.0}, {"l2": np.nan}, {"lower": np.full((7, 3), np.nan)}],
)
def test_penalties_and_limits_that_mean_nothing_are_refused(change: dict[str, FloatArray | float]) -> None:
    problem = regular_qp(2)
    rows = dataclasses.replace(problem.row_limits, **change)
    assert solve(dataclasses.replace(problem, row_limits=rows)).status == QPStatus.BAD_ARGUMENT


def test_without_limits_it_is_a_linear_quadratic_regulator() -> None:
    problem = dataclasses.replace(
        regular_qp(5), input_limits=None, bounded=(), state_limits=None, C=None, D=None, row_limits=None
    )
    solution = solve(problem)
    assert solution.status == QPStatus.OK
    assert solution.iterations <= 2
    assert max(optimality(problem, solution).values()) < 1e-10


def test_equalities_hold() -> None:
    problem = regular_qp(4)
    lower, upper = (np.array(edge) for edge in (problem.input_limits.lower, problem.input_limits.upper))
    lower[2] = upper[2] = 0.3
    rows = dataclasses.replace(problem.row_limits, l1=np.full((7, 3), 2.0))
    rows.l1[-1, 0] = np.inf
    solution = solve(
        dataclasses.replace(problem, input_limits=Limits(lower, upper), row_limits=rows), PRECISE
    )
    assert solution.status == QPStatus.OK
    np.testing.assert_allclose(solution.u[2], 0.3, atol=1e-9)
    np.testing.assert_allclose(problem.C[-1, 0] @ solution.x[-1], 0.2, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_scale_of_the_cost_does_not_matter(scale: float) -> None:
    problem = regular_qp(6)
    scaled = dataclasses.replace(
        problem,
        **{name: scale * getattr(problem, name) for name in ("Q", "R", "S", "q", "r")},
        **{
            name: dataclasses.replace(limits, l1=scale * limits.l1, l2=scale * limits.l2)
            for name in ("state_limits", "row_limits")
            if (limits := getattr(problem, name))
        },
    )
    one, other = solve(problem, PRECISE), solve(scaled, PRECISE)
    assert one.status == other.status == QPStatus.OK
    np.testing.assert_allclose(other.u, one.u, atol=1e-7)
    np.testing.assert_allclose(other.costate, scale * one.costate, rtol=1e-5, atol=1e-6 * scale)


def test_a_warm_start_saves_iterations_and_changes_nothing() -> None:
    iterations = np.zeros(2, dtype=int)
    for seed in range(8):
        problem = regular_qp(seed)
        solver = solver_of(problem, QPSettings(tolerance=1e-9))
        cold = solver.solve(problem)
        near = dataclasses.replace(problem, x0=problem.x0 + 1e-3)
        warm = solver.solve(near, warm=True)
        assert warm.status == QPStatus.OK
        iterations += cold.iterations, warm.iterations
        np.testing.assert_allclose(warm.u, solve(near, PRECISE).u, atol=1e-6)
    assert iterations[1] < iterations[0]


def test_a_warm_start_from_what_is_not_finite_is_a_cold_one() -> None:
    problem = regular_qp(0)
    solver = solver_of(problem)
    solver.solve(dataclasses.replace(problem, x0=np.full(4, np.nan)))
    warm = solver.solve(problem, warm=True)
    assert warm.status == QPStatus.OK
    np.testing.assert_array_equal(warm.u, solve(problem).u)


def test_no_iterations_means_no_solution() -> None:
    assert solve(regular_qp(0), QPSettings(max_iterations=0)).status == QPStatus.MAX_ITERATIONS


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_derivatives_are_the_differences_of_solutions(seed: int) -> None:
    problem = regular_qp(seed)
    solver, rng, step = solver_of(problem, PRECISE), np.random.default_rng(100 + seed), 1e-6
    solver.solve(problem)
    solver.factorise()
    gain = solver.first_gain()
    for name in ("x0", "c", "q", "r"):
        direction = rng.normal(size=getattr(problem, name).shape)
        dx, du = solver.derivative(**{name: direction})
        ahead, behind = (
            solve(
                dataclasses.replace(problem, **{name: getattr(problem, name) + sign * step * direction}),
                PRECISE,
            )
            for sign in (1.0, -1.0)
        )
        np.testing.assert_allclose(du, (ahead.u - behind.u) / (2.0 * step), atol=1e-4)
        np.testing.assert_allclose(dx, (ahead.x - behind.x) / (2.0 * step), atol=1e-4)
        if name == "x0":
            np.testing.assert_allclose(gain @ direction, du[0], atol=1e-9)


def test_costates_are_the_derivative_of_the_cost() -> None:
    problem = regular_qp(1)

    def cost(x0: FloatArray) -> float:
        changed = dataclasses.replace(problem, x0=x0)
        s = solve(changed, PRECISE)
        total = sum(0.5 * x @ Q @ x + q @ x for x, Q, q in zip(s.x, problem.Q, problem.q, strict=True))
        parts = zip(s.u, s.x, problem.R, problem.S, problem.r, strict=False)
        total += sum(0.5 * u @ R @ u + u @ S @ x + r @ u for u, x, R, S, r in parts)
        values = s.x[1:, list(problem.bounded)]
        slack = np.maximum(0.0, np.abs(values) - 0.5)
        total += (3.0 * slack + 0.5 * slack**2).sum()
        l1, l2 = problem.row_limits.l1, problem.row_limits.l2
        return float(total + (l1 * s.row_slack + 0.5 * l2 * s.row_slack**2).sum())

    solution, step = solve(problem, PRECISE), 1e-5
    for i, e in enumerate(step * np.eye(len(problem.x0))):
        slope = (cost(problem.x0 + e) - cost(problem.x0 - e)) / (2.0 * step)
        assert solution.costate[0, i] == pytest.approx(slope, abs=1e-5)


def test_sizes_and_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SolverError, match="0 steps"):
        StructuredQPSolver(0, 4, 2)
    problem = regular_qp(0)
    with pytest.raises(SolverError, match="A of the QP has the shape"):
        solver_of(problem).solve(dataclasses.replace(problem, A=problem.A[:-1]))
    with pytest.raises(SolverError, match="bounds the states"):
        solver_of(problem).solve(dataclasses.replace(problem, bounded=(0, 1)))
