"""The error of the acceleration as a part of the loss: it is what the arm does, and can be resumed."""

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from learning_data import linear_columns, linear_frames, small_spec
from rich.console import Console

import ampc.learning.training
from ampc.episodes.collection import CollectionSettings
from ampc.episodes.setup import EpisodeSetup
from ampc.errors import SettingsError
from ampc.learning.acceleration import AccelerationError, with_responses
from ampc.learning.behaviour_cloning import command_loss, make_policy, make_samples, train_on_frames
from ampc.learning.behaviour_cloning import train_policy as clone
from ampc.learning.dagger import Teaching, dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.learning.windows import Frames
from ampc.policies import InputSettings, NetworkSettings
from ampc.policies.policy import Policy
from ampc.policies.settings import flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.robots import RobotDynamics, load_robot

QUIET = Console(quiet=True)
WEIGHT, KNEE = 0.3, 0.05
SETTINGS = TrainingSettings(
    epochs=4, batch_size=64, sequence_batch_size=200, hold=0.0, knee=KNEE, acceleration=WEIGHT
)
ARCHITECTURES = ("ffn", "gru", "transformer")


@pytest.fixture(scope="module")
def arm():
    return load_robot("flexible-arm-1")


def flexible_frames(arm, episodes: int = 4, length: int = 6) -> Frames:
    """Random situations of an arm with flexible links; every other one has no label."""
    rng = np.random.default_rng(0)
    rows, n = episodes * length, arm.n_joints
    state = np.zeros((rows, 2 * n + 1 + 4 * len(arm.obstacles)))
    state[:, : 2 * n] = rng.uniform(-1.0, 1.0, (rows, 2 * n))
    columns = {
        "observation.state": state,
        "observation.reference": rng.uniform(-1.0, 1.0, (rows, n)),
        "observation.goal": rng.uniform(-1.0, 1.0, (rows, 3)),
        "action": rng.uniform(-5.0, 5.0, (rows, 3)),
        "action.is_label": (np.arange(rows) % 2 == 0)[:, None].astype(float),
    }
    return Frames.from_columns(columns, length * np.arange(episodes), np.full(episodes, length))


