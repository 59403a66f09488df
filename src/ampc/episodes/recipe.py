"""All that decides what a dataset holds, from which any process makes the same episodes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from ampc.control.controller import Controller
from ampc.control.feedback import FeedbackLaw
from ampc.control.policy_controller import SituatedLaw
from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.episode import Episode
from ampc.episodes.header import DatasetHeader
from ampc.episodes.hindsight import Hindsight
from ampc.episodes.rollout import Plant, run_episode
from ampc.episodes.shadow import OmniscientController, ShadowedController, ShadowSettings
from ampc.errors import SettingsError
from ampc.policies.native import NativePolicy
from ampc.robots.robot import Robot
from ampc.settings import to_dict
from ampc.tasks import Task, TaskSampler, TaskSettings
from ampc.tasks.flexible import FlexibleTaskSampler, FlexibleTaskSettings

AnyTaskSettings = TaskSettings | FlexibleTaskSettings


@dataclass(frozen=True)
class Learner:
    """A policy that drives during collection, with the expert in its shadow."""

    policy: Path
    """Folder of the saved policy."""
    shadow: ShadowSettings
    """How often the expert drives instead, and about what it is asked."""
    members: tuple[Path, ...] = ()
    """Folders of saved policies whose disagreement says what to ask about, where the shadow reads it."""


class Sampler(Protocol):
    """Draws tasks: task i depends on the seed, the region and i alone."""

    def sample(self, n: int, region: str, seed: int, first: int) -> list[Task]:
        """The tasks with indices ``first`` to ``first + n - 1``."""


class Setup(Protocol):
    """A frozen dataclass of plain settings from which any process builds the same expert and plant."""

    def build_robot(self) -> Robot:
        """Load the arm as it is simulated."""

    def build_model(self) -> Robot:
        """Load the arm as controllers believe it to be."""

    def build(self) -> tuple[Plant, Controller]:
        """Make the plant and the expert."""

    def build_learner(self, law: FeedbackLaw) -> Controller:
        """Make the controller by which a law that is being learned drives the plant."""


@runtime_checkable
class Guards(Protocol):
    """A `Setup` that lets no learner loose on the plant."""

    def guarded(self, controller: Controller) -> Controller:
        """Put a controller behind what protects the arm."""


@dataclass(frozen=True, eq=False)
class Loop:
    """What makes episodes."""

    plant: Plant
    """The simulated arm."""
    controller: Controller
    """What drives it."""
    shadowed: ShadowedController | None = None
    """Learner and expert, where a learner drives."""
    hindsight: Hindsight | None = None
    """Who is asked when an episode is over."""

    def run(self, task: Task, settings: CollectionSettings) -> Episode:
        """An episode with its labels."""
        episode = run_episode(self.plant, self.controller, task, settings.max_duration, settings.stop)
        if self.hindsight is None or self.shadowed is None:
            return episode
        return self.hindsight.asked(episode, self.shadowed.seen)


@dataclass(frozen=True)
class Recipe:
    """What a process needs to make the episodes of a dataset."""

    setup: Setup
    """Robot, expert and plant."""
    tasks: AnyTaskSettings
    """What the tasks look like."""
    settings: CollectionSettings
    """Which tasks, and when episodes end."""
    learner: Learner | None = None
    """Who drives; None for the expert."""

    def header(self) -> DatasetHeader:
        """Header of the dataset; also the test that robot, plant and controllers can be built."""
        loop = self.loop()
        shaping, tasks = to_dict(self.settings), to_dict(self.tasks)
        if tasks.get("walls", ...) is None:
            del tasks["walls"]  # as in datasets that were begun before there were any
        for name in ("episodes", "workers", "shard_episodes", "max_labels"):
            del shaping[name]
        recorded: dict[str, Any] = {
            **to_dict(self.setup),
            "tasks": tasks,
            "collection": shaping,
        }
        del recorded["robot"]  # the fingerprint says it better than a path
        if self.learner is not None:
            recorded["learner"] = {
                "policy": _digest(self.learner.policy),
                "shadow": to_dict(self.learner.shadow),
                "members": [_digest(folder) for folder in self.learner.members],
            }
        model, simulated = self.setup.build_model(), self.setup.build_robot()
        differentiated = self.learner is not None and self.learner.shadow.derivative_share > 0.0
        name, period = loop.controller.name, loop.plant.control_period
        return DatasetHeader.describe(model, name, period, recorded, simulated, differentiated)

    def loop(self) -> Loop:
        """The plant, and what drives it and labels its states.

        Raises:
            AmpcError: If robot, controllers, plant and settings do not fit together.
        """
        plant, expert = self.setup.build()
        if self.settings.true_state:
            expert = OmniscientController(plant, self.setup.build_robot(), expert)
        if self.learner is None:
            return Loop(plant, expert)
        shadow, period = self.learner.shadow, plant.control_period
        learner = self.setup.build_learner(self._law(self.learner.policy, period))
        shadowed = ShadowedController(expert, learner, shadow)
        controller: Controller = shadowed
        if isinstance(self.setup, Guards):
            controller = self.setup.guarded(shadowed)
        if not shadow.in_hindsight:
            return Loop(plant, controller, shadowed)
        if self.settings.true_state:
            raise SettingsError(
                "an expert acting on the true state cannot be asked in hindsight: set collection.true_state"
                " to false, or the shares of doubtful labels and of derivatives to 0"
            )
        members = [cast(SituatedLaw, self._law(folder, period)) for folder in self.learner.members]
        return Loop(plant, controller, shadowed, Hindsight(expert, members, shadow))

    def _law(self, folder: Path, control_period: float) -> FeedbackLaw:
        """The policy that drives; in C for arms with flexible links, whose expert needs the library too."""
        model = self.setup.build_model()
        if isinstance(self.tasks, FlexibleTaskSettings):
            law = NativePolicy(folder)
            law.spec.require(model, control_period)
            return law
        # Torch is needed only where a policy of another arm drives.
        from ampc.policies.law import TorchPolicy
        from ampc.policies.policy import Policy

        return TorchPolicy(Policy.load(folder, model))


class EpisodeMaker:
    """One process's own plant, controllers and sampler."""

    def __init__(self, recipe: Recipe) -> None:
        """Build what the recipe asks for.

        Raises:
            AmpcError: If robot, controllers, plant and tasks do not fit together.
        """
        self._settings = recipe.settings
        self._loop = recipe.loop()
        self._sampler = sampler_of(recipe.setup.build_robot(), recipe.tasks)

    def make(self, episodes: range) -> list[Episode]:
        """The episodes with these indices."""
        tasks = tasks_of_episodes(self._sampler, self._settings, episodes)
        return [self._loop.run(task, self._settings) for task in tasks]


