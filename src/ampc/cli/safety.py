"""``ampc certify`` and ``ampc margins``: how often a loop fails at most, and which margins a model needs."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from ampc.cli.simulate import finer
from ampc.control.safety_settings import CertificateSettings, SafetyFilterSettings
from ampc.episodes.filtered_setup import FilteredSetup, Proposer
from ampc.episodes.held_setup import HeldSetup
from ampc.episodes.setup import RobotSettings
from ampc.errors import SettingsError
from ampc.settings import load_settings, save_settings
from ampc.tasks.flexible import FlexibleRegion
from ampc.workers import count_cores

if TYPE_CHECKING:
    from ampc.evaluation.margins import DerivedMargins


@dataclass(frozen=True)
class Certify:
    """Bound the probability that a loop violates a limit, from as many episodes as that takes.

    Prints "violation probability <= p with confidence 1 - delta", and the same for success. Run it again
    to go on after a stop. Exit status 1 if the bound asked for was not shown.
    """

    robot: tyro.conf.Positional[str]
    """flexible-arm, or path of a flexible arm's settings (.toml): the model of controller and filter."""
    out: Path
    """Folder for episodes and result."""
    policy: Path | None = None
    """Policy that drives, an .onnx file or a saved policy's folder; the nonlinear MPC by default."""
    proposer: Proposer = "own"
    """Who proposes torques: the controller itself (own), the same with its sign flipped, or a hostile one."""
    filter: bool = True
    """Put the safety filter around it."""
    filter_settings: Path | None = None
    """Settings of the filter that differ from the defaults (.toml or .json)."""
    plant: str | None = None
    """The arm to simulate, where it is not the model; flexible-arm-10 for flexible-arm."""
    region: FlexibleRegion = "near-wall"
    """Where the goals are."""
    stiffness_scale: float = 1.0
    """Young's modulus of the plant, relative to what controllers are told."""
    epsilon: float = 0.01
    """Largest probability of a violation that is to be shown."""
    delta: float = 0.05
    """Probability with which the result may be wrong."""
    speed: float | None = None
    """Share of its speed limit above which a motor violates, such as 1.05; not given: speeds do not count."""
    radius: float = 0.05
    """Distance from the goal at the end of a successful episode [m]."""
    duration: float = 3.0
    """Length of an episode [s]."""
    seed: int = 5000
    """Seed of the tasks."""
    workers: int | None = None
    """Processes; None for one a core."""


@dataclass(frozen=True)
class Margins:
    """Measure what margins the safety filter needs for an arm's model, and write them as its settings.

    Episodes of the controller and of random torques, both behind the filter, are compared with what the model
    predicts: estimation error, missing segments, noise and other material are all in what is found. Arms
    count as calm or agitated as the filter's certificate has it.
    """

    robot: tyro.conf.Positional[str]
    """flexible-arm, or path of a flexible arm's settings (.toml): the model of the filter."""
    out: Path
    """File to write (.json); give it to `ampc certify --filter-settings`. What was measured is written beside
    it (.md)."""
    policy: Path | None = None
    """Policy that drives where the controller itself proposes, an .onnx file or a saved policy's folder; the
    nonlinear MPC by default."""
    filter_settings: Path | None = None
    """Settings of the filter that differ from the defaults (.toml or .json): what counts as agitated."""
    plant: str | None = None
    """The arm to simulate, where it is not the model; flexible-arm-10 for flexible-arm."""
    stiffness_scales: tuple[float, ...] = (1.0, 0.9)
    """Young's moduli of the plants that the margins are for, relative to the model's."""
    proposers: tuple[Proposer, ...] = ("own", "random")
    """Who proposes torques."""
    tasks: int = 20
    """Tasks near the wall for each plant and proposer."""
    duration: float = 1.0
    """Length of an episode [s]."""
    quantile: float = 0.99
    """Share of the predictions that the margins cover."""
    seed: int = 1600
    """Seed of the tasks."""


