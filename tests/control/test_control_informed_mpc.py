"""The expert that knows the plant: exact on any plant, and in the terms of the nominal torque law."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.control.delay_prediction import DelayPrediction
from ampc.control.torque_laws import ComputedTorque, GravityCompensation
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import ControllerSettings, EpisodeSetup
from ampc.errors import SolverError
from ampc.plants import Measurement, MujocoPlant, PlantSettings, vary
from ampc.robots import Robot, RobotDynamics
from ampc.tasks import TaskSampler, TaskSettings, VariationSettings
from ampc.tasks.task import PlantVariation, Task

INFORMED = ControllerSettings(kind="mpc-informed")
RANDOMISED = VariationSettings(
    payload=(0.0, 2.0),
    mass_scale=(0.7, 1.3),
    inertia_scale=(0.7, 1.3),
    com_scale=(0.95, 1.05),
    damping_scale=(0.5, 2.0),
    input_delay=(0.0, 0.1),
)


@pytest.fixture(scope="module")
def varied_tasks(rigid_arm: Robot) -> list[Task]:
    return TaskSampler(rigid_arm, TaskSettings(variation=RANDOMISED)).sample(3, "interior", 1100)


@pytest.mark.parametrize("law", [ComputedTorque, GravityCompensation])
def test_a_torque_law_is_inverted(rigid_arm: Robot, law: type) -> None:
    dynamics = RobotDynamics(rigid_arm)
    law = law(dynamics, 0.05) if law is ComputedTorque else law(dynamics)
    for q, dq, command in np.random.default_rng(0).uniform(-1, 1, (30, 3, 3)) * [[[2], [5], [60]]]:
        torque = np.sum(law.split(command, q, dq), axis=0)
        np.testing.assert_allclose(law.command_for(torque, q, dq), command, atol=1e-6)


def test_a_torque_without_a_command_is_an_error(rigid_arm: Robot) -> None:
    law = ComputedTorque(RobotDynamics(rigid_arm), 0.05)
    with pytest.raises(SolverError):
        law.command_for(np.full(3, np.nan), np.zeros(3), np.zeros(3))


def test_on_the_nominal_plant_it_is_the_expert(rigid_arm: Robot) -> None:
    task = TaskSampler(rigid_arm).sample(1, "interior", 1100)[0]
    expert, informed = (
        run_episode(*EpisodeSetup(controller=ControllerSettings(kind=kind)).build(), task, 1.0)
        for kind in ("mpc", "mpc-informed")
    )
    np.testing.assert_allclose(informed.applied_torque, expert.applied_torque, atol=1e-7)
    np.testing.assert_allclose(informed.command, expert.command, atol=1e-6)


def test_it_settles_exactly_on_plants_that_it_is_told(varied_tasks: list[Task]) -> None:
    plant, controller = EpisodeSetup(controller=INFORMED).build()
    for task in varied_tasks:
        episode = run_episode(plant, controller, task, 3.0)
        assert episode.error[-1] < 1e-4
        assert not episode.fallbacks


def test_its_command_run_by_the_nominal_law_is_its_torque(rigid_arm: Robot, varied_tasks: list[Task]) -> None:
    plant, controller = EpisodeSetup(controller=INFORMED).build()
    episode = run_episode(plant, controller, varied_tasks[0], 0.5)
    nominal = ComputedTorque(RobotDynamics(rigid_arm), plant.control_period)
    for k in range(len(episode)):
        split = nominal.split(episode.command[k], episode.measured_q[k], episode.measured_dq[k])
        np.testing.assert_allclose(split.corrective, episode.corrective_torque[k], atol=1e-6)
        np.testing.assert_allclose(np.sum(split, axis=0), episode.applied_torque[k], atol=1e-6)


def test_true_lengths_are_used_where_asked_for(rigid_arm: Robot) -> None:
    longer = replace(
        TaskSampler(rigid_arm).sample(1, "interior", 1101)[0],
        variation=PlantVariation(length_scale=(1.0, 1.05, 0.95)),
    )
    error = {}
    for true_lengths in (False, True):
        told = replace(INFORMED, informed=replace(INFORMED.informed, true_lengths=true_lengths))
        error[true_lengths] = run_episode(*EpisodeSetup(controller=told).build(), longer, 3.0).error[-1]
    assert error[True] < 1e-5 < 5e-3 < error[False]


def test_in_the_shadow_it_counts_on_what_was_sent(rigid_arm: Robot) -> None:
    arm, state = rigid_arm, (rigid_arm.home, np.zeros(3))
    own, told = (DelayPrediction(arm, 0.07, 0.05, 1e-3) for _ in range(2))
    for torque in np.random.default_rng(0).uniform(-20, 20, (3, 3)):
        own.send(torque)
        told.send(-torque)
        told.resend(torque)
    np.testing.assert_array_equal(own.predict(*state), told.predict(*state))
    told.resend(np.zeros(3))
    assert np.abs(np.subtract(own.predict(*state), told.predict(*state))).max() > 1e-3


@settings(deadline=None, max_examples=10)
@given(delay=st.integers(0, 130), seed=st.integers(0, 100))
def test_the_state_at_arrival_is_predicted(rigid_arm: Robot, delay: int, seed: int) -> None:
    variation = PlantVariation(payload=1.0, input_delay=delay * 1e-3)
    task = Task(0, "interior", rigid_arm.home, np.zeros(3), rigid_arm.home, seed, variation)
    plant = MujocoPlant(rigid_arm, PlantSettings())
    ticking = MujocoPlant(rigid_arm, PlantSettings(control_period=1e-3))
    prediction = DelayPrediction(
        replace(rigid_arm, model=vary(rigid_arm, variation)), delay * 1e-3, 0.05, 1e-3
    )
    torques = np.random.default_rng(seed).uniform(-60, 60, (6, 3))
    ticking.reset(task)
    passed = [np.array([ticking.q, ticking.dq])]
    for tick in range(50 * len(torques)):
        ticking.step(torques[tick // 50])
        passed.append(np.array([ticking.q, ticking.dq]))
    measurement = plant.reset(task)
    for k, torque in enumerate(torques):
        if 50 * k + delay < len(passed):
            predicted = prediction.predict(measurement.q, measurement.dq)
            np.testing.assert_allclose(predicted, passed[50 * k + delay], atol=1e-8)
        prediction.send(torque)
        measurement = plant.step(torque)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_it_never_raises_and_never_sends_what_is_not_finite(rigid_arm: Robot, bad: float) -> None:
    _, controller = EpisodeSetup(controller=INFORMED).build()
    task = TaskSampler(rigid_arm).sample(1, "interior", 1103)[0]
    controller.reset(replace(task, variation=PlantVariation(payload=1.0, input_delay=0.06)))
    zero = np.zeros(3)
    for k, q in enumerate((zero + bad, zero, zero + bad, zero)):
        assert np.isfinite(controller.act(Measurement(0.05 * k, q, zero))).all()
        record = controller.last_step
        assert np.isfinite(record.command).all()
        assert (record.status == "fallback") == (q[0] != 0.0)
