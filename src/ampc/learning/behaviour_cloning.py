"""Behaviour cloning: fit a policy to the commands of an expert."""

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from torch import Tensor

from ampc.arrays import IntArray
from ampc.errors import DatasetError
from ampc.learning.acceleration import AccelerationError, with_responses
from ampc.learning.settings import TrainingSettings
from ampc.learning.sobolev import DerivativeError
from ampc.learning.sobolev_settings import SobolevSettings
from ampc.learning.training import Loss, fit
from ampc.learning.windows import Batch, Frames, Samples, Sequences, Windows
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec
from ampc.settings import to_dict

if TYPE_CHECKING:
    from ampc.episodes.dataset import Dataset
    from ampc.robots import Robot


def train_policy(
    dataset: "Dataset",
    spec: PolicySpec,
    settings: TrainingSettings,
    folder: Path,
    console: Console | None = None,
    robot: "Robot | None" = None,
) -> Policy:
    """Train a policy on demonstrations, or go on where an earlier call was stopped.

    Args:
        dataset: The demonstrations.
        spec: The policy to make.
        settings: The training protocol.
        folder: Receives checkpoint, logs and, in the end, the policy.
        console: Where progress goes; None for standard error.
        robot: The model that controllers believe in; needed where ``settings.acceleration`` counts.

    Returns:
        The policy with the least validation loss, in evaluation mode.

    Raises:
        DatasetError: If the dataset is of another robot or control period, too small or not finite.
        SettingsError: If the folder holds another training, or the loss stops being finite.
        PolicyError: If the checkpoint is damaged.
    """
    require_fit(dataset, spec)
    frames = Frames.from_columns(dataset.frames, dataset.episode_starts, dataset.episode_lengths)
    if settings.acceleration and robot is not None:
        frames = with_responses(frames, robot)
    return train_on_frames(frames, spec, settings, folder, console)


def train_on_frames(
    frames: Frames,
    spec: PolicySpec,
    settings: TrainingSettings,
    folder: Path,
    console: Console | None = None,
) -> Policy:
    """`train_policy` on frames from anywhere, such as several datasets together."""
    if spec.inputs.needs_reference:
        frames.require_references()
    training_episodes, validation_episodes = frames.split(
        settings.validation_share, settings.seed, settings.max_samples
    )
    policy = make_policy(spec, frames, training_episodes, settings.seed)
    provenance = {"learner": "behaviour cloning"}
    return fit_policy(
        policy, frames, training_episodes, validation_episodes, settings, folder, provenance, console
    )


