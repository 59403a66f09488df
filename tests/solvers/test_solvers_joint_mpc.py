"""The three solvers of the expert's problem against each other and against its optimality conditions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ampc.errors import SolverError
from ampc.solvers import BatchJointMPC, ExactJointMPC, IpoptJointMPC, JointMPCSettings

DEFAULT = JointMPCSettings()


def random_states(count: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """States of arms, half of them spread over the workspace, half near the reference."""
    rng = np.random.default_rng(seed)
    scale = np.where(rng.random((count, 1)) < 0.5, 1.0, 0.1)
    return scale * rng.uniform(-3, 3, (count, n)), scale * rng.uniform(-8, 8, (count, n))


@pytest.fixture(scope="module")
def batch() -> BatchJointMPC:
    return BatchJointMPC(DEFAULT)


@pytest.fixture(scope="module")
def exact() -> ExactJointMPC:
    return ExactJointMPC(DEFAULT)


def test_first_inputs_are_ipopts_on_1000_states(batch: BatchJointMPC, exact: ExactJointMPC) -> None:
    ipopt = IpoptJointMPC(DEFAULT, 3, tolerance=1e-10)
    error, dq = random_states(1000, 3)
    expected = np.array([ipopt.first_input(*state) for state in zip(error, dq, strict=True)])
    np.testing.assert_allclose(batch.first_input(error, dq), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(exact.first_input(error, dq), expected, rtol=0, atol=1e-6)


def test_batch_is_daqp_on_20000_states(batch: BatchJointMPC, exact: ExactJointMPC) -> None:
    error, dq = random_states(20_000, 1, seed=1)
    plans, expected = batch.plan(error, dq), exact.plan(error, dq)
    np.testing.assert_allclose(plans, expected, rtol=0, atol=1e-8)
    states = np.concatenate([error, dq], axis=1)
    assert batch.problem.kkt_residual(plans[..., 0], states).max() <= 1e-9
    assert batch.problem.kkt_residual(expected[..., 0], states).max() <= 1e-9


def weights(low: float, high: float) -> st.SearchStrategy[float]:
    """Weights spread evenly over decades."""
    return st.floats(np.log10(low), np.log10(high)).map(lambda exponent: 10.0**exponent)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    settings=st.builds(
        JointMPCSettings,
        horizon=st.integers(1, 40),
        step=weights(0.01, 0.1),
        position_weight=weights(1e-1, 1e3),
        velocity_weight=weights(1e-3, 1e1),
        command_weight=weights(1e-4, 1e1),
        terminal_position_weight=st.one_of(st.none(), weights(1e-1, 1e4)),
        command_limit=weights(0.1, 1e3),
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_batch_is_daqp_for_any_problem(settings: JointMPCSettings, seed: int) -> None:
    batch = BatchJointMPC(settings)
    error, dq = random_states(64, 2, seed)
    plans = batch.plan(error, dq)
    expected = ExactJointMPC(settings).plan(error, dq)
    np.testing.assert_allclose(plans, expected, rtol=0, atol=1e-8 * max(1.0, settings.command_limit))
    residual = batch.problem.kkt_residual(np.moveaxis(plans, 1, 2), np.stack([error, dq], axis=-1))
    assert residual.max() <= 1e-10 * settings.command_limit


def test_a_horizon_whose_active_sets_may_share_codes_is_solved_too() -> None:
    settings = JointMPCSettings(horizon=45)
    error, dq = random_states(500, 1, seed=9)
    expected = ExactJointMPC(settings).plan(error, dq)
    np.testing.assert_allclose(BatchJointMPC(settings).plan(error, dq), expected, rtol=0, atol=1e-8)


def test_a_plan_depends_on_the_state_alone(exact: ExactJointMPC) -> None:
    error, dq = random_states(3000, 1, seed=2)
    order = np.random.default_rng(3).permutation(len(error))
    for solver in (BatchJointMPC(DEFAULT), exact):
        plans = solver.plan(error, dq)
        np.testing.assert_array_equal(solver.plan(error[order], dq[order]), plans[order])
        np.testing.assert_array_equal(solver.plan(error[7], dq[7]), plans[7])


def test_shapes(batch: BatchJointMPC, exact: ExactJointMPC) -> None:
    for solver in (batch, exact):
        for shape in [(3,), (4, 3), (2, 4, 5), (0, 3)]:
            assert solver.plan(np.zeros(shape), np.zeros(shape)).shape == (*shape[:-1], 20, shape[-1])
            assert solver.first_input(np.zeros(shape), np.zeros(shape)).shape == shape
    for n, horizon in [(1, 20), (2, 1), (1, 1)]:
        ipopt = IpoptJointMPC(JointMPCSettings(horizon=horizon), n)
        assert ipopt.plan(np.ones(n), np.zeros(n)).shape == (horizon, n)


def test_joints_are_told_apart(batch: BatchJointMPC, exact: ExactJointMPC) -> None:
    error, dq = np.array([0.05, -0.4, 1.5]), np.array([0.1, 0.3, -2.0])
    ipopt = IpoptJointMPC(DEFAULT, 3, tolerance=1e-10).plan(error, dq)
    np.testing.assert_allclose(batch.plan(error, dq), ipopt, atol=1e-5)
    np.testing.assert_allclose(exact.plan(error, dq), ipopt, atol=1e-5)


def test_plans_are_odd(batch: BatchJointMPC) -> None:
    error, dq = random_states(5000, 1, seed=4)
    np.testing.assert_allclose(batch.plan(-error, -dq), -batch.plan(error, dq), rtol=0, atol=1e-9)


def test_limits_are_kept_and_reached(batch: BatchJointMPC) -> None:
    error, dq = random_states(5000, 1, seed=5)
    assert np.abs(batch.plan(error, dq)).max() == DEFAULT.command_limit
    far = np.array([1e6, -1e6, 0.0])
    np.testing.assert_array_equal(batch.first_input(far, 0 * far), [-10.0, 10.0, 0.0])


def test_without_limits_it_is_the_riccati_recursion() -> None:
    settings = JointMPCSettings(horizon=12, command_limit=1e6, terminal_position_weight=7.0)
    batch = BatchJointMPC(settings)
    A, B = batch.problem.transition, batch.problem.input_map
    P = np.diag(settings.terminal_weights)
    for _ in range(settings.horizon):
        gain = B @ P @ A / (settings.command_weight + B @ P @ B)
        P = np.diag(settings.stage_weights) + A.T @ P @ (A - np.outer(B, gain))
    error, dq = random_states(100, 2, seed=6)
    states = np.stack([error, dq], axis=-1)
    np.testing.assert_allclose(batch.first_input(error, dq), -states @ gain, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(batch.sensitivity(error, dq), np.broadcast_to(-gain, states.shape), rtol=1e-8)


def test_sensitivity_is_the_finite_difference(batch: BatchJointMPC) -> None:
    error, dq = random_states(2000, 3, seed=7)
    sensitivity = batch.sensitivity(error, dq)
    h = 1e-6
    for axis, (de, dv) in enumerate([(h, 0.0), (0.0, h)]):
        forward = (batch.first_input(error + de, dq + dv) - batch.first_input(error, dq)) / h
        backward = (batch.first_input(error, dq) - batch.first_input(error - de, dq - dv)) / h
        # Where one-sided differences disagree, a border of two pieces lies between.
        smooth = np.abs(forward - backward) < 1e-3
        assert smooth.mean() > 0.99
        np.testing.assert_allclose(sensitivity[..., axis][smooth], forward[smooth], atol=2e-3)


def test_newton_alone_solves_nearly_all_states(batch: BatchJointMPC) -> None:
    error, dq = random_states(20_000, 1, seed=8)
    before = batch.solved_by_daqp
    batch.plan(error, dq)
    assert batch.solved_by_daqp - before < 0.03 * len(error)


@pytest.mark.parametrize("warm_start", [False, True])
def test_ipopt_reaches_the_reference_wherever_it_is(warm_start: bool) -> None:
    ipopt = IpoptJointMPC(DEFAULT, 2, warm_start, tolerance=1e-10)
    error, dq, reference = np.array([0.6, -0.02]), np.array([1.0, 0.1]), np.array([2.0, -1.0])
    plan = ipopt.solve(np.r_[reference + error, dq], np.r_[reference, 0.0, 0.0])
    np.testing.assert_allclose(plan, ipopt.plan(error, dq), atol=1e-5)


def test_warm_started_ipopt_is_exact_along_a_trajectory(exact: ExactJointMPC) -> None:
    ipopt = IpoptJointMPC(DEFAULT, 2, warm_start=True)
    q, dq = np.array([1.5, -0.3]), np.zeros(2)
    for _ in range(40):
        u = exact.first_input(q, dq)
        np.testing.assert_allclose(ipopt.first_input(q, dq), u, atol=1e-5)
        q, dq = q + 0.05 * dq, dq + 0.05 * u


def test_ipopt_says_why_it_failed_and_recovers() -> None:
    ipopt = IpoptJointMPC(DEFAULT, 2, warm_start=True, max_iterations=12)
    with pytest.raises(SolverError, match=r"^IPOPT failed: Maximum_Iterations_Exceeded$"):
        ipopt.plan(np.array([2.0, 1.0]), np.zeros(2))
    np.testing.assert_allclose(ipopt.plan(np.zeros(2), np.zeros(2)), 0.0, atol=1e-6)


def test_ipopt_refuses_another_number_of_joints() -> None:
    with pytest.raises(SolverError, match="2 joints"):
        IpoptJointMPC(DEFAULT, 2).plan(np.zeros(3), np.zeros(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_solvers_refuse_states_that_are_none(batch: BatchJointMPC, exact: ExactJointMPC, bad: float) -> None:
    state = np.array([0.1, bad])
    for solver in (batch, exact, IpoptJointMPC(DEFAULT, 2)):
        with pytest.raises(SolverError, match="finite"):
            solver.first_input(state, np.zeros(2))
        with pytest.raises(SolverError, match="finite"):
            solver.first_input(np.zeros(2), state)


class FailingModel:
    """A DAQP that reports a cycle."""

    def update(self, **_: np.ndarray) -> None:
        pass

    def solve(self) -> tuple[np.ndarray, float, int, dict[str, np.ndarray]]:
        return np.zeros(20), 0.0, -2, {"lam": np.zeros(20)}


def test_a_failure_of_daqp_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = ExactJointMPC(DEFAULT)
    monkeypatch.setattr(exact, "_model", FailingModel())
    with pytest.raises(SolverError, match="exit flag -2"):
        exact.plan(np.ones(3), np.ones(3))


def test_a_wrong_plan_does_not_pass_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = BatchJointMPC(DEFAULT)
    evaluate = batch._evaluate
    monkeypatch.setattr(batch, "_evaluate", lambda pieces, states: evaluate(pieces, states) + 1e-6)
    with pytest.raises(SolverError, match="not optimal"):
        batch.plan(np.full((4, 3), 0.01), np.zeros((4, 3)))
