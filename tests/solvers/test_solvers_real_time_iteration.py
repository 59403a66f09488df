"""The real-time iteration: optimality, convergence, sensitivities, and what happens when things go wrong."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.arrays import FloatArray
from ampc.chain import rest_shape
from ampc.errors import SettingsError, SolverError
from ampc.robots import Robot, RobotDynamics, load_robot
from ampc.solvers import real_time_iteration_library
from ampc.solvers.nonlinear_mpc_settings import CostWeights, GridSettings, NonlinearMPCSettings, Penalty
from ampc.solvers.optimal_control import Limit, OptimalControlProblem, Query
from ampc.solvers.real_time_iteration import RealTimeIteration, RealTimeIterationSettings

COARSE = GridSettings(counts=(30,), lengths=(0.01,), substeps=(2,))
GROWING = GridSettings(counts=(8, 17), lengths=(0.004, 0.014), substeps=(2, 4))
NEAR = (1.0, 0.8, -1.0), (1.2, 1.0, -1.3)
FAR = (2.5, 0.9, 0.8), (0.3, 0.8, -1.2)


def make(source: str = "flexible-arm-1", grid: GridSettings = COARSE, **changes: Any) -> RealTimeIteration:
    """A solver on a coarse grid."""
    robot = load_robot(source)
    return RealTimeIteration(OptimalControlProblem(robot, NonlinearMPCSettings(grid=grid, **changes)))


def reaching(robot: Robot, motion: tuple[tuple[float, ...], tuple[float, ...]] = NEAR) -> Query:
    """From rest with the motors at one place to rest at another."""
    start, q = (rest_shape(robot, np.array(motors)) for motors in motion)
    dynamics, still = RobotDynamics(robot), np.zeros(robot.n_joints)
    holding = (dynamics.bias(q, still) - dynamics.passive(q, still))[robot.actuated]
    goal = dynamics.end_effector(q).copy()
    return Query(np.concatenate([start, still]), goal, np.concatenate([q, still]), holding)


def value(limit: Limit, problem: OptimalControlProblem, x: FloatArray) -> float:
    """What a limit limits, from its definition."""
    n, positions_velocities = problem.robot.n_joints, problem.chain.points(x)
    if limit.kind in ("position", "velocity"):
        return float(x[limit.index + (n if limit.kind == "velocity" else 0)])
    obstacle = problem.robot.obstacles[limit.obstacle]
    distance = float(obstacle.distance(positions_velocities[0][limit.index]))
    if limit.kind == "distance":
        return distance
    return float(obstacle.normal @ positions_velocities[1][limit.index]) + limit.slope * (
        distance - limit.margin
    )


def cost(problem: OptimalControlProblem, query: Query, u: FloatArray) -> float:
    """Cost of torques (N, m), in the words of the problem's definition."""
    x, total, N = query.x0, 0.0, problem.horizon
    for k, (torque, step, substeps) in enumerate(zip(u, problem.steps, problem.substeps, strict=True), 1):
        total += 0.5 * step * float(problem.torque_weights @ (torque - query.u_ref) ** 2)
        x = problem.chain.step(x, torque, float(step), substeps=int(substeps))
        last = k == N
        scale = 1.0 if last else float(problem.steps[k])
        weights = problem.terminal_weights if last else problem.stage_weights
        total += 0.5 * scale * float(weights @ (x - query.x_ref) ** 2)
        miss = problem.chain.points(x)[0][0] - query.goal
        total += 0.5 * scale * problem.end_effector_weights[last] * float(miss @ miss)
        for limit in problem.terminal_limits if last else problem.stage_limits:
            c = value(limit, problem, x)
            slack = max(0.0, limit.lower - c, c - limit.upper)
            total += scale * (limit.penalty.l1 * slack + 0.5 * limit.penalty.l2 * slack**2)
    return total