def sampler_of(robot: Robot, settings: AnyTaskSettings) -> Sampler:
    """What draws tasks of that kind.

    Raises:
        AmpcError: If they are not tasks of such a robot.
    """
    if isinstance(settings, FlexibleTaskSettings):
        return cast(Sampler, FlexibleTaskSampler(robot, settings))
    return cast(Sampler, TaskSampler(robot, settings))


def tasks_of_episodes(sampler: Sampler, settings: CollectionSettings, episodes: range) -> list[Task]:
    """Tasks of consecutive episodes: each region's own tasks, the regions taking turns."""
    regions = settings.regions
    places = range(episodes.start + settings.first_task, episodes.stop + settings.first_task)
    tasks: dict[int, Task] = {}
    for region in set(regions):
        members = [place for place in places if regions[place % len(regions)] == region]
        if not members:
            continue
        cycles, turn = divmod(members[0], len(regions))
        first = cycles * regions.count(region) + regions[:turn].count(region)
        drawn = sampler.sample(len(members), region, settings.seed, first)
        tasks |= dict(zip(members, drawn, strict=True))
    return [tasks[place] for place in places]


def _digest(folder: Path) -> str:
    """Fingerprint of a saved policy, by content."""
    files = sorted(path for path in folder.glob("policy.*") if path.suffix in (".json", ".safetensors"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