def certify(options: Certify, console: Console) -> int:
    """Run episodes until the bound is shown or cannot be."""
    from ampc.evaluation.certificate import CertificateGoal
    from ampc.experiments import Store
    from ampc.experiments.flexible.certification import Judgement, certify_loop
    from ampc.experiments.flexible.safety_trial import FilteredContestant
    from ampc.experiments.flexible.trial import FlexibleTasks

    setup = _setup(options.robot, options.plant, options.policy)
    setup = dataclasses.replace(
        setup,
        proposer=options.proposer,
        filtered=options.filter,
        filter=_filter_settings(options.filter_settings),
    )
    _, controller = setup.build()  # what cannot run is refused at once
    contestant = FilteredContestant(controller.name, setup, fingerprint=_fingerprint(options.policy))
    tasks = FlexibleTasks(options.region, options.seed, stiffness_scale=options.stiffness_scale)
    found = certify_loop(
        contestant,
        tasks,
        CertificateGoal(options.epsilon, options.delta),
        Store(options.out / "cells"),
        Judgement(options.speed, options.radius),
        options.duration,
        options.workers or count_cores(),
        console,
    )
    settings = dataclasses.asdict(options)
    facts = ", ".join(f"{name} {value}" for name, value in settings.items() if name not in ("out", "workers"))
    console.print(str(found), highlight=False, soft_wrap=True)
    console.print(f"({facts})", style="dim", highlight=False, soft_wrap=True)
    (options.out / "certificate.txt").write_text(f"{controller.name}\n{found}\n({facts})\n", encoding="utf-8")
    return int(found.violations.verdict != "certified")


def margins(options: Margins, console: Console) -> int:
    """Measure, print and write."""
    from ampc.evaluation.margins import derive_margins
    from ampc.evaluation.prediction_error import combine, measure_prediction_errors
    from ampc.experiments.flexible.trial import FlexibleTasks

    if options.out.suffix != ".json":
        raise SettingsError(f"--out {options.out}: give a file that ends in .json")
    settings = _filter_settings(options.filter_settings)
    base = _setup(options.robot, options.plant, options.policy)
    found = []
    for proposer in options.proposers:
        plant, controller = dataclasses.replace(base, proposer=proposer, filter=settings).build()
        for scale in options.stiffness_scales:
            tasks = FlexibleTasks("near-wall", options.seed, 0, options.tasks, scale).sample(plant.robot)
            model = base.filter_robot.load()
            found.append(
                measure_prediction_errors(
                    plant, plant.robot, controller, model, tasks, options.duration, settings.certificate
                )
            )
    derived = derive_margins(combine(found), settings.certificate, options.quantile)
    save_settings(dataclasses.replace(settings, certificate=derived.certificate), options.out)
    rows = [("", "of these settings", "recommended"), *_compared(settings.certificate, derived)]
    facts = ", ".join(f"{k} {v}" for k, v in dataclasses.asdict(options).items() if k != "out")
    summary = f"{derived.calm} predictions of calm arms, {derived.agitated} of agitated ones ({facts})"
    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*row)
    console.print(table)
    console.print(summary, highlight=False, soft_wrap=True)
    console.print(f"settings: [bold]{options.out}[/]", soft_wrap=True)
    lines = [f"| {' | '.join(row)} |" for row in (rows[0], ("---",) * 3, *rows[1:])]
    text = "\n".join(["# Margins of the safety filter", "", f"`ampc margins`: {summary}", "", *lines, ""])
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    return 0


def _compared(base: CertificateSettings, derived: "DerivedMargins") -> list[tuple[str, str, str]]:
    """Figures of the settings that the filter had, and of those that were found."""
    found = derived.certificate

    def pair(name: str, factor: float, key: str) -> tuple[str, str, str]:
        before, after = (
            ", ".join(f"{factor * v:.4g}" for v in np.atleast_1d(getattr(each, key)))
            for each in (base, found)
        )
        return name, before, after

    left = [[f"{100 * v:.2g}" for v in shares] for shares in (derived.uncovered, derived.left)]
    return [
        pair("margins of a calm arm, by point [mm]", 1e3, "margins"),
        pair("of an agitated one [mm]", 1e3, "agitated"),
        pair("growth [mm/m]", 1e3, "growth"),
        pair("share of speed limits", 1.0, "speed_factor"),
        pair("jolts, by motor [rad/s/(N m)]", 1.0, "jolt"),
        ("predictions of calm arms that are beyond them [%]", left[0][0], left[1][0]),
        ("of agitated ones [%]", left[0][1], left[1][1]),
    ]


def _setup(robot: str, plant: str | None, policy: Path | None) -> FilteredSetup:
    model = RobotSettings(robot)
    kind: Literal["policy", "nmpc"] = "policy" if policy is not None else "nmpc"
    loop = HeldSetup(model, RobotSettings(plant or finer(robot)), kind=kind, policy=policy)
    return FilteredSetup(loop, filter_robot=model)


def _filter_settings(path: Path | None) -> SafetyFilterSettings:
    if path is None:
        return SafetyFilterSettings()
    return load_settings(SafetyFilterSettings, path)


def _fingerprint(policy: Path | None) -> str:
    """Hash of a policy's files."""
    if policy is None:
        return ""
    files = sorted(policy.glob("policy.*")) if policy.is_dir() else [policy]
    if not files or not files[0].exists():
        raise SettingsError(f"there is no policy at {policy}")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
