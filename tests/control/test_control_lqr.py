import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampc.control.feedback import Reference
from ampc.control.lqr import SaturatedLQR
from ampc.errors import SettingsError, SolverError
from ampc.solvers import BatchJointMPC, DoubleIntegratorProblem, JointMPCSettings

decades = st.floats(-2, 2).map(lambda exponent: 10.0**exponent)


@given(position=decades, velocity=decades, command=decades, step=st.floats(0.01, 0.2))
def test_gain_solves_the_riccati_equation_and_stabilises(
    position: float, velocity: float, command: float, step: float
) -> None:
    settings = JointMPCSettings(
        step=step, position_weight=position, velocity_weight=velocity, command_weight=command
    )
    lqr = SaturatedLQR(settings, 1)
    problem = DoubleIntegratorProblem(settings)
    A, B, P, K = problem.transition, problem.input_map, lqr.cost_to_go, lqr.gain
    riccati = np.diag([position, velocity]) + A.T @ P @ (A - np.outer(B, K))
    np.testing.assert_allclose(P, riccati, rtol=1e-7, atol=1e-9 * np.abs(P).max())
    assert np.abs(np.linalg.eigvals(A - np.outer(B, K))).max() < 1.0


def test_it_is_the_expert_where_no_limit_is_near() -> None:
    settings = JointMPCSettings(horizon=200)
    lqr = SaturatedLQR(settings, 2)
    lqr.reset(Reference(np.zeros(3), np.array([1.0, -1.0])))
    q, dq = np.array([1.01, -1.02]), np.array([0.05, 0.1])
    problem = DoubleIntegratorProblem(settings)
    states = np.stack([q - [1.0, -1.0], dq])
    unlimited = -np.linalg.solve(problem.hessian, problem.linear @ states)[0]
    np.testing.assert_allclose(lqr.command(q, dq), unlimited, atol=1e-6)


def test_it_differs_from_the_expert_where_the_limit_is_reached() -> None:
    settings = JointMPCSettings()
    lqr = SaturatedLQR(settings, 1)
    lqr.reset(Reference(np.zeros(3), np.zeros(1)))
    error, dq = np.array([1.0]), np.array([-4.0])
    assert lqr.command(error, dq)[0] == -10.0
    assert BatchJointMPC(settings).first_input(error, dq)[0] > -9.0


def test_it_is_cut_to_the_limit() -> None:
    lqr = SaturatedLQR(JointMPCSettings(command_limit=3.0), 2)
    lqr.reset(Reference(np.zeros(3), np.zeros(2)))
    np.testing.assert_array_equal(lqr.command(np.array([5.0, -5.0]), np.zeros(2)), [-3.0, 3.0])
    assert not lqr.saturated


@pytest.mark.parametrize("velocity_weight", [0.0, 0.1])
def test_weights_without_a_stabilising_gain_are_refused(velocity_weight: float) -> None:
    with pytest.raises(SettingsError, match="position_weight"):
        SaturatedLQR(JointMPCSettings(position_weight=0.0, velocity_weight=velocity_weight), 1)


def test_failures_are_raised() -> None:
    lqr = SaturatedLQR(JointMPCSettings(), 2)
    with pytest.raises(SolverError):
        lqr.command(np.zeros(2), np.zeros(2))
    with pytest.raises(SolverError, match="joint reference"):
        lqr.reset(Reference(np.zeros(3), None))
    lqr.reset(Reference(np.zeros(3), np.zeros(2)))
    with pytest.raises(SolverError, match="finite"):
        lqr.command(np.array([0.0, np.nan]), np.zeros(2))
