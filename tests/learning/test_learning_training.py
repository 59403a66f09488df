import dataclasses
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from learning_data import DAMPING, GAIN, PERIOD, linear_columns, linear_frames, small_spec
from rich.console import Console

import ampc.learning.training
from ampc.errors import DatasetError, PolicyError, SettingsError
from ampc.learning.behaviour_cloning import command_loss, make_policy, train_on_frames, train_policy
from ampc.learning.checkpoint import TrainingState
from ampc.learning.settings import TrainingSettings, training_preset
from ampc.learning.windows import Batch, Frames, Sequences
from ampc.policies.policy import Policy

QUIET = Console(quiet=True)
SETTINGS = TrainingSettings(epochs=4, batch_size=64, sequence_batch_size=200, hold=0.0)


def train(folder: Path, architecture: str = "ffn", **changes: Any) -> Policy:
    settings = dataclasses.replace(SETTINGS, **changes)
    return train_on_frames(linear_frames(40), small_spec(architecture), settings, folder, QUIET)


def same(first: Policy, second: Policy) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("architecture", ["ffn", "gru", "lstm", "transformer"])
def test_an_interrupted_training_ends_with_the_same_bits(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", architecture)

    monkeypatch.setattr(ampc.learning.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    learning_rate = ampc.learning.training._learning_rate

    def interrupt_in_third_epoch(settings: TrainingSettings, progress: float) -> float:
        if progress > 0.6:
            raise KeyboardInterrupt
        return learning_rate(settings, progress)

    with monkeypatch.context() as patch:
        patch.setattr(ampc.learning.training, "_learning_rate", interrupt_in_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", architecture)
    state = TrainingState.load(tmp_path / "parts")
    assert state is not None
    assert state.epoch == 2
    assert not (tmp_path / "parts" / "policy.json").exists()

    torch.manual_seed(1234)  # what happens outside must not matter
    resumed = train(tmp_path / "parts", architecture)
    assert same(whole, resumed)
    rows = [(tmp_path / name / "training.csv").read_text().splitlines() for name in ("whole", "parts")]
    assert len(rows[0]) == len(rows[1]) == 5
    assert [row.split(",")[:5] for row in rows[0]] == [row.split(",")[:5] for row in rows[1]]


def test_a_killed_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
import ampc.learning.training as training
from test_learning_training import train
run_epoch = training._run_epoch
def die_after_two(*arguments):
    if arguments[-1] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return run_epoch(*arguments)
training._run_epoch = die_after_two
training.SECONDS_BETWEEN_CHECKPOINTS = 0.0
train(Path(sys.argv[1]))
"""
    here = Path(__file__).parent
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], cwd=here, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert same(train(tmp_path / "whole"), train(tmp_path / "killed"))


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    first, again = train(tmp_path / "a"), train(tmp_path / "b")
    assert same(first, again)
    assert not same(first, train(tmp_path / "c", seed=1))


def test_a_finished_training_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(tmp_path)
    monkeypatch.setattr(ampc.learning.training, "_run_epoch", None)
    assert same(first, train(tmp_path))
    assert same(first, Policy.load(tmp_path))


def test_the_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(SettingsError, match=r"training\.learning_rate: 0\.001 -> 0\.01"):
        train(tmp_path, learning_rate=0.01)
    with pytest.raises(SettingsError, match="demonstrations: "):
        train_on_frames(linear_frames(41), small_spec(), SETTINGS, tmp_path, QUIET)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    train(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PolicyError, match=r"checkpoint\.pt is damaged"):
        train(tmp_path)


def test_training_stops_early_and_keeps_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([5.0, 3.0, 4.0, 3.0, 3.5, 1.0])
    seen: list[dict[str, torch.Tensor]] = []

    def scripted(model: torch.nn.Module, *_: object) -> float:
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return next(losses)

    monkeypatch.setattr(ampc.learning.training, "mean_loss", scripted)
    policy = train(tmp_path, epochs=20, patience=3)
    state = TrainingState.load(tmp_path)
    assert state is not None
    assert (state.epoch, state.best_epoch, state.best_loss) == (5, 2, 3.0)
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in policy.state_dict().items())


@pytest.mark.parametrize("architecture", ["ffn", "gru"])
def test_a_linear_law_is_recovered(architecture: str, tmp_path: Path) -> None:
    settings = TrainingSettings(
        epochs=25, batch_size=64, sequence_batch_size=256, learning_rate=5e-3, hold=0.0
    )
    frames = linear_frames(200, shortest=20)
    policy = train_on_frames(frames, small_spec(architecture, width=32), settings, tmp_path, QUIET)

    q, dq, reference = np.zeros(2), np.zeros(2), np.array([0.5, -0.4])
    states, commands = [], []
    for _ in range(20):
        command = -GAIN * (q - reference) - DAMPING * dq
        states.append(np.concatenate([q, dq]))
        commands.append(command)
        q, dq = q + PERIOD * dq, dq + PERIOD * command
    inputs = torch.tensor(np.array(states), dtype=torch.float32)[None]
    goal, past = torch.zeros(1, 3), torch.zeros(1, 20, 2)
    q_ref = torch.tensor(reference, dtype=torch.float32)[None]
    with torch.inference_mode():
        if policy.spec.recurrent:
            found = policy.forward_sequence(inputs, q_ref, goal, past)[0, 3:].numpy()
        else:
            found = policy(
                inputs[0].unfold(0, 3, 1).transpose(1, 2), q_ref.expand(18, -1), goal, past
            ).numpy()[1:]
    assert np.abs(found - np.array(commands)[3:]).max() < 0.03 * np.abs(commands).max()


def test_padding_does_not_reach_the_loss() -> None:
    frames = linear_frames(4)
    spec = small_spec("gru")
    sequences = Sequences(frames, np.arange(4))
    policy = make_policy(spec, frames, np.arange(4), seed=0)
    batch = sequences.batch(torch.arange(4))
    padded = batch.weight == 0
    assert padded.any()
    garbage = Batch(
        batch.states.masked_fill(padded[..., None], 99.0),
        batch.reference,
        batch.goal,
        batch.past_commands,
        batch.commands.masked_fill(padded[..., None], -99.0),
        batch.weight,
    )
    loss = command_loss(policy)
    assert torch.equal(loss(batch)[0], loss(garbage)[0])
    apart = sum(float(loss(sequences.batch(torch.tensor([i])))[0].detach()) for i in range(4))
    assert float(loss(batch)[0].detach()) == pytest.approx(apart, rel=1e-5)


def test_a_loss_that_explodes_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"not finite in epoch 1.*learning_rate 1e\+30 is too large"):
        train(tmp_path, learning_rate=1e30)


def test_missing_references_are_explained(tmp_path: Path) -> None:
    columns, starts, lengths = linear_columns(5)
    columns["observation.reference"][:] = np.nan
    frames = Frames.from_columns(columns, starts, lengths)
    with pytest.raises(DatasetError, match="controller without one"):
        train_on_frames(frames, small_spec(), SETTINGS, tmp_path, QUIET)


def test_demonstrations_of_another_robot_are_refused(tmp_path: Path) -> None:
    dataset = SimpleNamespace(
        path=tmp_path,
        meta=SimpleNamespace(robot="other", robot_fingerprint="1"),
        require=lambda control_period: None,
    )
    with pytest.raises(DatasetError, match="is of robot 'other'"):
        train_policy(cast(Any, dataset), small_spec(), SETTINGS, tmp_path, QUIET)


def test_tensorboard_and_provenance_are_written(tmp_path: Path) -> None:
    policy = train(tmp_path)
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    saved = Policy.load(tmp_path).spec
    assert saved == policy.spec
    assert saved.training["epochs"] == 4
    assert saved.training["settings"]["batch_size"] == 64


@pytest.mark.parametrize(
    "change",
    [{"epochs": 0}, {"learning_rate": -1.0}, {"validation_share": 1.0}, {"hold": -1.0}, {"seed": -1}],
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"training.{next(iter(change))}"):
        TrainingSettings(**change)


def test_presets() -> None:
    literal = training_preset("literal")
    assert (literal.epochs, literal.learning_rate, literal.batch_size) == (100, 1e-3, 256)
    assert (literal.weight_decay, literal.decay, literal.schedule) == (1e-4, "l2", "constant")
    with pytest.raises(SettingsError, match="paper, literal and short"):
        training_preset(cast(Any, "long"))
