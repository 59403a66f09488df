"""``ampc certify`` and ``ampc margins``: how often a loop fails at most, and which margins a model needs."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    predicts: estimation error, missing segments, noise and other material are all in what is found.
    """

    robot: tyro.conf.Positional[str]
    """flexible-arm, or path of a flexible arm's settings (.toml): the model of the filter."""
    out: Path
    """File to write (.json); give it to `ampc certify --filter-settings`."""
    plant: str | None = None
    """The arm to simulate, where it is not the model; flexible-arm-10 for flexible-arm."""
    stiffness_scales: tuple[float, ...] = (1.0, 0.9)
    """Young's moduli of the plants that the margins are for, relative to the model's."""
    proposers: tuple[Proposer, ...] = ("own", "random")
    """Who proposes torques."""
    tasks: int = 10
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
    from ampc.evaluation.prediction_error import (
        PredictionErrorSettings,
        combine,
        measure_prediction_error,
    )
    from ampc.experiments.flexible.trial import FlexibleTasks

    if options.out.suffix != ".json":
        raise SettingsError(f"--out {options.out}: give a file that ends in .json")
    base = _setup(options.robot, options.plant, None)
    table = Table("proposer", "stiffness", "predictions", "margins [mm]", "growth [mm/m]", "speed [%]")
    found = []
    for proposer in options.proposers:
        plant, controller = dataclasses.replace(base, proposer=proposer).build()
        for scale in options.stiffness_scales:
            tasks = FlexibleTasks("near-wall", options.seed, 0, options.tasks, scale).sample(plant.robot)
            error = measure_prediction_error(
                plant,
                plant.robot,
                controller,
                base.filter_robot.load(),
                tasks,
                options.duration,
                PredictionErrorSettings(quantile=options.quantile),
            )
            found.append(error)
            lengths = (" ".join(f"{1e3 * v:.1f}" for v in values) for values in (error.margins, error.growth))
            speed = f"{100.0 * error.excess_speed:.1f}"
            table.add_row(proposer, f"{scale:g}", str(error.predictions), *lengths, speed)
    certificate = combine(found).certificate(CertificateSettings())
    save_settings(dataclasses.replace(SafetyFilterSettings(), certificate=certificate), options.out)
    console.print(table)
    console.print(f"settings: [bold]{options.out}[/]", soft_wrap=True)
    return 0


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