def fit_policy(
    policy: Policy,
    frames: Frames,
    training_episodes: IntArray,
    validation_episodes: IntArray,
    settings: TrainingSettings,
    folder: Path,
    provenance: dict[str, Any],
    console: Console | None = None,
    sobolev: SobolevSettings | None = None,
) -> Policy:
    """Fit a policy, whatever weights and normalisation it begins with, to some episodes' labels; save it.

    Args:
        policy: The policy, trained in place.
        frames: Frames of all episodes, `with_responses` if ``settings.acceleration`` counts.
        training_episodes: Which of them to train on.
        validation_episodes: Which of them decide when to stop and which weights to keep.
        settings: The training protocol; validation share and largest number of samples are not read.
        folder: Receives checkpoint, logs and, in the end, the policy.
        provenance: What the policy's file is to say about how it was learned; part of what a training that
            goes on must agree in; how derivatives count is to be among it.
        console: Where progress goes; None for standard error.
        sobolev: How the derivatives of the frames count in training, where they have some.

    Returns:
        The policy with the least validation loss, in evaluation mode.

    Raises:
        SettingsError: If the folder holds another training, or the loss stops being finite.
        PolicyError: If the checkpoint is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec = policy.spec
    acceleration = (
        AccelerationError.of(frames, spec, settings.acceleration) if settings.acceleration else None
    )
    derivative = None
    if sobolev is not None and frames.derivatives is not None:
        derivative = DerivativeError.of(frames, sobolev)
    training = make_samples(frames, training_episodes, spec, settings)
    validation = make_samples(frames, validation_episodes, spec, settings)
    digest = _digest(frames)
    identity = {
        "policy": to_dict(dataclasses.replace(spec, training={})),
        "training": to_dict(settings),
        "demonstrations": digest,
        **provenance,
    }
    state = fit(
        policy,
        command_loss(policy, settings.knee, acceleration, derivative),
        training,
        validation,
        samples_per_step(training, spec, settings),
        settings,
        folder,
        identity,
        console,
    )
    policy.spec = dataclasses.replace(
        spec,
        training={
            **spec.training,
            **provenance,
            "settings": to_dict(settings),
            "demonstrations": digest,
            "training_episodes": len(training_episodes),
            "validation_episodes": len(validation_episodes),
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "validation_loss": state.best_loss,
        },
    )
    policy.save(folder)
    return policy.eval()


def make_samples(frames: Frames, episodes: IntArray, spec: PolicySpec, settings: TrainingSettings) -> Samples:
    """What a network of that kind trains on: sequences if it is recurrent, windows if not."""
    if spec.recurrent:
        return Sequences(frames, episodes, round(settings.hold / spec.control_period))
    return Windows(frames, episodes, spec.inputs.history, spec.inputs.stride)


def samples_per_step(samples: Samples, spec: PolicySpec, settings: TrainingSettings) -> int:
    """Windows in a batch, or the number of sequences that together have as many frames as asked for."""
    if spec.recurrent:
        return max(1, round(settings.sequence_batch_size * len(samples) / samples.n_frames))
    return settings.batch_size


def make_policy(spec: PolicySpec, frames: Frames, episodes: IntArray, seed: int) -> Policy:
    """A policy with weights drawn from the seed, normalised to the frames of some episodes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = Policy(spec)
    single = Windows(frames, episodes, history=1)
    batch = single.batch(torch.arange(len(single)))
    policy.fit_normalisation(batch.states, batch.reference, batch.goal, batch.past_commands)
    return policy


def command_loss(
    policy: Policy,
    knee: float | None = None,
    acceleration: AccelerationError | None = None,
    derivative: DerivativeError | None = None,
) -> Loss:
    """Mean squared error of the commands in units of their limits or, with a knee, pseudo-Huber loss.

    That is ``2 k^2 (sqrt(1 + (e / k)^2) - 1)``: e^2 for small errors e, 2 k |e| for large ones. The error of
    the acceleration, where it counts, is part of each e^2. What derivatives say is a term of its own, under
    the same knee, in training alone.
    """

    def bent(squared: Tensor) -> Tensor:
        if knee is None:
            return squared
        return 2.0 * knee**2 * ((1.0 + squared / knee**2).sqrt() - 1.0)

    def loss(batch: Batch) -> tuple[Tensor, Tensor]:
        inputs = (batch.states, batch.reference, batch.goal, batch.past_commands)
        commands = policy.forward_sequence(*inputs) if policy.spec.recurrent else policy(*inputs)[:, None]
        error = commands - batch.commands
        squared = (error / policy.command_limit).square()
        if acceleration is not None:
            assert batch.responses is not None
            squared = squared + acceleration.squared(batch.responses, error)
        summed = (batch.weight * bent(squared).mean(-1)).sum()
        if derivative is not None and policy.training:
            errors, known = derivative.errors(policy, batch)
            share = derivative.settings.weight * batch.weight[known, -1]
            summed = summed + (share * bent(errors.square()).mean(-1)).sum()
        return summed, batch.weight.sum()

    return loss


def require_fit(dataset: "Dataset", spec: PolicySpec) -> None:
    """Refuse demonstrations of another robot or control period than the policy's.

    Raises:
        DatasetError: With the reason.
    """
    dataset.require(control_period=spec.control_period)
    if dataset.meta.robot_fingerprint != spec.robot_fingerprint:
        raise DatasetError(
            f"{dataset.path} is of robot {dataset.meta.robot!r} ({dataset.meta.robot_fingerprint}), "
            f"the policy is to be for {spec.robot!r} ({spec.robot_fingerprint}): "
            "collect a dataset with that robot"
        )


def _digest(frames: Frames) -> str:
    """Fingerprint of all frames; responses follow from the states and the robot."""
    digest = hashlib.sha256()
    for field in dataclasses.fields(frames):
        if field.name != "responses" and getattr(frames, field.name) is not None:
            digest.update(getattr(frames, field.name).numpy().tobytes())
    return digest.hexdigest()[:16]