def flexible_spec(arm, architecture: Any) -> PolicySpec:
    inputs = flexible_inputs(history=1 if architecture == "ffn" else 3)
    network = NetworkSettings(architecture, 16, 1)
    return PolicySpec.for_robot(arm, 0.004, (20.0, 10.0, 10.0), "gravity-compensation", inputs, network)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_is_the_acceleration_that_the_wrong_torque_causes(arm, architecture: str) -> None:
    frames, spec = with_responses(flexible_frames(arm), arm), flexible_spec(arm, architecture)
    episodes = np.arange(4)
    policy = make_policy(spec, frames, episodes, seed=0).eval()
    error = AccelerationError.of(frames, spec, WEIGHT)
    batch = make_samples(frames, episodes, spec, SETTINGS)
    batch = batch.batch(torch.arange(len(batch)))
    inputs = (batch.states, batch.reference, batch.goal, batch.past_commands)
    with torch.no_grad():
        summed, weight = command_loss(policy, KNEE, error)(batch)
        found = policy.forward_sequence(*inputs) if spec.recurrent else policy(*inputs)[:, None]

    dynamics, n, motors = RobotDynamics(arm), arm.n_joints, arm.actuated
    limit, labelled = np.array(spec.command_limit), frames.labelled.numpy()

    def acceleration(state: np.ndarray, torque: np.ndarray) -> np.ndarray:
        return dynamics.forward_dynamics(state[:n], state[n : 2 * n], torque)[motors]

    own = [
        [(acceleration(state, pulse) - acceleration(state, 0.0 * pulse)) @ pulse for pulse in np.eye(3)]
        for state in frames.states.double().numpy()[labelled]
    ]
    unit = limit * np.sort(own, axis=0)[(len(own) - 1) // 2]
    np.testing.assert_allclose(error.unit, unit, rtol=1e-4)
    newest = batch.states if spec.recurrent else batch.states[:, -1:]
    expected, counted = 0.0, 0
    for sample, step in np.argwhere(batch.weight.numpy() > 0):
        state, torque, label = (
            tensor[sample, step].double().numpy() for tensor in (newest, found, batch.commands)
        )
        jerk = (acceleration(state, torque) - acceleration(state, label)) / unit
        squared = ((torque - label) / limit) ** 2 + WEIGHT * jerk**2
        expected += np.mean(2.0 * KNEE**2 * (np.sqrt(1.0 + squared / KNEE**2) - 1.0))
        counted += 1
    assert counted == labelled.sum() == float(weight)
    assert float(summed) == pytest.approx(expected, rel=1e-4)


def with_random_responses(frames: Frames) -> Frames:
    """Frames of the line, with an inertia that differs from row to row."""
    rng = np.random.default_rng(1)
    root = rng.uniform(0.2, 1.0, (len(frames.states), 2, 2))
    responses = torch.tensor(root @ root.transpose(0, 2, 1), dtype=torch.float32)
    return dataclasses.replace(frames, responses=responses)


def train(folder: Path, architecture: str, known: bool = True, **changes: Any) -> Policy:
    spec = dataclasses.replace(small_spec(architecture), torque_law="gravity-compensation")
    frames = linear_frames(40)
    frames = with_random_responses(frames) if known else frames
    return train_on_frames(frames, spec, dataclasses.replace(SETTINGS, **changes), folder, QUIET)


def same(first: Policy, second: Policy) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_weight_it_changes_no_bit(architecture: str, tmp_path: Path) -> None:
    plain = train(tmp_path / "plain", architecture, known=False, acceleration=0.0)
    assert same(plain, train(tmp_path / "known", architecture, acceleration=0.0))
    assert not same(plain, train(tmp_path / "weighted", architecture))
    weighted = Policy.load(tmp_path / "weighted").spec.training
    assert plain.spec.training["demonstrations"] == weighted["demonstrations"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_interrupted_training_ends_with_the_same_bits(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", architecture)
    monkeypatch.setattr(ampc.learning.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    learning_rate = ampc.learning.training._learning_rate

    def interrupt(settings: TrainingSettings, progress: float) -> float:
        if progress > 0.6:
            raise KeyboardInterrupt
        return learning_rate(settings, progress)

    with monkeypatch.context() as patch:
        patch.setattr(ampc.learning.training, "_learning_rate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", architecture)
    with pytest.raises(SettingsError, match=r"training\.acceleration: 0\.3 -> 0\.4"):
        train(tmp_path / "parts", architecture, acceleration=0.4)
    assert same(whole, train(tmp_path / "parts", architecture))


def test_an_interrupted_dagger_ends_with_the_same_bits(tmp_path: Path) -> None:
    setup = EpisodeSetup()
    setup = dataclasses.replace(
        setup, controller=dataclasses.replace(setup.controller, torque_law="gravity-compensation")
    )
    teaching = Teaching(
        setup, collection=CollectionSettings(seed=1000, workers=1, max_duration=0.5, true_state=True)
    )
    spec = PolicySpec.for_robot(
        load_robot("rigid-arm"), 0.05, (10.0,) * 3, "gravity-compensation",
        InputSettings(history=1), NetworkSettings("ffn", 16, 1),
    )  # fmt: skip
    settings = DaggerSettings(rounds=1, labels=200, epochs=2)

    def learn(folder: Path, acceleration: float = WEIGHT) -> Policy:
        training = TrainingSettings(epochs=3, batch_size=64, acceleration=acceleration)
        return dagger(teaching, spec, training, settings, folder, QUIET)

    whole = learn(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    shutil.rmtree(tmp_path / "parts" / "rounds" / "1")
    assert same(whole, learn(tmp_path / "parts"))
    assert not same(whole, learn(tmp_path / "plain", 0.0))


def test_what_it_needs_is_said(arm, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"training\.acceleration must not be negative"):
        TrainingSettings(acceleration=-0.1)
    with pytest.raises(SettingsError, match="accelerations already"):
        train_on_frames(
            with_random_responses(linear_frames(10)), small_spec(), SETTINGS, tmp_path / "a", QUIET
        )
    with pytest.raises(SettingsError, match="needs the robot"):
        train(tmp_path / "b", "ffn", known=False)
    with pytest.raises(SettingsError, match="measurements of 2 joints"):
        with_responses(linear_frames(3), arm)


def test_cloning_asks_the_robot(tmp_path: Path) -> None:
    robot = load_robot("rigid-arm")
    columns, starts, lengths = linear_columns(10)
    columns = {
        name: np.concatenate([values, values[:, : 2 if "state" in name else 1]], axis=1)
        if name != "observation.goal" else values
        for name, values in columns.items()
    }  # fmt: skip
    spec = PolicySpec.for_robot(
        robot,
        0.05,
        (10.0,) * 3,
        "gravity-compensation",
        InputSettings(history=1),
        NetworkSettings("ffn", 8, 1),
    )
    dataset = SimpleNamespace(
        path=tmp_path, frames=columns, episode_starts=starts, episode_lengths=lengths,
        meta=SimpleNamespace(robot=robot.name, robot_fingerprint=robot.fingerprint),
        require=lambda control_period: None,
    )  # fmt: skip

    def learn(name: str, **robots: Any) -> Policy:
        return clone(cast(Any, dataset), spec, SETTINGS, tmp_path / name, QUIET, **robots)

    with pytest.raises(SettingsError, match="needs the robot"):
        learn("unknown")
    assert np.isfinite(learn("known", robot=robot).spec.training["validation_loss"])
