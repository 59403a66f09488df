"""Study: the command applied directly as a torque, as the specification has it."""

from collections.abc import Mapping
from dataclasses import replace

from ampc.control.feedback import TorqueLawName
from ampc.episodes.setup import ControllerSettings, EpisodeSetup, RobotSettings
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, point, rows
from ampc.experiments.rigid.protocol import (
    EVALUATION_SEED,
    cloned,
    demonstrations,
    seeds,
    trial_of,
    with_seed,
)
from ampc.experiments.rigid.trial import TaskSet, Trial
from ampc.experiments.study import Findings, Row, Study
from ampc.plants import PlantSettings
from ampc.report.studies import Panel, Point, draw_panels
from ampc.solvers import JointMPCSettings

ARMATURES = (0.05, 0.1, 0.3, 1.0)
RATES = (20, 100, 500)
LITERAL: TorqueLawName = "gravity-compensation"
IMITATED = (0.3, 1.0)
"""Armatures at which a policy is taught the literal mode at 20 Hz."""
TASKS = 100


def law_name(law: str, rate: int) -> str:
    """A controller's name in the tables."""
    return f"{law}, {rate} Hz"


EXPERT = law_name("computed torque", RATES[0])
IMITATOR = law_name("FFN of the literal MPC", RATES[0])


def of_armature(armature: float, quick: bool) -> dict[str, Cell]:
    """All loops of one arm, by the controller's name."""
    sets = (TaskSet("interior", 10 if quick else TASKS, EVALUATION_SEED),)
    robot = RobotSettings(armature=armature)
    found: dict[str, Cell] = {}
    for rate in RATES:
        plant = PlantSettings(control_period=1.0 / rate)
        laws = {
            "computed torque": ControllerSettings(),
            "literal": ControllerSettings(torque_law=LITERAL),
        }
        if rate != RATES[0]:
            short = JointMPCSettings(step=plant.control_period)
            laws["literal, dt = period"] = ControllerSettings(torque_law=LITERAL, mpc=short)
        found |= {
            law_name(law, rate): Trial(sets, each, plant=plant, robot=robot) for law, each in laws.items()
        }
    if armature in IMITATED:
        setup = EpisodeSetup(robot, ControllerSettings(torque_law=LITERAL))
        for seed in seeds(quick):
            data = replace(demonstrations(seed, quick), setup=setup)
            found[with_seed(IMITATOR, seed)] = trial_of(cloned(data, seed, quick), sets)
    return found


def cells(quick: bool) -> Mapping[str, Cell]:
    """All loops of all arms."""
    return {
        f"{armature:g} kg m², {name}": cell
        for armature in ARMATURES
        for name, cell in of_armature(armature, quick).items()
    }


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Success and accuracy by armature, law and rate."""
    table: list[Row] = []
    success: dict[str, dict[float | str, Point]] = {}
    for armature in ARMATURES:
        prefix = f"{armature:g} kg m², "
        own = {name.removeprefix(prefix): cell for name, cell in cells.items() if name.startswith(prefix)}
        summary = compare(own, store, EXPERT)
        of_arm = rows(summary, ("interior",), **{"armature [kg m²]": armature})
        table += of_arm
        for row in of_arm:
            name = str(row["method"])
            success.setdefault(name, {})[armature] = point(summary, "interior", name, "success", scale=100.0)
    panels = [
        Panel(
            f"{rate} Hz",
            {
                name.removesuffix(f", {rate} Hz"): points
                for name, points in success.items()
                if name.endswith(f" {rate} Hz")
            },
            "success [%]",
            "armature [kg m²]",
            log_x=True,
        )
        for rate in RATES
    ]
    return Findings({"figures": table}, {"armature": draw_panels(panels, 3, share_y=True)}, NOTES)


NOTES = (
    "Literal: torque = u + g(q) with the MPC's command u as a torque [N m], which presumes unit inertia. "
    "Computed torque: M(q) u + bias, u as an acceleration. The MPC plans with dt = 0.05 s, N = 20 at every "
    "rate, except where dt = period is said. The armature is the motor inertia of every joint. Policies are "
    "taught the literal MPC at 20 Hz.",
)
STUDY = Study(
    "torque-mode",
    "The command as a torque",
    "The specification sends the MPC's double-integrator command to the motors as a torque. For which motor "
    "inertias and rates does that work?",
    cells,
    findings,
)