def test_a_converged_plan_is_a_stationary_point_of_the_cost_as_it_is_defined() -> None:
    solver = make(rest=Penalty(), rest_passive=Penalty())
    query = reaching(solver.problem.robot)
    plan = solver.converge(query)
    assert plan.status == "solved"
    problem, rng = solver.problem, np.random.default_rng(0)
    limits = problem.torque_limits
    inside = ((plan.u > limits[:, 0] + 1e-3) & (plan.u < limits[:, 1] - 1e-3)).astype(float)
    assert inside.mean() > 0.5
    base = cost(problem, query, plan.u)
    for _ in range(4):
        direction = rng.standard_normal(plan.u.shape) * inside
        ahead, behind = (cost(problem, query, plan.u + e * direction) for e in (1e-4, -1e-4))
        assert abs(ahead - behind) / 2e-4 < 2e-4 * base
        assert ahead + behind > 2.0 * base


@pytest.mark.parametrize("source", [*(f"flexible-arm-{n}" for n in (0, 1, 2, 3, 5, 10)), "rigid-arm"])
@pytest.mark.parametrize("motion", [NEAR, FAR], ids=["near", "far"])
def test_every_arm_converges_to_a_plan_that_its_model_follows(source: str, motion: Any) -> None:
    scheme = "radau" if source == "flexible-arm-10" else "gauss-legendre"
    solver = make(source, GridSettings((20,), (0.01,), (2,), scheme))
    query = reaching(solver.problem.robot, motion)
    plan = solver.converge(query)
    assert plan.status == "solved", plan.reason
    assert plan.gap < 1e-6
    rolled = solver.rollout(query.x0, plan.u)
    assert rolled.finished
    np.testing.assert_allclose(rolled.x, plan.x, atol=1e-5)
    limits = solver.problem.torque_limits
    assert (plan.u >= limits[:, 0]).all()
    assert (plan.u <= limits[:, 1]).all()


def test_exact_penalties_hold_the_limits_and_bring_the_arm_to_rest() -> None:
    solver = make("flexible-arm-3", GridSettings((60,), (0.008,), (2,)), rest=Penalty(1e3, 1e3))
    robot = solver.problem.robot
    query = reaching(robot, FAR)
    plan = solver.converge(query)
    assert plan.status == "solved"
    rolled = solver.rollout(query.x0, plan.u)
    assert rolled.violations(solver.problem)[1:].max() < 5e-3
    assert np.abs(plan.x[-1, robot.n_joints :][robot.actuated]).max() < 1e-5
    fastest = np.abs(plan.x[:, robot.n_joints :][:, robot.actuated]).max(axis=0)
    assert (fastest > 0.9 * robot.velocity_limits[robot.actuated]).any()


def test_real_time_steps_reach_the_converged_plan() -> None:
    solver, reference = make("flexible-arm-3"), make("flexible-arm-3")
    query = reaching(solver.problem.robot)
    exact = reference.converge(query).u[0]
    errors = [float(np.abs(solver.step(query, elapsed=0.0).u[0] - exact).max()) for _ in range(12)]
    assert errors[-1] < 1e-3 < errors[0]
    following = solver.step(query, elapsed=0.0, iterations=3)
    assert following.iterations == 3
    assert following.change < 1e-3


@pytest.mark.parametrize("grid", [COARSE, GROWING], ids=["uniform", "growing"])
def test_a_shifted_plan_needs_little_change(grid: GridSettings) -> None:
    solver = make("flexible-arm-1", grid)
    query = reaching(solver.problem.robot)
    before = solver.converge(query)
    following = dataclasses.replace(query, x0=solver.rollout(query.x0, before.u).x[1])
    moved = solver.step(following, iterations=0)
    assert moved.iterations == 0
    assert not moved.usable
    np.testing.assert_allclose(moved.u[0], before.u[1], atol=1e-12)
    assert solver.step(following, elapsed=0.0).change < (1.0 if grid is COARSE else 3.0)


def test_moving_a_plan_on_keeps_the_impulse_of_its_torques() -> None:
    solver = make("flexible-arm-1", GROWING)
    problem = solver.problem
    query = reaching(problem.robot)
    plan = solver.converge(query)
    elapsed = 0.009
    moved = solver.step(query, elapsed=elapsed, iterations=0)

    def impulse(u: FloatArray, until: float) -> FloatArray:
        edges = np.minimum(problem.times, until)
        return np.asarray(np.diff(edges) @ u)

    end = problem.times[-1]
    rest = impulse(plan.u, end) - impulse(plan.u, elapsed) + elapsed * plan.u[-1]
    np.testing.assert_allclose(impulse(moved.u, end), rest, rtol=1e-9)


