"""Everything that a run depends on, stage by stage."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rich.console import Console

from ampc.control.feedback import TorqueLawName
from ampc.episodes.collection import CollectionSettings
from ampc.episodes.setup import ControllerKind, RobotSettings
from ampc.errors import SettingsError
from ampc.evaluation import BenchmarkSettings
from ampc.learning import Algorithm, DaggerSettings, TrainingSettings
from ampc.plants import PlantSettings
from ampc.policies.spec import Architecture, InputSettings
from ampc.robots import InverseKinematicsSettings, suggested_command_limit
from ampc.settings import to_dict
from ampc.solvers import JointMPCSettings
from ampc.tasks import REGIONS, Region, TaskSettings

Expert = Literal["mpc", "mpc-informed"]


@dataclass(frozen=True)
class LearningSettings:
    """Which policies are trained, and how."""

    architectures: tuple[Architecture, ...] = ("ffn",)
    """Networks to train, each from the same dataset."""
    algorithm: Algorithm = "bc"
    """``bc``: behaviour cloning of all demonstrations; ``dagger``: a part of them, and labels of what the
    policies meet when they drive; ``both``: each, side by side."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of weights and batches; each architecture is trained once a seed."""
    inputs: InputSettings = field(default_factory=InputSettings)
    """What the policies see."""
    hidden_size: int | None = None
    """Width of the networks; None for each architecture's default."""
    layers: int | None = None
    """Depth of the networks; None for each architecture's default."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """The training protocol; its seed is replaced by each of `seeds`."""
    dagger: DaggerSettings = field(default_factory=DaggerSettings)
    """Rounds and labels of DAgger."""
    workers: int | None = None
    """Policies trained at a time, each by a process of its own; None for one a core."""

    def __post_init__(self) -> None:
        for name in ("architectures", "seeds"):
            values = getattr(self, name)
            if not values:
                raise SettingsError(f"learning.{name} is empty; name at least one")
            if len(set(values)) < len(values):
                raise SettingsError(f"learning.{name} {values} names one twice")
        if min(self.seeds) < 0:
            raise SettingsError(f"learning.seeds {self.seeds}: seeds must not be negative")
        for name in ("hidden_size", "layers", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"learning.{name} is {value}; it must be at least 1")


@dataclass(frozen=True)
class EvaluationSettings:
    """On which tasks the controllers are compared, and against which baselines."""

    tasks_per_region: int = 1000
    """Number of tasks in each region; all controllers meet the same ones."""
    regions: tuple[Region, ...] = REGIONS
    """Regions of the workspace that goals are drawn from."""
    seed: int = 1
    """Seed of the evaluation tasks; must not be that of the demonstrations."""
    baselines: tuple[ControllerKind, ...] = ("lqr", "table")
    """Controllers beside the expert and the policies."""
    latency_tasks: int = 10
    """Tasks on which the time per step of all controllers, literal IPOPT included, is measured in turns."""
    benchmark: BenchmarkSettings = field(default_factory=BenchmarkSettings)
    """How the benchmark is run, and what counts as success."""

    def __post_init__(self) -> None:
        for name, least in (("tasks_per_region", 1), ("latency_tasks", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise SettingsError(
                    f"evaluation.{name} is {getattr(self, name)}; it must be at least {least}"
                )
        if not self.regions:
            raise SettingsError(f"evaluation.regions is empty; name at least one of {', '.join(REGIONS)}")
        if "policy" in self.baselines:
            raise SettingsError(
                "evaluation.baselines names 'policy', but a run's policies are always compared; leave it out"
            )


@dataclass(frozen=True)
class RunSettings:
    """Everything that a run depends on."""

    robot: RobotSettings = field(default_factory=RobotSettings)
    """Which arm."""
    plant: PlantSettings = field(default_factory=PlantSettings)
    """How it is simulated."""
    expert: Expert = "mpc"
    """Who gives the labels: the MPC, or the MPC that is told how each task's plant differs."""
    mpc: JointMPCSettings = field(default_factory=JointMPCSettings)
    """The expert's optimal control problem."""
    adapt_command_limit: bool = True
    """Under computed torque, lower ``mpc.command_limit`` to what the arm's motors can do, if they cannot do
    more."""
    torque_law: TorqueLawName = "computed-torque"
    """How commands become torques."""
    inverse_kinematics: InverseKinematicsSettings = field(default_factory=InverseKinematicsSettings)
    """How goals become joint references."""
    tasks: TaskSettings = field(default_factory=TaskSettings)
    """What the tasks look like, in training and evaluation."""
    collection: CollectionSettings = field(default_factory=CollectionSettings)
    """How many demonstrations are collected, and where."""
    learning: LearningSettings = field(default_factory=LearningSettings)
    """Which policies are trained, and how."""
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    """What is compared, and where."""

    def __post_init__(self) -> None:
        if self.collection.seed == self.evaluation.seed:
            raise SettingsError(
                f"collection.seed and evaluation.seed are both {self.collection.seed}: the policies would be"
                " judged on tasks they were trained on; choose different seeds"
            )


def resolve(settings: RunSettings, console: Console | None) -> RunSettings:
    """Make the robot's path absolute and the command limit one that the motors can follow."""
    robot = settings.robot.load()
    settings = replace(settings, robot=replace(settings.robot, source=robot.source))
    if settings.adapt_command_limit and settings.torque_law == "computed-torque":
        possible = suggested_command_limit(robot)
        if possible < settings.mpc.command_limit:
            if console is not None:
                console.print(
                    f"{robot.name}: commands limited to {possible:g} rad/s^2 instead of"
                    f" {settings.mpc.command_limit:g}: the motors cannot do more everywhere"
                )
            settings = replace(settings, mpc=replace(settings.mpc, command_limit=possible))
    return settings


def shaping_demonstrations(settings: RunSettings) -> dict[str, Any]:
    """The settings that a run's demonstrations depend on, as plain values: their number is not among them."""
    values = to_dict(settings)
    del values["learning"], values["evaluation"]
    for name in ("episodes", "workers", "shard_episodes"):
        del values["collection"][name]
    return values
