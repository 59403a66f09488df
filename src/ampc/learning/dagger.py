"""DAgger: the learner drives, the expert says what it would have done, and all of it is learned from.

Ross, Gordon and Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online
Learning", AISTATS 2011, algorithm 3.1.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ampc.arrays import IntArray
from ampc.episodes.collection import CollectionSettings, Learner, Setup, collect, labels_in
from ampc.episodes.dataset import Dataset
from ampc.episodes.files import read_json, write_json
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.recipe import AnyTaskSettings
from ampc.episodes.shadow import ShadowSettings
from ampc.errors import SettingsError
from ampc.learning.acceleration import with_responses
from ampc.learning.behaviour_cloning import fit_policy, make_policy, require_fit
from ampc.learning.dagger_log import ROUNDS_FOLDER, Round, write_rounds
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.ensemble import train_ensemble
from ampc.learning.goal_labels import goal_frames
from ampc.learning.settings import TrainingSettings
from ampc.learning.windows import Frames
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec
from ampc.robots import Robot
from ampc.settings import differences, to_dict
from ampc.tasks import TaskSettings
from ampc.tasks.flexible import FlexibleTaskSettings

IDENTITY_FILE = "dagger.json"
GOALS_FILE = "goals.npz"
"""What the expert said about arms at rest on their goals."""
MEMBERS_FOLDER = "members"
"""The ensemble that a round has left for the next one's questions."""


@dataclass(frozen=True)
class Teaching:
    """Where labels come from."""

    setup: Setup
    """Robot, plant and expert."""
    tasks: AnyTaskSettings = dataclasses.field(default_factory=TaskSettings)
    """What the tasks look like: also how their plants vary."""
    collection: CollectionSettings = dataclasses.field(default_factory=CollectionSettings)
    """Seed and regions of the tasks, length of the episodes, whether the expert sees the true state, number
    of processes; the numbers of episodes and labels are DAgger's own."""


def dagger(
    teaching: Teaching,
    spec: PolicySpec,
    training: TrainingSettings,
    settings: DaggerSettings,
    folder: Path,
    console: Console | None = None,
    demonstrations: Dataset | None = None,
) -> Policy:
    """Learn a policy, or go on where an earlier call was stopped, at whatever moment.

    The result depends on the arguments alone: not on the number of processes, nor on interruptions.

    Args:
        teaching: Where labels come from.
        spec: The policy to make.
        training: How a round is trained; ``max_samples`` is not read.
        settings: Number of rounds and labels, and who drives.
        folder: Receives ``rounds/``, with each round's dataset and policy, ``rounds.csv``, and the policy.
        console: Where progress goes; None for standard error.
        demonstrations: Round 0, in place of collecting it: as many whole episodes from its beginning as fit
            into that round's labels. It must have been made by the same teaching.

    Returns:
        The policy of the last round, in evaluation mode.

    Raises:
        SettingsError: If the folder holds another training, or the loss stops being finite.
        DatasetError: If a dataset is damaged, or the demonstrations are of another robot or control period.
        PolicyError: If a checkpoint is damaged.
        AmpcError: If robot, expert, plant, tasks and policy do not fit together.
    """
    if demonstrations is not None:
        require_fit(demonstrations, spec)
    if settings.derivative_share and spec.recurrent:
        raise SettingsError("dagger.derivative_share is not for recurrent networks; leave it at 0")
    _require_episodes(teaching.collection, spec, settings)
    _claim(folder, teaching, spec, training, settings)
    model = teaching.setup.build_model() if training.acceleration else None
    history = _History(spec, training, _goals(teaching, spec, settings, folder), model)
    log: list[Round] = []
    policy: Policy | None = None
    members: tuple[Path, ...] = ()
    for number in range(settings.rounds + 1):
        own_folder = folder / ROUNDS_FOLDER / str(number)
        last = number == settings.rounds
        dataset = demonstrations
        if number > 0 or demonstrations is None:
            learner = _learner(settings, number, own_folder, members) if number else None
            dataset = _collect(teaching, settings, number, history, own_folder, console, learner)
        assert dataset is not None
        history.add(dataset, settings.labels_of(number, history.labels))
        known = history.frames, history.training_episodes, history.validation_episodes
        if policy is None or not settings.warm_start:
            policy = make_policy(spec, *known[:2], training.seed)
        policy.spec = spec
        epochs = training.epochs if last else settings.epochs
        provenance = {"learner": "DAgger", "round": number, "dagger": to_dict(settings)}
        own_training = dataclasses.replace(training, epochs=epochs)
        sobolev = settings.sobolev if settings.derivative_share else None
        policy = fit_policy(policy, *known, own_training, own_folder, provenance, console, sobolev)
        if settings.doubtful_share and not last:
            place = own_folder / MEMBERS_FOLDER
            members = train_ensemble(spec, *known, training, settings.members, place, provenance)
        log.append(_summarise(number, settings, dataset, history, policy))
        write_rounds(folder, log)
        log[-1].say(console)
    assert policy is not None
    policy.save(folder)
    return policy


@dataclass(frozen=True, eq=False)
class _Goals:
    """Labels around rest on goals."""

    frames: Frames
    labels: int


def _goals(teaching: Teaching, spec: PolicySpec, settings: DaggerSettings, folder: Path) -> _Goals | None:
    """What the expert says about arms at rest on their goals; those situations have no past."""
    if settings.goals == 0 or spec.recurrent:
        return None
    setup, tasks = teaching.setup, teaching.tasks
    if not (isinstance(setup, FlexibleSetup) and isinstance(tasks, FlexibleTaskSettings)):
        raise SettingsError(
            "dagger.goals is for the nonlinear MPC of arms with flexible links; leave it at 0"
        )
    frames = goal_frames(setup, tasks, teaching.collection, settings.goals, folder / GOALS_FILE)
    return _Goals(frames, settings.goals)


