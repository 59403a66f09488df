"""``ampc train --algorithm NAME ROBOT --out FOLDER``: one policy by any algorithm, on any arm."""

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
import tyro
from rich.console import Console

from ampc.cli.distill_flexible import is_flexible
from ampc.cli.simulate import finer
from ampc.cli.walls import DrawnWalls
from ampc.episodes.files import read_json, write_json
from ampc.episodes.setup import EpisodeSetup, RobotSettings
from ampc.errors import SettingsError
from ampc.learning.algorithms import algorithm_names, algorithm_of
from ampc.provenance import provenance
from ampc.settings import to_dict

LESSON_FILE = "lesson.json"
FIRST_SEED = 3000
"""Seed of the tasks of the first lesson; those of the next ones follow. Evaluations have others."""

Own = TypeVar("Own")


@dataclass(frozen=True)
class Teach(Generic[Own]):
    """Teach one policy. Run it again to go on after a stop.

    The arm's expert demonstrates and answers, for algorithms that ask for it. The folder receives what was
    demonstrated, checkpoint, logs (training.csv, tensorboard), policy.json with policy.safetensors, which run
    in C, and policy.onnx.
    """

    robot: tyro.conf.Positional[str]
    """rigid-arm, flexible-arm, or path of an MJCF (.xml), URDF (.urdf) or flexible arm's settings (.toml)."""
    out: Path
    """Folder of the lesson."""
    own: Annotated[Own, tyro.conf.arg(name="")]
    """Of the algorithm."""
    demonstrations: int = 100
    """Episodes of the expert, for algorithms that imitate without asking (bc, gail, airl, density)."""
    data: Path | None = None
    """Dataset of demonstrations that is there already, such as that of another lesson with the same seed."""
    seed: int = 0
    """Seed of tasks, weights, batches and exploration."""
    duration: float | None = None
    """Length of the episodes [s]; None for 3, or 2 with flexible links."""
    workers: int | None = None
    """Processes in which the expert demonstrates; None for one a core."""
    walls: DrawnWalls = field(default_factory=DrawnWalls)
    """Walls of the tasks, of arms with flexible links; the policy sees on which side they stand."""
    filtered: bool = False
    """Put the safety filter between an arm with flexible links and who drives it while dagger teaches.
    Agents have --experience.filtered."""


def is_lesson(arguments: list[str]) -> bool:
    """Whether a command line of ``train`` asks for one policy, and not for those of a run."""
    name = _name_in(arguments)
    of_runs = ("bc", "dagger", "both")
    return (name is not None and name not in of_runs) or any(
        word == "--out" or word.startswith("--out=") for word in arguments
    )


def teach(arguments: list[str], console: Console) -> int:
    """Teach and export one policy."""
    name = _name_in(arguments)
    if name is None:
        raise SettingsError(f"--algorithm is missing; choose one of {', '.join(algorithm_names())}")
    algorithm = algorithm_of(name)
    rest = _rest_of(arguments)
    own = _defaults(name, is_flexible(rest))
    kind: Any = Teach[algorithm.settings]  # type: ignore[name-defined]
    options = tyro.cli(
        kind,
        args=rest,
        prog=f"ampc train --algorithm {name}",
        description=f"{name}: {algorithm.summary}.",
        default=Teach(tyro.MISSING, tyro.MISSING, own),
    )
    lesson = _lesson(options, name)
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    asked = to_dict(replace(options, own=None)) | {"own": to_dict(options.own)}
    record = folder / LESSON_FILE
    before = read_json(record) if record.exists() else None
    write_json(record, {"algorithm": name, "options": asked, "provenance": provenance()})
    try:
        policy = algorithm.learn(lesson, options.own, folder, console)
    except SettingsError:  # refused: what is in the folder is still that of the old settings
        if before is not None:
            write_json(record, before)
        raise
    from ampc.export.onnx import export_onnx

    path = folder / "policy.onnx"
    parity = export_onnx(policy, path)
    console.print(f"policy: [bold]{path}[/] (parity {parity.raw_command:.1e})", soft_wrap=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--algorithm")
    return parser


def _name_in(arguments: list[str]) -> str | None:
    name: str | None = _parser().parse_known_args(arguments)[0].algorithm
    return name


def _rest_of(arguments: list[str]) -> list[str]:
    return _parser().parse_known_args(arguments)[1]


def _defaults(name: str, flexible: bool) -> Any:
    """Default settings of an algorithm: those of the studies, where these have some for the arm."""
    kind = algorithm_of(name).settings
    if not flexible:
        return kind()
    from ampc.experiments.flexible.policies import DAGGER, NETWORK, TRAINING

    if name == "bc":
        return kind(training=TRAINING, network=NETWORK)
    if name == "dagger":
        return kind(dagger=DAGGER, training=TRAINING, network=NETWORK)
    return kind()


def _lesson(options: Teach[Any], algorithm: str) -> Any:
    """What is to be learned.

    Raises:
        SettingsError: Options that do not go together.
    """
    from ampc.episodes.collection_settings import CollectionSettings
    from ampc.learning.dagger import Teaching
    from ampc.learning.lesson import Lesson
    from ampc.tasks import TaskSettings

    if options.duration is not None and not 0.0 < options.duration < np.inf:
        raise SettingsError(f"duration is {options.duration}; it must be a positive time in seconds")
    if options.filtered and algorithm != "dagger":
        raise SettingsError(
            f"--filtered is for dagger, in which the policy drives while it is taught, not for {algorithm}"
        )
    if is_flexible([options.robot]):
        from ampc.control.nonlinear_mpc_settings import preset
        from ampc.episodes.flexible_setup import FlexibleSetup
        from ampc.experiments.flexible.policies import DURATION, TRAINING_TASKS, teaching
        from ampc.experiments.flexible.taught import guarded

        robots = RobotSettings(options.robot), RobotSettings(finer(options.robot))
        setup = FlexibleSetup(*robots, nmpc=preset("tuned"))
        if options.filtered:
            setup = guarded(setup)
        given = teaching(options.seed, setup, options.duration or DURATION)
        collection = replace(given.collection, workers=options.workers)
        tasks = replace(TRAINING_TASKS, walls=options.walls.settings)
        lessons = replace(given, collection=collection, tasks=tasks)
    else:
        if options.filtered or options.walls != DrawnWalls():
            raise SettingsError(
                f"--walls and --filtered are for arms with flexible links; {options.robot} is none"
            )
        collection = CollectionSettings(
            seed=FIRST_SEED + options.seed, max_duration=options.duration or 3.0, workers=options.workers
        )
        lessons = Teaching(EpisodeSetup(RobotSettings(options.robot)), TaskSettings(), collection)
    return Lesson(lessons, options.demonstrations, options.seed, options.data)
