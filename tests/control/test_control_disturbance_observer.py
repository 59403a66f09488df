"""MPC with a disturbance observer: exact where the disturbance is constant, quiet where sensors are not."""

from dataclasses import replace

import numpy as np
import pytest

from ampc.control.disturbance_observer import (
    NOISY_SENSORS,
    DisturbanceObserver,
    ObserverMPC,
    ObserverSettings,
)
from ampc.control.feedback import Coasts, ObservesCommand, Reference
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import ControllerSettings, EpisodeSetup
from ampc.errors import SettingsError, SolverError
from ampc.plants import Measurement
from ampc.robots import Robot
from ampc.solvers import JointMPCSettings
from ampc.tasks import VARIATIONS, TaskSampler, TaskSettings
from ampc.tasks.task import PlantVariation

PERIOD = 0.05


def make(settings: ObserverSettings | None = None) -> ObserverMPC:
    return ObserverMPC(JointMPCSettings(), settings or ObserverSettings(), 2, PERIOD)


def advance(q: np.ndarray, dq: np.ndarray, acceleration: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return q + PERIOD * dq + PERIOD**2 / 2 * acceleration, dq + PERIOD * acceleration


def test_with_exact_sensors_one_step_gives_the_disturbance() -> None:
    observer = DisturbanceObserver(ObserverSettings(position_noise=1e-9, velocity_noise=1e-9), PERIOD)
    q, dq = np.array([0.3, -0.2]), np.array([1.0, 0.5])
    command, disturbance = np.array([2.0, -4.0]), np.array([5.0, -7.0])
    observer.reset(q, dq)
    observer.predict(command)
    observer.correct(*advance(q, dq, command + disturbance))
    np.testing.assert_allclose(observer.state[2], disturbance, rtol=1e-5)


@pytest.mark.parametrize("noise", [1e-6, 1e-3, 0.3])
def test_a_constant_disturbance_leaves_no_offset(noise: float) -> None:
    law = make(ObserverSettings(position_noise=noise, velocity_noise=10 * noise, disturbance_change=2.0))
    goal, disturbance = np.array([0.8, -0.4]), np.array([3.0, -20.0])
    law.reset(Reference(np.zeros(3), goal))
    q, dq = np.zeros(2), np.zeros(2)
    for _ in range(400):
        q, dq = advance(q, dq, law.command(q, dq) + disturbance)
    np.testing.assert_allclose(q, goal, atol=1e-4)


def test_noisier_sensors_weigh_less() -> None:
    gains = [
        np.abs(DisturbanceObserver(ObserverSettings(noise, 10 * noise), PERIOD).gain).max()
        for noise in (1e-4, 1e-2, 1.0)
    ]
    assert gains[0] > gains[1] > gains[2] > 0.0


def test_its_filter_averages_over_the_same_time_at_any_rate() -> None:
    """Told of ten times the samples, each of ten times the variance, it is as slow as before."""
    slow = DisturbanceObserver(ObserverSettings(1e-2, 0.1, 3.0), 0.02)
    fast = DisturbanceObserver(ObserverSettings(1e-2 * 10**0.5, 0.1 * 10**0.5, 3.0), 0.002)
    for observer, steps in ((slow, 10), (fast, 100)):
        observer.reset(np.zeros(1), np.zeros(1))
        q, dq, step = np.zeros(1), np.zeros(1), observer._period.transition[0, 1]
        for _ in range(steps):
            q, dq = q + step * dq + step**2 / 2 * 5.0, dq + step * 5.0
            observer.predict(np.zeros(1))
            observer.correct(q, dq)
    np.testing.assert_allclose(fast.state[2], slow.state[2], rtol=0.05)
    assert 1.0 < slow.state[2, 0] < 4.99


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.12])
def test_a_delay_that_it_is_told_of_is_predicted(delay: float) -> None:
    """On double integrators with that delay, finely stepped."""
    law = make(ObserverSettings(position_noise=1e-6, velocity_noise=1e-6, input_delay=delay))
    disturbance, tick = np.array([2.0, -3.0]), 0.01
    law.reset(Reference(np.zeros(3), np.array([0.8, -0.4])))
    q, dq, sent = np.zeros(2), np.zeros(2), []
    for k in range(120):
        command = law.command(q, dq)
        if k > 60:
            np.testing.assert_allclose(law.observer.state[2], disturbance, atol=1e-3)
        sent.append(command)
        for i in range(5):
            now = 5 * k + i - round(delay / tick)
            acting = (sent[now // 5] if now >= 0 else np.zeros(2)) + disturbance
            q, dq = q + tick * dq + tick**2 / 2 * acting, dq + tick * acting
    np.testing.assert_allclose(q, [0.8, -0.4], atol=1e-3)


def test_it_is_told_what_was_sent_in_its_place() -> None:
    law = make(ObserverSettings(position_noise=1e-9, velocity_noise=1e-9))
    assert isinstance(law, ObservesCommand)
    law.reset(Reference(np.zeros(3), np.ones(2)))
    q, dq = np.zeros(2), np.zeros(2)
    law.command(q, dq)
    sent = np.array([-3.0, 4.0])
    law.observe_command(sent)
    law.command(*advance(q, dq, sent))
    np.testing.assert_allclose(law.observer.state[2], 0.0, atol=1e-6)


def test_a_missing_measurement_is_no_disturbance(rigid_arm: Robot) -> None:
    assert isinstance(make(), Coasts)
    plant, controller = EpisodeSetup(controller=ControllerSettings(kind="mpc-observer")).build()
    task = TaskSampler(rigid_arm).sample(1, "interior", 1200)[0]
    measurement = plant.reset(task)
    controller.reset(task)
    nan = np.full(3, np.nan)
    for k in range(60):
        missing = k in (5, 6, 7)
        torque = controller.act(Measurement(measurement.time, nan, nan) if missing else measurement)
        assert (controller.last_step.status == "fallback") == missing
        measurement = plant.step(torque)
    assert np.linalg.norm(plant.end_effector - task.goal) < 1e-4
    with pytest.raises(SolverError, match="not measured"):
        make().coast()


@pytest.mark.parametrize("condition", ["randomised", "damping"])
def test_it_reaches_the_goal_on_plants_it_does_not_know(rigid_arm: Robot, condition: str) -> None:
    sampler = TaskSampler(rigid_arm, TaskSettings(variation=VARIATIONS[condition]))
    plant, controller = EpisodeSetup(controller=ControllerSettings(kind="mpc-observer")).build()
    for task in sampler.sample(4, "interior", 1201):
        assert run_episode(plant, controller, task, 3.0).error[-1] < 1e-4


def test_told_of_the_noise_it_is_calmer_than_the_nominal_mpc(rigid_arm: Robot) -> None:
    noisy = PlantVariation(position_noise=2e-3, velocity_noise=0.2)
    task = replace(TaskSampler(rigid_arm).sample(1, "interior", 1202)[0], variation=noisy)
    steady = {}
    for controller in (
        ControllerSettings(),
        ControllerSettings(kind="mpc-observer", observer=NOISY_SENSORS),
    ):
        episode = run_episode(*EpisodeSetup(controller=controller).build(), task, 3.0)
        steady[controller.kind] = np.sqrt(np.mean(episode.error[30:] ** 2))
    assert steady["mpc-observer"] < 0.5 * steady["mpc"]


def test_settings_without_meaning_are_refused() -> None:
    with pytest.raises(SettingsError, match="velocity_noise"):
        ObserverSettings(velocity_noise=0.0)
