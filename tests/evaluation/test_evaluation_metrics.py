"""Metrics on trajectories made by hand, where the right figure is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ampc.episodes.episode import Episode
from ampc.errors import SettingsError
from ampc.evaluation.metrics import (
    MetricSettings,
    error_samples,
    measure,
    roughness,
    sample_times,
    settling_time,
    tail_start,
    total_variation,
)
from ampc.robots import Robot
from ampc.tasks.task import Task

PERIOD = 0.05
SETTINGS = MetricSettings()

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def episode_of(robot: Robot, error: np.ndarray, **changes: object) -> Episode:
    """An episode whose T + 1 errors are given; everything else is quiet."""
    n_steps, n = len(error) - 1, robot.n_joints
    goal = np.array([0.3, -0.1, 0.4])
    position = goal + error[:, None] * np.array([0.0, 0.6, 0.8])
    still = np.zeros((n_steps, n))
    fields: dict = {
        "task": Task(0, "interior", np.zeros(n), goal, np.zeros(n), seed=0),
        "controller": "made by hand",
        "control_period": PERIOD,
        "time": PERIOD * np.arange(n_steps),
        "q": np.tile(robot.position_limits.clip(-1, 1).mean(axis=1), (n_steps, 1)),
        "dq": still,
        "end_effector": position[:-1],
        "measured_q": still,
        "measured_dq": still,
        "reference": np.zeros(n),
        "command": still,
        "corrective_torque": still,
        "compensation_torque": still,
        "applied_torque": still,
        "torque_saturated": np.zeros(n_steps, dtype=bool),
        "command_saturated": np.zeros(n_steps, dtype=bool),
        "step_time": np.full(n_steps, 1e-5),
        "fallbacks": (),
        "final_q": robot.position_limits.clip(-1, 1).mean(axis=1),
        "final_dq": np.zeros(n),
        "final_end_effector": position[-1],
        "settled_at": None,
    }
    return Episode(**(fields | changes))


def test_success_needs_every_sample_of_the_window(rigid_arm):
    # 3 s at 20 Hz: samples 0 ... 60; the window of 0.3 s is samples 54 ... 60.
    error = np.full(61, 0.5)
    error[54:] = 0.009
    assert measure(episode_of(rigid_arm, error), rigid_arm, SETTINGS).success
    for late in range(54, 61):
        broken = error.copy()
        broken[late] = 0.0101
        assert not measure(episode_of(rigid_arm, broken), rigid_arm, SETTINGS).success


def test_touching_the_goal_and_leaving_it_fails(rigid_arm):
    error = np.full(61, 0.5)
    error[30:40] = 0.0
    metrics = measure(episode_of(rigid_arm, error), rigid_arm, SETTINGS)
    assert not metrics.success
    assert metrics.t95 == np.inf
    assert metrics.final_error == pytest.approx(0.5)


def test_figures_of_a_known_trajectory(rigid_arm):
    error = np.full(61, 0.004)
    error[:10] = 0.4
    error[57] = 0.008
    metrics = measure(episode_of(rigid_arm, error), rigid_arm, SETTINGS)
    assert metrics.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
    assert metrics.steady_error == pytest.approx(np.sqrt((6 * 0.004**2 + 0.008**2) / 7))
    assert metrics.steady_error_max == pytest.approx(0.008)
    assert metrics.final_error == pytest.approx(0.004)
    # Crosses 0.02 between samples 9 and 10, falling from 0.4 to 0.004.
    assert metrics.t95 == pytest.approx(PERIOD * (9 + 0.38 / 0.396))


def test_fallback_in_the_window_is_a_failure_even_at_the_goal(rigid_arm):
    error = np.full(61, 0.0)
    held = measure(episode_of(rigid_arm, error, fallbacks=((58, "unreachable"),)), rigid_arm, SETTINGS)
    recovered = measure(episode_of(rigid_arm, error, fallbacks=((3, "sensor gap"),)), rigid_arm, SETTINGS)
    assert not held.success
    assert recovered.success
    assert held.fallback_steps == recovered.fallback_steps == 1


def test_a_diverged_episode_fails_without_a_missing_figure(rigid_arm):
    error = np.full(61, 0.5)
    error[40:] = np.nan
    metrics = measure(episode_of(rigid_arm, error), rigid_arm, SETTINGS)
    assert not metrics.success
    assert metrics.rmse == metrics.steady_error == metrics.final_error == metrics.t95 == np.inf
    assert not any(np.isnan(value) for value in vars(metrics).values())


def test_start_at_the_goal_is_settled_from_the_start(rigid_arm):
    metrics = measure(episode_of(rigid_arm, np.full(61, 0.0005)), rigid_arm, SETTINGS)
    assert metrics.t95 == 0.0
    assert metrics.success


def test_limits_are_counted_by_sample_with_the_worst_excess(rigid_arm):
    quiet = episode_of(rigid_arm, np.zeros(61))
    q, dq = quiet.q.copy(), quiet.dq.copy()
    q[5, 0] = rigid_arm.position_limits[0, 1] + 0.2
    q[6, 1] = rigid_arm.position_limits[1, 0] - 0.1
    dq[7, :] = -rigid_arm.velocity_limits - 0.5
    final_dq = rigid_arm.velocity_limits + 0.25
    loud = episode_of(rigid_arm, np.zeros(61), q=q, dq=dq, final_dq=final_dq)
    metrics = measure(loud, rigid_arm, SETTINGS)
    expected_position = int(np.isfinite(q).all(axis=1)[5:7].sum())
    assert metrics.position_violations == expected_position
    assert metrics.position_excess == pytest.approx(0.2 if np.isfinite(q[5, 0]) else 0.0)
    assert metrics.velocity_violations == 2
    assert metrics.velocity_excess == pytest.approx(0.5)
    clean = measure(quiet, rigid_arm, SETTINGS)
    assert (clean.position_violations, clean.velocity_violations) == (0, 0)
    assert (clean.position_excess, clean.velocity_excess) == (0.0, 0.0)


def test_saturation_and_torque_figures(rigid_arm):
    saturated = np.zeros(60, dtype=bool)
    saturated[:15] = True
    torque = np.zeros((60, rigid_arm.n_actuated))
    torque[10:20, 0] = 4.0
    episode = episode_of(rigid_arm, np.zeros(61), torque_saturated=saturated, applied_torque=torque)
    metrics = measure(episode, rigid_arm, SETTINGS)
    assert metrics.torque_saturation == 0.25
    assert metrics.command_saturation == 0.0
    assert metrics.torque_variation == pytest.approx(8.0)
    half_range = np.ptp(rigid_arm.torque_limits[0]) / 2
    expected = np.sqrt(2 * (4.0 / half_range) ** 2 / (59 * rigid_arm.n_actuated))
    assert metrics.torque_roughness == pytest.approx(expected)


def test_samples_include_the_state_after_the_last_step(rigid_arm):
    episode = episode_of(rigid_arm, np.linspace(1.0, 0.0, 61))
    assert len(sample_times(episode)) == len(error_samples(episode)) == 61
    assert sample_times(episode)[-1] == pytest.approx(3.0)
    assert error_samples(episode)[-1] == pytest.approx(0.0)


def test_window_longer_than_the_episode_is_refused():
    with pytest.raises(SettingsError, match=r"0\.2 s is shorter than the success window of 0\.3 s"):
        tail_start(PERIOD * np.arange(5), 0.3)
    assert tail_start(PERIOD * np.arange(7), 0.3) == 0
    assert tail_start(PERIOD * np.arange(61), 0.3) == 54


@pytest.mark.parametrize("field", ["success_tolerance", "success_window", "settle_floor", "settle_fraction"])
def test_senseless_settings_are_refused(field):
    with pytest.raises(SettingsError, match=field):
        MetricSettings(**{field: 0.0})


errors = arrays(np.float64, st.integers(2, 80), elements=st.floats(1e-6, 10.0))


@given(errors, st.floats(0.01, 0.9), st.floats(0.01, 100.0))
def test_settling_time_does_not_depend_on_the_unit_of_length(error, fraction, scale):
    time = PERIOD * np.arange(len(error))
    # A threshold between two samples, so that rounding cannot move a sample across it.
    ordered = np.unique(np.append(error, [1e-7, 20.0]))
    k = int(fraction * (len(ordered) - 1))
    threshold = float(0.5 * (ordered[k] + ordered[k + 1]))
    original = settling_time(time, error, threshold)
    scaled = settling_time(time, scale * error, scale * threshold)
    assert scaled == pytest.approx(original)


@given(errors, st.floats(1e-6, 10.0))
def test_settling_time_is_the_last_entry_into_the_band(error, threshold):
    time = PERIOD * np.arange(len(error))
    settled = settling_time(time, error, threshold)
    assert np.all(error[time > settled + 1e-9] <= threshold)
    if 0.0 < settled < np.inf:
        assert error[time < settled - 1e-12][-1] > threshold
    looser = settling_time(time, error, 2.0 * threshold)
    assert looser <= settled


@given(
    arrays(np.float64, (12, 3), elements=st.floats(-50, 50)),
    st.floats(0.1, 10.0),
    arrays(np.float64, 3, elements=st.floats(-20, 20)),
)
def test_smoothness_ignores_offsets_and_scales_with_torque(torque, scale, offset):
    half_range = np.array([50.0, 40.0, 10.0])
    variation, rough = total_variation(torque), roughness(torque, half_range)
    assert total_variation(scale * torque + offset) == pytest.approx(scale * variation, rel=1e-6, abs=1e-9)
    assert roughness(scale * torque, scale * half_range) == pytest.approx(rough, rel=1e-6, abs=1e-9)
    assert total_variation(torque[::-1]) == pytest.approx(variation)