def test_the_same_calls_give_the_same_plans() -> None:
    plans = []
    for _ in range(2):
        solver = make("flexible-arm-3")
        query = reaching(solver.problem.robot)
        first = solver.converge(query)
        plans.append([first, *(solver.step(dataclasses.replace(query, x0=first.x[k])) for k in (1, 2))])
    for one, other in zip(*plans, strict=True):
        np.testing.assert_array_equal(one.u, other.u)
        np.testing.assert_array_equal(one.x, other.x)


def test_a_proposed_first_torque_is_kept_as_far_as_its_weight_says() -> None:
    solver = make()
    query = reaching(solver.problem.robot)
    free = solver.converge(query).u[0]
    proposed = free + np.array([1.0, -1.0, 0.5])
    asked = dataclasses.replace(query, proposed=proposed, proposed_weight=1e4)
    np.testing.assert_allclose(solver.converge(asked).u[0], proposed, atol=0.01)
    away = dataclasses.replace(asked, proposed=np.array([100.0, 0.0, 0.0]))
    assert solver.converge(away).u[0, 0] == pytest.approx(solver.problem.torque_limits[0, 1])


def test_references_may_differ_from_node_to_node() -> None:
    one, each = make(), make()
    query = reaching(one.problem.robot)
    nodes = one.problem.horizon + 1
    spread = dataclasses.replace(
        query,
        goal=np.tile(query.goal, (nodes, 1)),
        x_ref=np.tile(query.x_ref, (nodes, 1)),
        u_ref=np.tile(query.u_ref, (nodes - 1, 1)),
    )
    np.testing.assert_array_equal(one.converge(query).u, each.converge(spread).u)


def test_the_stiffness_is_that_of_the_query() -> None:
    solver = make("flexible-arm-3")
    query = reaching(solver.problem.robot)
    plan = solver.converge(dataclasses.replace(query, stiffness_scale=0.8))
    chain, x = solver.problem.chain.with_stiffness_scale(0.8), query.x0
    for torque in plan.u[:5]:
        x = chain.step(x, torque, 0.01)
    np.testing.assert_allclose(plan.x[5], x, atol=1e-5)


def test_a_rollout_states_what_the_limits_limit() -> None:
    solver = make("flexible-arm-2")
    problem = solver.problem
    query = reaching(problem.robot)
    plan = solver.converge(query)
    rolled = solver.rollout(query.x0, plan.u)
    for k in (0, 7, problem.horizon):
        expected = [value(limit, problem, rolled.x[k]) for limit in problem.stage_limits]
        np.testing.assert_allclose(rolled.limited[k], expected, atol=1e-12)
    wild = solver.rollout(np.full(problem.n_states, 1e200), plan.u)
    assert not wild.finished
    assert not np.isfinite(wild.limited[-1]).any()


SMOOTH = {
    "rest": Penalty(),
    "rest_passive": Penalty(),
    "stage": CostWeights(end_effector=3000.0),
    "terminal": CostWeights(velocity_active=(1.0,), end_effector=300.0),
}


@pytest.mark.parametrize("motion", [NEAR, FAR], ids=["free", "limited"])
def test_sensitivities_are_the_differences_of_converged_solutions(motion: Any) -> None:
    problem = make("flexible-arm-1", **SMOOTH).problem
    solver = RealTimeIteration(problem, RealTimeIterationSettings(tolerance=1e-9))
    query = reaching(problem.robot, motion)
    assert solver.converge(query).status == "solved"
    exact = solver.sensitivities(query)
    gauss_newton = solver.sensitivities(query, exact=False)

    def first_torque(**change: FloatArray) -> FloatArray:
        return solver.converge(dataclasses.replace(query, **change)).u[0]

    step = 1e-4
    for name in ("x0", "goal", "x_ref", "u_ref"):
        base = getattr(query, name)
        rows = []
        for direction in step * np.eye(len(base)):
            ahead, behind = (first_torque(**{name: base + sign * direction}) for sign in (1.0, -1.0))
            rows.append((ahead - behind) / (2.0 * step))
        expected = np.array(rows).T
        size = np.abs(expected).max()
        np.testing.assert_allclose(getattr(exact, name), expected, atol=1e-3 * size)
        assert 2e-3 * size < np.abs(getattr(gauss_newton, name) - expected).max() < size


