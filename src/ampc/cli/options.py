"""Options of every verb; their docstrings are the command line's help."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ampc.cli.walls import DrawnWalls
from ampc.runs import EvaluationSettings, LearningSettings, RunSettings

Robot = tyro.conf.Positional[str]
RunFolder = tyro.conf.Positional[Path]
Flat = tyro.conf.arg(name="")


@dataclass(frozen=True)
class Check:
    """Say in plain words what is wrong or missing with an arm's model. Exit status 1 if it cannot be used."""

    robot: Robot
    """rigid-arm, flexible-arm, or path of an MJCF (.xml), URDF (.urdf) or flexible arm's settings (.toml)."""
    end_effector: str | None = None
    """Site or body that is the end effector; by default found by its name or at the tip."""
    goal: Annotated[tuple[tuple[float, float, float], ...], tyro.conf.UseAppendAction] = ()
    """End-effector goals to check, world frame [m]; may be given several times."""


@dataclass(frozen=True)
class Simulate:
    """Run one episode of an arm and film it.

    A rigid arm is driven by the expert MPC, an arm with flexible links by the nonlinear MPC, any by a policy.
    Exit status 1 if the controller was in a fallback at the end, such as for a goal out of reach.
    """

    robot: Robot
    """rigid-arm, flexible-arm, or path of an MJCF (.xml), URDF (.urdf) or flexible arm's settings (.toml)."""
    out: Path | None = None
    """Film (.mp4), picture of the last state (.png) or page with film and figures (.html) to write."""
    goal: tuple[float, float, float] | None = None
    """End-effector goal, world frame [m]; by default that of a sampled task."""
    task: int = 0
    """Which sampled task."""
    region: str | None = None
    """Its goal: interior, boundary, singular, joint-limit; with flexible links random or near-wall."""
    duration: float = 3.0
    """Length of the episode [s]."""
    payload: float = 0.0
    """Mass at the end effector that the controller does not know of [kg]."""
    stiffness_scale: float = 1.0
    """Stiffness of the flexible links over what the controller believes; published softer plant: 0.9."""
    noise: bool = True
    """Measure with the published noise (flexible links only)."""
    plant: str | None = None
    """The arm to simulate, where it is not the controller's model; flexible-arm-10 for flexible-arm."""
    end_effector: str | None = None
    """Site or body that is the end effector; by default found by its name or at the tip."""
    policy: Path | None = None
    """A trained policy that drives instead: its .onnx file, or its folder, which then runs in C."""
    walls: DrawnWalls = field(default_factory=DrawnWalls)
    """Wall of the task (flexible links only)."""
    controller: Literal["nmpc", "rest"] | None = None
    """Of an arm with flexible links: nmpc, the nonlinear MPC (default), or rest, the careful rest-to-rest
    controller."""


@dataclass(frozen=True)
class Distill:
    """The whole way: check, collect, train, export, evaluate, report. Run it again to go on after a stop.

    Besides the options below: --preset NAME (quick or full) and --settings FILE (.toml or .json, as
    settings.json in a run folder) set the defaults of all options.
    """

    robot: Robot
    """rigid-arm, or path of an MJCF (.xml) or URDF (.urdf) file, with a motor at every joint."""
    out: Path
    """Folder of the run."""
    settings: Annotated[RunSettings, Flat] = field(default_factory=RunSettings)


@dataclass(frozen=True)
class Collect(Distill):
    """Begin a run and collect its demonstrations. Run it again to go on after a stop.

    Takes --preset NAME and --settings FILE like distill.
    """


@dataclass(frozen=True)
class Train:
    """Train the policies of a run on its demonstrations. Run it again to go on after a stop.

    Without a run: ampc train --algorithm NAME ROBOT --out FOLDER teaches one policy; NAME is bc, dagger,
    gail, airl, density, sac or ppo, and ampc train --algorithm NAME --help lists its options.
    """

    run: RunFolder
    """Folder of the run."""
    settings: Annotated[LearningSettings, Flat] = field(default_factory=LearningSettings)


@dataclass(frozen=True)
class Export:
    """Write every policy of a run as ONNX or C, and prove that it computes what the trained policy does."""

    run: RunFolder
    """Folder of the run."""
    format: Literal["onnx", "c"] = "onnx"
    """onnx: a file for any ONNX runtime and for `ampc evaluate`; c: a folder of C code that needs nothing."""


@dataclass(frozen=True)
class Evaluate:
    """Compare expert, baselines and policies of a run on the same tasks. Goes on after a stop."""

    run: RunFolder
    """Folder of the run."""
    settings: Annotated[EvaluationSettings, Flat] = field(default_factory=EvaluationSettings)


@dataclass(frozen=True)
class Report:
    """Write a run's report: one HTML file with tables, figures and a video."""

    run: RunFolder
    """Folder of the run."""


@dataclass(frozen=True)
class Dataset:
    """Check a dataset and say what is in it."""

    dataset: tyro.conf.Positional[Path]
    """Folder of the dataset, or of the run that it belongs to."""


@dataclass(frozen=True)
class Bench:
    """Time one control step of all controllers of a run in turns, literal IPOPT included."""

    run: RunFolder
    """Folder of the run; its policies must have been exported."""
    tasks: int = 20
    """Tasks to run."""


@dataclass(frozen=True)
class Reproduce:
    """Run studies, and write their tables and figures. Goes on after a stop; finished cells are kept."""

    arm: tyro.conf.Positional[Literal["rigid", "flexible"]]
    """Whose studies."""
    study: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Name of a study; may be given several times. By default all of the arm that take less than two hours
    of one core."""
    all: bool = False
    """Also those that take longer."""
    output: Path | None = None
    """Folder for tables and figures; results/ARM by default, runs/quick/ARM for --quick."""
    cells: Path = Path("runs/cells")
    """Folder for finished cells."""
    quick: bool = False
    """Small versions that show the way, not the answer."""
    workers: int | None = None
    """Cells at a time; None for one a core."""
    seeds: int | None = None
    """Number of training seeds, for studies that can be done in part."""
    steps: int | None = None
    """Control steps that each agent drives, for studies that can be done in part."""
    only: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Beginning of names of cells, such as SAC or "GAIL 0"; may be given several times. Nothing else is run,
    and tables are made of all cells that are there by then; for studies that can be done in part."""
