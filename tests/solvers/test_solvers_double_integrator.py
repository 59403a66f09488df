import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampc.errors import SettingsError, SolverError
from ampc.settings import from_dict, to_dict
from ampc.solvers import DoubleIntegratorProblem, JointMPCSettings
from ampc.solvers.double_integrator import stack_states


def simulated_cost(settings: JointMPCSettings, state: np.ndarray, commands: np.ndarray) -> float:
    """The paper's cost, by stepping through the horizon."""
    q, dq = state
    cost = 0.0
    for u in commands:
        cost += settings.position_weight * q**2 + settings.velocity_weight * dq**2
        cost += settings.command_weight * u**2
        q, dq = q + settings.step * dq, dq + settings.step * u
    terminal = settings.terminal_weights
    return cost + terminal[0] * q**2 + terminal[1] * dq**2


@given(
    horizon=st.integers(1, 25),
    terminal=st.one_of(st.none(), st.floats(0.0, 500.0)),
    seed=st.integers(0, 2**32 - 1),
)
def test_condensed_cost_is_the_simulated_cost(horizon: int, terminal: float | None, seed: int) -> None:
    settings = JointMPCSettings(horizon=horizon, terminal_position_weight=terminal)
    problem = DoubleIntegratorProblem(settings)
    rng = np.random.default_rng(seed)
    state, commands = rng.normal(size=2), 10 * rng.normal(size=horizon)
    condensed = commands @ problem.hessian @ commands + 2 * (problem.linear @ state) @ commands
    difference = simulated_cost(settings, state, commands) - simulated_cost(settings, state, 0 * commands)
    assert condensed == pytest.approx(difference, rel=1e-9, abs=1e-9)


def test_kkt_residual_vanishes_only_at_the_optimum() -> None:
    problem = DoubleIntegratorProblem(JointMPCSettings(command_limit=1e9))
    state = np.array([1.0, -2.0])
    optimum = -np.linalg.solve(problem.hessian, problem.linear @ state)
    assert problem.kkt_residual(optimum, state) < 1e-9
    for k in range(problem.horizon):
        moved = optimum + 1e-3 * np.eye(problem.horizon)[k]
        assert problem.kkt_residual(moved, state) > 9e-4


def test_kkt_residual_sees_wrong_multipliers_and_overstepped_limits() -> None:
    problem = DoubleIntegratorProblem(JointMPCSettings(horizon=1))
    far = np.array([0.0, 100.0])
    assert problem.kkt_residual(np.array([-10.0]), far) == 0.0
    assert problem.kkt_residual(np.array([10.0]), far) > 1.0
    assert problem.kkt_residual(np.array([-11.0]), far) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("horizon", 0),
        ("step", 0.0),
        ("command_weight", 0.0),
        ("command_limit", -1.0),
        ("command_limit", np.inf),
        ("position_weight", -1.0),
        ("terminal_velocity_weight", np.nan),
    ],
)
def test_bad_settings_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(SettingsError, match=field):
        JointMPCSettings(**{field: value})


def test_settings_survive_a_file() -> None:
    settings = JointMPCSettings(horizon=7, terminal_position_weight=3.0)
    assert from_dict(JointMPCSettings, to_dict(settings)) == settings


def test_overflowing_problem_is_refused() -> None:
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(SettingsError, match="overflows"):
        DoubleIntegratorProblem(JointMPCSettings(step=1e160))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_absurd_states_are_refused(bad: float) -> None:
    with pytest.raises(SolverError, match="finite"):
        stack_states(np.array([0.0, bad]), np.zeros(2))
    with pytest.raises(SolverError, match="finite"):
        stack_states(np.zeros(2), np.array([bad, 0.0]))


def test_shapes_must_agree() -> None:
    with pytest.raises(SolverError, match="shape"):
        stack_states(np.zeros(2), np.zeros(3))
