"""The exact reference: that it solves the stated problem, and that the real-time solver agrees with it."""

from dataclasses import replace

import numpy as np
import pytest

from ampc.chain import StaticEquilibrium, rest_shape
from ampc.robots import load_robot
from ampc.solvers.ipopt_nonlinear_mpc import IpoptNonlinearMPC, IpoptSettings
from ampc.solvers.nonlinear_mpc_settings import CostWeights, GridSettings, NonlinearMPCSettings, Penalty
from ampc.solvers.optimal_control import OptimalControlProblem, Query
from ampc.solvers.real_time_iteration import RealTimeIteration

GRIDS = {
    "flexible-arm-0": GridSettings((20,), (0.01,), (1,)),
    "flexible-arm-1": GridSettings((25,)),
    "flexible-arm-3": GridSettings((8, 8), (0.004, 0.014), (2, 3)),
    "flexible-arm-10": GridSettings((5,), (0.004,), (2,), "radau"),
    "rigid-arm": GridSettings((20,), (0.02,), (1,), "radau"),
}
MARK = 1e-3
"""Agreement of first torques that issue and documentation promise [N m]."""


def make(name: str, **changes) -> tuple[OptimalControlProblem, Query]:
    robot = load_robot(name)
    problem = OptimalControlProblem(robot, replace(NonlinearMPCSettings(grid=GRIDS[name]), **changes))
    q = rest_shape(robot, np.array([0.4, 0.9, -1.1]))
    goal = StaticEquilibrium(robot).solve(
        problem.chain.points(np.append(q, 0.0 * q))[0][0] + [0.1, -0.2, 0.1]
    )[0]
    still = np.zeros(robot.n_joints)
    speed = 0.3 * np.sin(np.arange(robot.n_joints))
    query = Query(
        np.concatenate([q, speed]),
        problem.chain.points(np.append(goal.q, still))[0][0],
        np.append(goal.q, still),
        goal.u,
    )
    return problem, query


@pytest.mark.parametrize("name", GRIDS)
def test_the_real_time_solver_converges_to_the_same_plan(name):
    problem, query = make(name)
    exact = IpoptNonlinearMPC(problem).converge(query)
    fast = RealTimeIteration(problem).converge(query)
    assert exact.status == fast.status == "solved"
    np.testing.assert_allclose(fast.u[0], exact.u[0], atol=MARK)


@pytest.mark.parametrize("name", GRIDS)
def test_its_plan_obeys_the_dynamics_of_the_core_and_the_torque_limits(name):
    problem, query = make(name)
    plan = IpoptNonlinearMPC(problem).converge(query)
    np.testing.assert_allclose(plan.x[0], query.x0, atol=1e-12)
    for k, (length, substeps) in enumerate(zip(problem.steps, problem.substeps, strict=True)):
        following = problem.chain.step(
            plan.x[k], plan.u[k], float(length), scheme=problem.settings.grid.scheme, substeps=int(substeps)
        )
        np.testing.assert_allclose(plan.x[k + 1], following, atol=1e-8)
    lower, upper = problem.torque_limits.T
    assert np.all((plan.u >= lower) & (plan.u <= upper))


@pytest.fixture(scope="module")
def small():
    problem, query = make("flexible-arm-1")
    return problem, query, IpoptNonlinearMPC(problem)


def test_all_that_changes_from_call_to_call_is_used(small):
    problem, query, solver = small
    fast = RealTimeIteration(problem)
    N, n, m = problem.horizon, problem.n_states, problem.robot.n_actuated
    nodes = np.linspace(0.0, 1.0, N + 1)[:, None]
    queries = [
        replace(query, stiffness_scale=0.8),
        replace(query, proposed=np.array([4.0, 3.0, -2.0]), proposed_weight=np.array([20.0, 10.0, 0.0])),
        replace(
            query,
            goal=query.goal + 0.05 * nodes * np.ones(3),
            x_ref=query.x_ref + 0.1 * nodes * np.ones(n),
            u_ref=query.u_ref + nodes[1:] * np.ones(m),
        ),
    ]
    first = solver.converge(query).u[0]
    for changed in queries:
        exact, approximate = solver.converge(changed), fast.converge(changed)
        assert np.abs(exact.u[0] - first).max() > 0.01
        np.testing.assert_allclose(approximate.u[0], exact.u[0], atol=MARK)


@pytest.mark.parametrize(
    "changes",
    [
        {"margins": (0.3, 0.3), "approach": Penalty(1e3, 1e3)},
        {"speed_factor": 0.1, "speed": Penalty(0.0, 1e5)},
        {"speed_factor": 0.5, "speed": Penalty(0.0, 1e3)},
        {"rest": Penalty(1e4, 0.0), "rest_passive": Penalty(0.0, 0.0)},
        {"stage": CostWeights((0.01,), (0.01,), (0.1,), (10.0,), 3000.0), "torque": (0.1, 1.0, 1.0)},
    ],
    ids=["obstacles", "speed", "speed a little", "rest", "cost"],
)
def test_the_two_agree_where_limits_are_exceeded(changes):
    problem, query = make("flexible-arm-1", **changes)
    exact, fast = IpoptNonlinearMPC(problem).converge(query), RealTimeIteration(problem).converge(query)
    assert exact.status == fast.status == "solved"
    np.testing.assert_allclose(fast.u[0], exact.u[0], atol=MARK)


def test_a_plan_that_is_an_optimum_is_left_as_it_is(small):
    problem, query, _ = small
    found = RealTimeIteration(problem).converge(query)
    checked = IpoptNonlinearMPC(problem, IpoptSettings(initial_barrier=1e-8)).converge(query, guess=found)
    np.testing.assert_allclose(checked.u, found.u, atol=MARK)
    np.testing.assert_allclose(checked.x, found.x, atol=1e-4)


def test_steps_follow_the_plan(small):
    _, query, solver = small
    solver.reset()
    first = solver.step(query)
    second = solver.step(replace(query, x0=first.x[1]))
    assert first.status == second.status == "solved"
    assert np.abs(second.u[:5] - first.u[1:6]).max() < 1.0


def test_it_stops_at_a_deadline_and_at_an_iteration_limit(small):
    _, query, solver = small
    solver.reset()
    late = solver.step(query, budget=0.0)
    assert late.status == "deadline"
    assert "stopped" in late.reason
    assert late.iterations <= 1
    short = solver.converge(query, max_iterations=3)
    assert short.status == "iteration limit"
    assert np.isfinite(short.u).all()
    assert np.isfinite(short.x).all()
    solver.reset()


@pytest.mark.parametrize("name", ["x0", "goal", "u_ref"])
def test_what_is_not_finite_is_reported(small, name):
    problem, query, solver = small
    solver.reset()
    plan = solver.step(replace(query, **{name: np.full_like(getattr(query, name), np.nan)}))
    assert plan.status == "failed"
    assert "finite" in plan.reason
    assert not plan.usable
    assert np.isfinite(plan.u).all()
    assert np.isfinite(plan.x).all()
    assert plan.u.shape == (problem.horizon, 3)