def _count(parts: list[Frames]) -> int:
    """Episodes in all."""
    return sum(len(part.lengths) for part in parts)


class _History:
    """The labels of all rounds so far; an episode that validates once is never trained on."""

    def __init__(
        self, spec: PolicySpec, training: TrainingSettings, goals: _Goals | None, model: Robot | None
    ) -> None:
        """Begin with the labels around goals; the model is given where the loss needs the inertia."""
        self.labels = 0 if goals is None else goals.labels
        self.episodes = 0
        self._spec, self._training, self._model = spec, training, model
        self._goals = [] if goals is None else [self._completed(goals.frames)]
        self._parts: list[Frames] = []
        self._splits: list[tuple[IntArray, IntArray]] = []

    def add(self, dataset: Dataset, most: int) -> None:
        """Add the first whole episodes that together have at most so many labels, but at least two."""
        labels = np.cumsum(dataset.label_counts)
        count = max(2, int(np.searchsorted(labels, most, side="right")))
        rows = int(dataset.episode_lengths[:count].sum())
        columns = {name: column[:rows] for name, column in dataset.frames.items()}
        part = Frames.from_columns(columns, dataset.episode_starts[:count], dataset.episode_lengths[:count])
        if self._spec.inputs.needs_reference:
            part.require_references()
        part = self._completed(part)
        before = _count(self._parts)
        chosen = part.split(self._training.validation_share, self._training.seed)
        self._splits.append((chosen[0] + before, chosen[1] + before))
        self._parts.append(part)
        self.labels += int(labels[:count][-1])
        self.episodes += dataset.n_episodes

    def _completed(self, frames: Frames) -> Frames:
        return frames if self._model is None else with_responses(frames, self._model)

    @property
    def frames(self) -> Frames:
        """All frames."""
        return Frames.joined([*self._parts, *self._goals])

    @property
    def training_episodes(self) -> IntArray:
        """Which of the episodes are trained on."""
        goals = [_count(self._parts) + np.arange(_count([frames])) for frames in self._goals]
        return np.concatenate([*(training for training, _ in self._splits), *goals])

    @property
    def validation_episodes(self) -> IntArray:
        """Which of the episodes validate."""
        return np.concatenate([validation for _, validation in self._splits])


def _claim(
    folder: Path,
    teaching: Teaching,
    spec: PolicySpec,
    training: TrainingSettings,
    settings: DaggerSettings,
) -> None:
    """Write down what is learned in a folder; refuse a folder in which something else is."""
    identity: dict[str, Any] = {
        "teaching": to_dict(teaching),
        "policy": to_dict(dataclasses.replace(spec, training={})),
        "training": to_dict(training),
        "dagger": to_dict(settings),
    }
    for name in ("episodes", "workers", "shard_episodes", "max_labels"):
        del identity["teaching"]["collection"][name]
    identity["teaching"]["setup"].pop("robot", None)  # a path; the policy's fingerprint says it better
    path = folder / IDENTITY_FILE
    if path.exists() and (changes := differences(read_json(path), identity)):
        raise SettingsError(
            f"{folder} holds another training:\n  "
            + "\n  ".join(changes)
            + "\nChoose another folder, go back to those settings, or delete it to train from the start"
        )
    write_json(path, identity)


def _require_episodes(collection: CollectionSettings, spec: PolicySpec, settings: DaggerSettings) -> None:
    """Refuse a budget that leaves a round less than an episode to train on and one to validate on."""
    longest = round(collection.max_duration / spec.control_period)
    given = settings.goals
    for number in range(settings.rounds + 1):
        labels = settings.labels_of(number, given)
        most = labels_in(longest, settings.ask_every if number else 1)
        if labels < 2 * most:
            raise SettingsError(
                f"dagger.labels is {settings.labels}, which leaves {labels} for round {number}; an episode "
                f"may take {most}, and each round needs two. Ask for more labels or fewer rounds"
            )
        given += labels


def _collect(
    teaching: Teaching,
    settings: DaggerSettings,
    number: int,
    history: _History,
    folder: Path,
    console: Console | None,
    learner: Learner | None,
) -> Dataset:
    """The dataset of a round, made by the expert if there is no learner."""
    labels = settings.labels_of(number, history.labels)
    collection = dataclasses.replace(
        teaching.collection,
        episodes=labels,
        max_labels=labels,
        first_task=teaching.collection.first_task + history.episodes,
    )
    return collect(teaching.setup, teaching.tasks, collection, folder / "dataset", console, learner)


def _learner(settings: DaggerSettings, number: int, folder: Path, members: tuple[Path, ...]) -> Learner:
    """Who drives in a round: the policy of the round before."""
    shadow = ShadowSettings(
        settings.beta_of(number),
        settings.mixing,
        settings.ask_every,
        settings.doubtful_share,
        settings.derivative_share,
    )
    return Learner(folder.with_name(str(number - 1)), shadow, members)


def _summarise(
    number: int, settings: DaggerSettings, dataset: Dataset, history: _History, policy: Policy
) -> Round:
    errors = np.array(dataset.episodes["final_error"])
    found = policy.spec.training
    return Round(
        round=number,
        beta=settings.beta_of(number),
        episodes=dataset.n_episodes,
        labels=history.labels,
        final_error_median=float(np.median(errors)),
        final_error_p95=float(np.quantile(errors, 0.95)),
        epochs=found["epochs"],
        validation_loss=found["validation_loss"],
    )
