"""The structured QP solver and the real-time iteration against HPIPM, which shares no code with them."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from ampc.chain import StaticEquilibrium, rest_shape
from ampc.robots import load_robot
from ampc.solvers.nonlinear_mpc_settings import GridSettings, NonlinearMPCSettings
from ampc.solvers.optimal_control import OptimalControlProblem, Query
from ampc.solvers.real_time_iteration import RealTimeIteration, RealTimeIterationSettings
from ampc.solvers.structured_qp import QPSettings, StructuredQPSolver
from ampc.solvers.structured_qp_problem import Limits, QPStatus, StructuredQP

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


hpipm, linearisation = load("hpipm"), load("linearisation")
pytestmark = pytest.mark.skipif(hpipm.find_library() is None, reason="this CasADi has no HPIPM library")


def random_qp(seed: int) -> StructuredQP:
    rng = np.random.default_rng(seed)
    N, n, m, rows = (int(rng.integers(1, most)) for most in (30, 12, 4, 7))
    half = rng.normal(size=(N + 1, n + m, n + m)) / 3.0
    H = half @ half.transpose(0, 2, 1) + 0.1 * np.eye(n + m)
    bounded = tuple(range(0, n, 2))

    def soft(*shape: int) -> Limits:
        lower, upper = -rng.random(shape), rng.random(shape)
        lower[rng.random(shape) < 0.2], upper[rng.random(shape) < 0.2] = -np.inf, np.inf
        l1, l2 = 10.0 ** rng.uniform(-1.0, 2.0, (2, *shape))
        return Limits(lower, upper, l1, l2)

    inputs = soft(N, m)
    return StructuredQP(
        A=rng.normal(size=(N, n, n)) / np.sqrt(n), B=rng.normal(size=(N, n, m)),
        c=rng.normal(size=(N, n)) / 10.0, x0=rng.normal(size=n),
        Q=H[:, :n, :n], R=H[:N, n:, n:], S=H[:N, n:, :n],
        q=rng.normal(size=(N + 1, n)), r=rng.normal(size=(N, m)),
        input_limits=Limits(inputs.lower, inputs.upper), bounded=bounded, state_limits=soft(N, len(bounded)),
        C=rng.normal(size=(N + 1, rows, n)), D=rng.normal(size=(N, rows, m)), row_limits=soft(N + 1, rows),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_a_qp_has_the_solution_that_hpipm_finds(seed):
    qp = random_qp(seed)
    tries = (hpipm.Hpipm(qp, tolerance=1e-9, mode=mode).solve(qp) for mode in ("balance", "robust"))
    theirs = next((solution for solution in tries if solution.status == "ok"), None)
    if theirs is None:
        pytest.skip("HPIPM gave up")
    sizes = len(qp.A), qp.A.shape[1], qp.B.shape[2], qp.bounded, qp.C.shape[1]
    ours = StructuredQPSolver(*sizes, QPSettings(tolerance=1e-10)).solve(qp)
    assert ours.status is QPStatus.OK
    np.testing.assert_allclose(ours.u, theirs.u, atol=1e-4)
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-4)


@pytest.mark.parametrize(
    ("robot", "near"), [("flexible-arm-1", True), ("flexible-arm-3", False), ("flexible-arm-3", True)]
)
def test_a_real_time_iteration_is_the_step_that_hpipm_takes_on_our_linearisation(robot, near):
    robot = load_robot(robot)
    problem = OptimalControlProblem(robot, NonlinearMPCSettings(grid=GridSettings(counts=(40,))))
    motors = np.array([-0.2, 0.5, -0.9]) if near else np.array([1.0, 0.8, -1.0])
    start = rest_shape(robot, motors)
    goal = np.array([0.55, -0.12, 0.2]) if near else np.array([0.3, 0.5, 0.4])
    rest = StaticEquilibrium(robot).solve(goal)[0]
    still = np.zeros(robot.n_joints)
    query = Query(np.concatenate([start, still]), goal, np.concatenate([rest.q, still]), rest.u)
    solver = RealTimeIteration(
        problem, RealTimeIterationSettings(qp_tolerance=1e-11, integrator_tolerance=1e-12)
    )
    before = solver.step(query, iterations=2)
    after = solver.step(query, elapsed=0.0)
    assert after.status == "solved"

    qp = linearisation.linearise(problem, query, before.x, before.u)
    step = hpipm.Hpipm(qp, tolerance=1e-8).solve(qp)
    assert step.status == "ok"
    np.testing.assert_allclose(after.u, before.u + step.u, atol=1e-4)
    np.testing.assert_allclose(after.x, before.x + step.x, atol=1e-4)
