"""``ampc distill`` for arms with flexible links: DAgger from the nonlinear MPC, export, evaluation."""

import re
import shutil
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from ampc.cli.simulate import finer
from ampc.cli.stopping import stopping_at_once
from ampc.cli.walls import DrawnWalls
from ampc.episodes.files import read_json, write_json
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.errors import SettingsError
from ampc.policies.settings import Architecture
from ampc.provenance import provenance
from ampc.settings import differences, to_dict

OPTIONS_FILE = "distill.json"
UNSHAPING = ("out", "tasks", "workers")
"""Options that may be others when a run is gone on with."""
OF_FILES = ("--out", "--settings", "--data", "--begin-with")
"""Options whose values are files: what they are called says nothing of the arm."""
TASKS = {"quick": 2, "full": 20}
POLICY_FILES = ("policy.json", "policy.safetensors", "policy.onnx")
SHOWN = ("plant", "goals", "controller", "median at 3 s [mm]", "within 1 cm at 3 s [%]")


@dataclass(frozen=True)
class DistillFlexible:
    """Turn the nonlinear MPC of a flexible arm into a network. Run it again to go on after a stop.

    Demonstrations, rounds of DAgger, export (ONNX; the same folder runs in C), the comparison with the
    expert on the plant that it is told and on a softer one, and a report with a film.
    """

    robot: tyro.conf.Positional[str]
    """flexible-arm, or path of a flexible arm's settings (.toml)."""
    out: Path
    """Folder of the run."""
    preset: str = "full"
    """full: the labels of the study `distillation`; quick: 8,000, to see the whole way in a minute or two."""
    seed: int = 0
    """Seed of tasks, weights and batches."""
    architecture: Architecture = "ffn"
    """Network of the policy."""
    walls: DrawnWalls = field(default_factory=DrawnWalls)
    """Walls of the tasks in which the policy is taught and compared; it sees on which side they stand."""
    filtered: bool = False
    """Put the safety filter between the arm and who drives it while the policy is taught. The policy that
    comes of it is compared without."""
    tasks: int | None = None
    """Tasks of each region on which policy and expert are compared, on both plants; by default 20, or 2 with
    the preset quick."""
    workers: int | None = None
    """Processes; None for one a core."""


def is_flexible(arguments: list[str]) -> bool:
    """Whether the arm that a command line names, wherever in it, has flexible links."""
    words = (word for before, word in pairwise(["", *arguments]) if before not in OF_FILES)
    return any(re.match(r"flexible-arm|[^-].*\.toml(-\d+)?$", word) for word in words)


def distill_flexible(options: DistillFlexible, console: Console) -> int:
    """Teach, export and evaluate one policy."""
    from ampc.experiments import Store, reproduce, require_preset
    from ampc.experiments.flexible.distillation import EXPERT, TAUGHT
    from ampc.experiments.flexible.page import write_page
    from ampc.experiments.flexible.single import policy_of, single_study

    budget, walls = require_preset(options.preset), options.walls.settings
    setup = FlexibleSetup(RobotSettings(options.robot), RobotSettings(finer(options.robot)))
    plant, _ = setup.build()  # what cannot run is refused before hours of work
    if walls is not None:
        walls.replaced(plant.robot)
    workers = _claim(options, setup.build_model().fingerprint)
    policy = policy_of(setup, options.seed, budget, workers, options.architecture, walls, options.filtered)
    study = single_study(policy, options.tasks or TASKS[options.preset])
    store = Store(options.out / "cells")
    with stopping_at_once():
        results = reproduce([study], store, options.out, workers=options.workers, console=console)
    found = results[study.name]
    folder = options.out / "policy"
    folder.mkdir(exist_ok=True)
    for name in POLICY_FILES:
        shutil.copy2(store.folder(policy) / name, folder / name)
    page = write_page(
        options.out / "report.html",
        {EXPERT: setup, TAUGHT: replace(setup, kind="policy", policy=folder)},
        found,
        _facts(options, store.values(policy)["labels"], store.seconds(policy)),
        walls,
    )
    table = Table(*SHOWN)
    for row in found.tables["accuracy"]:
        values = (row[name] for name in SHOWN)
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in values))
    console.print(table)
    console.print(f"policy: [bold]{folder}[/]", soft_wrap=True)
    console.print(f"figures: [bold]{options.out / study.name}[/]", soft_wrap=True)
    console.print(f"report: [bold]{page}[/]", soft_wrap=True)
    return 0


def _claim(options: DistillFlexible, robot: str) -> int | None:
    """Write down what a folder is for, or refuse one that is for something else.

    Returns:
        The number of processes with which the policy was begun: a cell of its own for each number.
    """
    asked = to_dict(options) | {"robot": robot}
    path = options.out / OPTIONS_FILE
    if not path.exists():
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(path, {"options": asked, "provenance": provenance()})
    begun = read_json(path)["options"]
    before, now = ({name: each[name] for name in each if name not in UNSHAPING} for each in (begun, asked))
    if changes := differences(before, now):
        raise SettingsError(
            f"{options.out} holds another policy:\n  "
            + "\n  ".join(changes)
            + "\nChoose another folder, or go back to those options"
        )
    workers: int | None = begun["workers"]
    return workers


def _facts(options: DistillFlexible, labels: int, seconds: float) -> tuple[tuple[str, str], ...]:
    origin, walls = provenance(), options.walls.distance
    return (
        ("labels", f"{labels:,}"),
        ("collected and trained in", f"{seconds / 60.0:.1f} min"),
        ("preset", options.preset),
        ("network", options.architecture),
        ("walls", "the robot's" if walls is None else f"drawn, {walls[0]:g} to {walls[1]:g} m from joint 1"),
        ("taught behind the safety filter", "yes" if options.filtered else "no"),
        ("seed", str(options.seed)),
        ("commit", str(origin["commit"])),
        ("date", origin["date"]),
    )
