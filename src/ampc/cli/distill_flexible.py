"""``ampc distill`` for arms with flexible links: DAgger from the nonlinear MPC, export, evaluation."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.table import Table

from ampc.cli.simulate import finer
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.policies.settings import Architecture
from ampc.provenance import provenance

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
    preset: Literal["quick", "full"] = "full"
    """full: the labels of the study `distillation`; quick: 8,000, to see the whole way in a minute or two."""
    seed: int = 0
    """Seed of tasks, weights and batches."""
    architecture: Architecture = "ffn"
    """Network of the policy."""
    tasks: int | None = None
    """Tasks of each region on which policy and expert are compared, on both plants; by default 20, or 2 with
    the preset quick."""
    workers: int | None = None
    """Processes; None for one a core."""


def is_flexible(arguments: list[str]) -> bool:
    """Whether the arm that a command line names has flexible links."""
    return any(word.startswith("flexible-arm") or word.endswith(".toml") for word in arguments[:1])


def distill_flexible(options: DistillFlexible, console: Console) -> int:
    """Teach, export and evaluate one policy."""
    from ampc.experiments import Store, reproduce
    from ampc.experiments.flexible.distillation import EXPERT, TAUGHT
    from ampc.experiments.flexible.page import write_page
    from ampc.experiments.flexible.single import policy_of, single_study

    setup = FlexibleSetup(RobotSettings(options.robot), RobotSettings(finer(options.robot)))
    setup.build()  # what cannot run is refused before hours of work
    policy = policy_of(setup, options.seed, options.preset, options.workers, options.architecture)
    study = single_study(policy, options.tasks or TASKS[options.preset])
    store = Store(options.out / "cells")
    found = reproduce([study], store, options.out, workers=options.workers, console=console)[study.name]
    folder = options.out / "policy"
    folder.mkdir(exist_ok=True)
    for name in POLICY_FILES:
        shutil.copy2(store.folder(policy) / name, folder / name)
    page = write_page(
        options.out / "report.html",
        {EXPERT: setup, TAUGHT: replace(setup, kind="policy", policy=folder)},
        found,
        _facts(options, store.values(policy)["labels"], store.seconds(policy)),
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


def _facts(options: DistillFlexible, labels: int, seconds: float) -> tuple[tuple[str, str], ...]:
    origin = provenance()
    return (
        ("labels", f"{labels:,}"),
        ("collected and trained in", f"{seconds / 60.0:.1f} min"),
        ("preset", options.preset),
        ("network", options.architecture),
        ("seed", str(options.seed)),
        ("commit", str(origin["commit"])),
        ("date", origin["date"]),
    )
