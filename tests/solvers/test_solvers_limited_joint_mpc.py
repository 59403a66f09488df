"""MPC with limits: the hard problem's optimum where there is one, and always a plan."""

import math

import daqp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ampc.control.feedback import Reference
from ampc.control.limited_mpc import LimitedMPC
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import ControllerSettings, EpisodeSetup
from ampc.errors import SettingsError, SolverError
from ampc.robots import Robot
from ampc.solvers import ExactJointMPC, JointMPCSettings
from ampc.solvers.limited_joint_mpc import LimitedJointMPC, LimitSettings
from ampc.tasks import TaskSampler

MPC = JointMPCSettings()
PENALTY = LimitSettings().penalty
SOLVER = LimitedJointMPC(MPC, PENALTY)
STEP, LIMIT, N = MPC.step, MPC.command_limit, MPC.horizon


def roll_out(state: np.ndarray, commands: np.ndarray) -> np.ndarray:
    """States of a double integrator under commands that are held (N, 2)."""
    states = []
    for command in commands:
        error, dq = state
        state = np.array([error + STEP * dq + STEP**2 / 2 * command, dq + STEP * command])
        states.append(state)
    return np.array(states)


def hard_optimum(state: np.ndarray, bounds: np.ndarray, speed: float) -> np.ndarray | None:
    """Optimum of the problem with hard rows, None where it has no solution; rows from roll-outs."""
    still = roll_out(state, np.zeros(N))
    moved = np.array([roll_out(np.zeros(2), unit) for unit in np.eye(N)])
    rows = np.concatenate([moved[:, :, 0].T, moved[:, :, 1].T])
    upper = np.concatenate([np.full(N, LIMIT), bounds[1] - still[:, 0], speed - still[:, 1]])
    lower = np.concatenate([np.full(N, -LIMIT), bounds[0] - still[:, 0], -speed - still[:, 1]])
    problem = SOLVER.problem
    commands, _, flag, _ = daqp.solve(
        problem.hessian, problem.linear @ state, rows, upper, lower, np.zeros(3 * N, dtype=np.int32)
    )
    return commands if flag == 1 else None


@settings(deadline=None, max_examples=60)
@given(
    error=st.floats(-3, 3),
    dq=st.floats(-4, 4),
    below=st.floats(0, 3.2),
    above=st.floats(0, 3.2),
    speed=st.sampled_from([1.0, 2.0, 4.0, 8.0]),
)
def test_where_limits_can_be_kept_it_is_the_optimum_that_keeps_them(error, dq, below, above, speed) -> None:
    state, bounds = np.array([error, dq]), np.array([-below, above])
    plan = SOLVER.solve(state, bounds, speed)
    assert np.abs(plan).max() <= LIMIT
    optimum = hard_optimum(state, bounds, speed)
    if optimum is not None:
        np.testing.assert_allclose(plan, optimum, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(error=st.floats(-3, 3), dq=st.floats(-6, 6))
def test_without_limits_it_is_the_expert(error, dq) -> None:
    free = SOLVER.first_input(
        np.array([error]), np.array([dq]), np.array([[-np.inf, np.inf]]), np.array([np.inf])
    )
    np.testing.assert_array_equal(free, ExactJointMPC(MPC).first_input(np.array([error]), np.array([dq])))


@settings(deadline=None, max_examples=15)
@example(error=-2.0, dq=-9.0)
@example(error=2.5, dq=9.0)
@given(error=st.floats(-2.5, 2.5), dq=st.floats(-9, 9))
def test_from_beyond_its_limits_a_joint_returns(error, dq) -> None:
    """It brakes as hard as it can, then comes back no faster than its speed limit, and stays.

    From error -2 and speed -9 braking takes it to -6; the way back takes 2.5 s at the speed limit of 2.
    """
    bounds, speed, state = np.array([-1.0, 0.5]), 2.0, np.array([error, dq])
    braking = math.ceil(max(abs(dq) - speed, 0.0) / (STEP * LIMIT))
    farthest = max(abs(error), abs(error + math.copysign(dq**2 / (2 * LIMIT), dq)))
    back = braking + math.ceil((2 * speed / LIMIT + farthest / speed) / STEP)
    excess = []
    for step in range(back + 40):
        command = SOLVER.solve(state, bounds, speed)[0]
        if step < braking - 1:
            assert command == pytest.approx(-LIMIT * np.sign(dq), abs=1e-6)
        state = roll_out(state, np.array([command]))[0]
        excess.append([max(state[0] - bounds[1], bounds[0] - state[0]), abs(state[1]) - speed])
    assert (np.array(excess[braking:])[:, 1] < 1e-6).all()
    assert np.max(excess[back:]) < 1e-6
    assert abs(state[0]) < 1e-2


def test_a_reference_at_the_limit_is_reached(rigid_arm: Robot) -> None:
    law = LimitedMPC(MPC, LimitSettings(position_margin=0.05), rigid_arm)
    at_limit = rigid_arm.position_limits[:, 1].copy()
    law.reset(Reference(np.zeros(3), at_limit))
    np.testing.assert_allclose(law.command(at_limit, np.zeros(3)), 0.0, atol=1e-9)
    with pytest.raises(SolverError):
        law.command(np.full(3, np.nan), np.zeros(3))


def test_speed_and_position_limits_hold_on_the_arm(rigid_arm: Robot) -> None:
    """Up to what the double integrator does not predict of the arm."""
    slow = ControllerSettings(kind="mpc-limits", limits=LimitSettings(speed_factor=0.4))
    plant, controller = EpisodeSetup(controller=slow).build()
    for task in TaskSampler(rigid_arm).sample(3, "joint-limit", 1300):
        episode = run_episode(plant, controller, task, 3.0)
        assert (np.abs(episode.dq) < 0.4 * rigid_arm.velocity_limits + 0.06).all()
        assert (episode.q > rigid_arm.position_limits[:, 0] - 1e-4).all()
        assert (episode.q < rigid_arm.position_limits[:, 1] + 1e-4).all()
        assert episode.error[-1] < 1e-3
        assert not episode.fallbacks


def test_settings_without_meaning_are_refused() -> None:
    with pytest.raises(SettingsError, match="speed_factor"):
        LimitSettings(speed_factor=0.0)
    with pytest.raises(SettingsError, match="position_margin"):
        LimitSettings(position_margin=-0.1)
