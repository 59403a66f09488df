import numpy as np
import pytest

from ampc.control.feedback import FeedbackLaw, Reference
from ampc.control.joint_mpc import JointMPC
from ampc.errors import SolverError
from ampc.solvers import BatchJointMPC, JointMPCSettings

SETTINGS = JointMPCSettings()


def reference(q: list[float]) -> Reference:
    return Reference(goal=np.zeros(3), q=np.array(q))


@pytest.fixture(params=["exact", "ipopt"])
def law(request: pytest.FixtureRequest) -> FeedbackLaw:
    return JointMPC(SETTINGS, 4, solver=request.param)


def test_command_is_the_first_input_of_the_expert(law: FeedbackLaw) -> None:
    law.reset(reference([0.5, -0.5, 1.0, 0.0]))
    q, dq = np.array([0.6, 1.0, 1.01, -0.2]), np.array([0.0, -1.0, 0.3, 2.0])
    expected = BatchJointMPC(SETTINGS).first_input(q - [0.5, -0.5, 1.0, 0.0], dq)
    np.testing.assert_allclose(law.command(q, dq), expected, atol=1e-5)


def test_it_reaches_the_reference_and_stays(law: FeedbackLaw) -> None:
    goal = np.array([1.0, -2.0, 0.3, 0.0])
    law.reset(reference(list(goal)))
    q, dq = np.zeros(4), np.zeros(4)
    for _ in range(60):
        u = law.command(q, dq)
        assert (np.abs(u) <= law.command_limit).all()
        q, dq = q + 0.05 * dq, dq + 0.05 * u
    np.testing.assert_allclose(q, goal, atol=1e-6)
    np.testing.assert_allclose(dq, 0.0, atol=1e-5)
    assert not law.saturated


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e300])
def test_a_state_that_is_none_raises(law: FeedbackLaw, bad: float) -> None:
    law.reset(reference([0.0] * 4))
    with pytest.raises(SolverError):
        law.command(np.array([0.0, bad, 0.0, 0.0]), np.zeros(4))
    with pytest.raises(SolverError):
        law.command(np.zeros(4), np.array([0.0, 0.0, 0.0, bad]))
    assert np.isfinite(law.command(np.ones(4), np.zeros(4))).all()


def test_it_needs_a_joint_reference(law: FeedbackLaw) -> None:
    with pytest.raises(SolverError):
        law.command(np.zeros(4), np.zeros(4))
    with pytest.raises(SolverError, match="joint reference"):
        law.reset(Reference(goal=np.zeros(3), q=None))


def test_a_command_does_not_depend_on_the_one_before(law: FeedbackLaw) -> None:
    law.reset(reference([0.0] * 4))
    q, dq = np.array([0.4, -0.7, 0.01, 2.0]), np.array([0.2, 0.0, -0.1, 1.0])
    first = law.command(q, dq)
    law.command(q + 0.3, dq)
    np.testing.assert_array_equal(law.command(q, dq), first)
