"""A learner drives, an expert in its shadow gives the labels: what is applied, what is learned from."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from ampc.control.controller import StepRecord
from ampc.control.feedback import Reference
from ampc.episodes.collection import CollectionSettings, Learner, collect
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import EpisodeSetup
from ampc.episodes.shadow import OmniscientController, ShadowedController, ShadowSettings
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.policies import InputSettings, NetworkSettings, PolicySpec
from ampc.policies.law import TorchPolicy
from ampc.policies.policy import Policy
from ampc.tasks import PlantVariation, TaskSampler, TaskSettings, VariationSettings

SETUP = EpisodeSetup()
SHORT = CollectionSettings(episodes=4, workers=1, max_duration=0.4, first_task=3)


class Scripted:
    """A controller that commands a constant and writes down what it is told."""

    control_period = 0.05

    def __init__(self, name: str, value: float, status: str = "ok") -> None:
        self.name = name
        self.value = np.full(3, value)
        self.status = status
        self.asked = 0
        self.told: list[tuple[float, float]] = []
        self.last_step = StepRecord(np.zeros(3), np.zeros(3), np.zeros(3))

    def reset(self, task: object) -> None:
        self.told = []

    def act(self, measurement: Measurement) -> np.ndarray:
        self.asked += 1
        self.last_step = StepRecord(self.value, self.value, 0 * self.value, self.status, self.status)
        return 10.0 * self.value

    def observe_applied(self, torque: np.ndarray, command: np.ndarray) -> None:
        self.told.append((torque[0], command[0]))


@pytest.fixture(scope="module")
def tasks(rigid_arm):
    noise = VariationSettings(position_noise=(0.01, 0.01), velocity_noise=(0.1, 0.1))
    return TaskSampler(rigid_arm, TaskSettings(variation=noise)).sample(40, "interior", seed=7)


@pytest.fixture(scope="module")
def policy(tmp_path_factory, rigid_arm):
    folder = tmp_path_factory.mktemp("policy")
    spec = PolicySpec.for_robot(
        rigid_arm,
        0.05,
        (10.0,) * 3,
        inputs=InputSettings(history=3, past_commands=True),
        network=NetworkSettings("ffn", hidden_size=8, layers=1),
    )
    torch.manual_seed(0)
    Policy(spec).save(folder)
    return folder


def drive(task, beta: float, mixing: str) -> tuple[list[float], Scripted, Scripted]:
    """Commands of eight steps, and the two controllers."""
    expert, learner = Scripted("expert", 1.0), Scripted("learner", -1.0)
    mixed = ShadowedController(expert, learner, ShadowSettings(beta, mixing))  # type: ignore[arg-type]
    mixed.reset(task)
    commands = []
    for _ in range(8):
        torque = mixed.act(Measurement(0.0, np.zeros(3), np.zeros(3)))
        commands.append(float(mixed.last_step.command[0]))
        assert torque[0] == 10.0 * commands[-1]
        assert mixed.last_step.label is not None
        assert mixed.last_step.label[0] == 1.0
    return commands, expert, learner


@pytest.mark.parametrize("mixing", ["episode", "step"])
def test_beta_is_the_share_of_the_experts_driving(tasks, mixing):
    driven = [drive(task, 0.3, mixing)[0] for task in tasks]
    assert np.mean(np.array(driven) > 0) == pytest.approx(0.3, abs=0.2)
    whole = [len(set(commands)) == 1 for commands in driven]
    assert all(whole) if mixing == "episode" else not all(whole)
    assert driven == [drive(task, 0.3, mixing)[0] for task in tasks]
    assert set(drive(tasks[0], 0.0, mixing)[0]) == {-1.0}
    assert set(drive(tasks[0], 1.0, mixing)[0]) == {1.0}


def test_who_did_not_drive_is_told_what_was_sent(tasks):
    commands, expert, learner = drive(tasks[0], 0.5, "step")
    assert expert.told == [(-10.0, -1.0)] * commands.count(-1.0)
    assert learner.told == [(10.0, 1.0)] * commands.count(1.0)
    assert expert.asked == learner.asked == 8


def test_a_fallback_of_the_expert_is_one_of_the_step(tasks):
    expert, learner = Scripted("expert", 1.0, "fallback"), Scripted("learner", -1.0)
    mixed = ShadowedController(expert, learner, ShadowSettings())
    mixed.reset(tasks[0])
    mixed.act(Measurement(0.0, np.zeros(3), np.zeros(3)))
    assert (mixed.last_step.status, mixed.last_step.reason) == ("fallback", "ok; expert: fallback")


def test_controllers_of_different_rates_are_refused():
    slow = Scripted("slow", 1.0)
    slow.control_period = 0.1
    with pytest.raises(SettingsError, match="same control period"):
        ShadowedController(Scripted("expert", 1.0), slow, ShadowSettings())


def test_labels_are_the_experts_and_past_commands_are_the_applied_ones(tasks, policy):
    """Replayed from the record alone, expert and learner say again what the record has."""
    plant, expert = SETUP.build()
    law = TorchPolicy(Policy.load(policy))
    mixed = ShadowedController(expert, SETUP.build_learner(law), ShadowSettings(0.5, "step"))
    episode = run_episode(plant, mixed, tasks[1], 1.0)
    assert episode.label is not None

    _, again = SETUP.build()
    again.reset(tasks[1])
    law.reset(Reference(tasks[1].goal, episode.reference))
    driven_by_expert = (episode.command == episode.label).all(axis=1)
    assert 0 < driven_by_expert.sum() < len(episode)
    for k in range(len(episode)):
        q, dq = episode.measured_q[k], episode.measured_dq[k]
        again.act(Measurement(episode.time[k], q, dq))
        np.testing.assert_array_equal(again.last_step.command, episode.label[k])
        own = law.command(q, dq)
        if not driven_by_expert[k]:
            np.testing.assert_allclose(own, episode.command[k], atol=1e-6)
        law.observe_command(episode.command[k])


def test_an_omniscient_expert_labels_the_true_state(tasks):
    plant, expert = SETUP.build()
    episode = run_episode(plant, OmniscientController(plant, plant.robot, expert), tasks[2], 1.0)
    assert np.abs(episode.measured_q - episode.q).max() > 0.005
    _, again = SETUP.build()
    again.reset(tasks[2])
    for k in range(len(episode)):
        again.act(Measurement(episode.time[k], episode.q[k], episode.dq[k]))
        np.testing.assert_array_equal(again.last_step.command, episode.command[k])


def test_a_learners_dataset_has_labels_and_applied_commands_apart(tmp_path, policy):
    learner = Learner(policy, ShadowSettings())
    console = Console(file=io.StringIO())
    dataset = collect(SETUP, TaskSettings(), SHORT, tmp_path / "own", console, learner)
    difference = dataset.frames["action"] - dataset.frames["action.applied"]
    assert np.abs(difference).max() > 1.0
    assert dataset.episodes["task"] == [3, 4, 5, 6]
    by_expert = collect(SETUP, TaskSettings(), SHORT, tmp_path / "experts", console)
    np.testing.assert_array_equal(by_expert.frames["action"], by_expert.frames["action.applied"])
    parallel = collect(SETUP, TaskSettings(), replace(SHORT, workers=2), tmp_path / "two", console, learner)
    for name, column in dataset.frames.items():
        np.testing.assert_array_equal(parallel.frames[name], column)


def test_a_bound_on_labels_holds_and_is_used(tmp_path):
    settings = CollectionSettings(episodes=1000, workers=1, max_labels=300, shard_episodes=4)
    whole = collect(SETUP, TaskSettings(), settings, tmp_path / "whole", Console(file=io.StringIO()))
    assert 240 < len(whole) <= 300
    pieces = tmp_path / "pieces"
    for bound in (70, 150, 300):
        found = collect(
            SETUP, TaskSettings(), replace(settings, max_labels=bound), pieces, Console(file=io.StringIO())
        )
    assert found.n_episodes >= whole.n_episodes
    rows = min(len(found), len(whole))
    np.testing.assert_array_equal(found.frames["action"][:rows], whole.frames["action"][:rows])


@pytest.mark.parametrize("beta", [-0.1, 1.1, float("nan")])
def test_beta_is_a_probability(beta):
    with pytest.raises(SettingsError, match="probability"):
        ShadowSettings(beta)


def test_the_variation_of_a_task_does_not_decide_who_drives(tasks):
    other = replace(tasks[0], variation=PlantVariation(payload=1.0))
    assert drive(tasks[0], 0.5, "step")[0] == drive(other, 0.5, "step")[0]