def test_a_state_that_is_not_finite_leaves_the_plan_as_it_was() -> None:
    solver = make()
    query = reaching(solver.problem.robot)
    broken = dataclasses.replace(query, x0=np.full_like(query.x0, np.nan))
    first = solver.step(broken)
    assert first.status == "failed"
    assert "finite" in first.reason
    assert np.isfinite(first.u).all()
    plan = solver.converge(query)
    moved = solver.step(broken)
    assert moved.status == "failed"
    assert not moved.usable
    np.testing.assert_array_equal(moved.u[:-1], plan.u[1:])
    assert solver.step(query).status == "solved"


def test_time_that_is_up_stops_between_iterations() -> None:
    solver = make("flexible-arm-3")
    query = reaching(solver.problem.robot)
    plan = solver.converge(query)
    solver.step(query, elapsed=0.0)
    stopped = solver.step(query, budget=0.0)
    assert stopped.status == "deadline"
    assert stopped.iterations == 0
    assert not stopped.usable
    assert np.isfinite(stopped.u).all()
    assert stopped.u.shape == plan.u.shape
    many = solver.step(query, elapsed=0.0, iterations=10_000, budget=0.2)
    assert many.status == "deadline"
    assert 0 < many.iterations < 10_000
    assert many.usable


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_the_state_a_plan_is_finite_and_says_how_it_went(data: Any) -> None:
    solver = _fuzzed()
    n, m = solver.problem.n_states, solver.problem.robot.n_actuated
    number = st.one_of(st.floats(-5, 5), st.floats(-1e4, 1e4), st.floats(allow_nan=True, allow_infinity=True))
    x0 = np.array(data.draw(st.lists(number, min_size=n, max_size=n)))
    goal = np.array(data.draw(st.lists(number, min_size=3, max_size=3)))
    query = Query(x0, goal, np.zeros(n), np.zeros(m))
    plans = [solver.step(query), solver.step(query, iterations=2), solver.converge(query, max_iterations=5)]
    for plan in plans:
        assert np.isfinite(plan.x).all()
        assert np.isfinite(plan.u).all()
        assert (np.abs(plan.u) <= solver.problem.torque_limits[:, 1]).all()
        assert (plan.status == "solved") == (plan.reason == "")
    usual = reaching(solver.problem.robot)
    solver.reset()
    assert solver.step(usual).status == "solved"


def _fuzzed(kept: list[RealTimeIteration] = []) -> RealTimeIteration:  # noqa: B006  (one solver for all examples)
    if not kept:
        kept.append(make("flexible-arm-1", GridSettings((10,), (0.01,), (2,))))
    return kept[0]


def test_arrays_of_the_wrong_shape_are_refused() -> None:
    solver = make()
    query = reaching(solver.problem.robot)
    with pytest.raises(SettingsError, match="x0 has shape"):
        solver.step(dataclasses.replace(query, x0=np.zeros(3)))
    with pytest.raises(SettingsError, match="goal has shape"):
        solver.step(dataclasses.replace(query, goal=np.zeros((2, 3))))
    with pytest.raises(SolverError, match="need a plan"):
        solver.sensitivities(query)


def test_without_the_compiled_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise OSError("no such file")

    monkeypatch.setattr(real_time_iteration_library, "load_library", missing)
    real_time_iteration_library.load_solver.cache_clear()
    with pytest.raises(SolverError, match="C compiler"):
        make()
    monkeypatch.undo()
    real_time_iteration_library.load_solver.cache_clear()
