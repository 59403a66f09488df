"""Study: what a label and a control step cost."""

from collections.abc import Mapping
from typing import cast

from ampc.episodes.setup import ControllerKind, ControllerSettings
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.architectures import ARCHITECTURES, EPOCHS
from ampc.experiments.rigid.label_cost import LabelCost, States
from ampc.experiments.rigid.protocol import EVALUATION_SEED, cloned, demonstrations
from ampc.experiments.rigid.step_times import Contestant, StepTimes
from ampc.experiments.rigid.trial import TaskSet
from ampc.experiments.study import Findings, Row, Study
from ampc.policies.spec import NetworkSettings
from ampc.report.studies import Panel, draw_panels

STATES: tuple[States, ...] = ("closed-loop", "uniform")
KINDS = ("mpc-ipopt", "mpc", "lqr", "table")
CONTROL_STEP = "control step"


def cells(quick: bool) -> Mapping[str, Cell]:
    """Label costs on two kinds of states, and all controllers in turns."""
    data = demonstrations(0, quick)
    contestants = [Contestant(kind, ControllerSettings(kind=cast(ControllerKind, kind))) for kind in KINDS]
    contestants += [
        Contestant(
            name,
            ControllerSettings(),
            cloned(data, 0, quick, network=NetworkSettings(name), epochs=EPOCHS[name]),
        )
        for name in ARCHITECTURES
    ]
    tasks = TaskSet("interior", 2 if quick else 20, EVALUATION_SEED)
    found: dict[str, Cell] = {states: LabelCost(states, trajectories=4 if quick else 40) for states in STATES}
    return found | {CONTROL_STEP: StepTimes(tuple(contestants), tasks)}


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Times, speed-ups against the literal and against the honest solver, and errors."""
    labels: list[Row] = []
    for states in STATES:
        measured = store.values(cells[states])["rows"]
        cold, honest = measured[0]["p50"], next(r["p50"] for r in measured if "DAQP" in r["solver"])
        labels += [
            {
                "states": states,
                "solver": row["solver"],
                "p50 [µs]": row["p50"],
                "p99 [µs]": row["p99"],
                "cold IPOPT / this": cold / row["p50"] if row["p50"] else None,
                "exact DAQP / this": honest / row["p50"] if row["p50"] else None,
                "max |u - exact| [rad/s²]": row["worst_error"],
            }
            for row in measured
        ]
    measured = store.values(cells[CONTROL_STEP])["rows"]
    honest = next(row["p50"] for row in measured if row["controller"] == "mpc")
    steps: list[Row] = [
        {
            "controller": row["controller"],
            "p50 [µs]": 1e6 * row["p50"],
            "p99 [µs]": 1e6 * row["p99"],
            "longest [µs]": 1e6 * row["max"],
            "IPOPT / this": 1.0 / row["ratio"],
            "IPOPT / this, interval": f"{1.0 / row['ratio_high']:.4g} to {1.0 / row['ratio_low']:.4g}",
            "exact MPC / this": honest / row["p50"],
            "below 1 ms (median)": row["p50"] < 1e-3,
            "below 1 ms (p99)": row["p99"] < 1e-3,
            "below 2 ms period (longest)": row["max"] < 2e-3,
        }
        for row in measured
    ]
    series: dict[str, dict[float | str, tuple[float, float, float]]] = {
        "median to 99th percentile": {
            str(row["controller"]): (1e6 * row["p50"], 1e6 * row["p50"], 1e6 * row["p99"]) for row in measured
        }
    }
    marks = {"1 ms: the paper's mark": 1000.0, "50 ms: what the paper says its MPC takes": 50_000.0}
    figure = draw_panels([Panel("time per control step", series, "time [µs]", log_y=True, marks=marks)])
    return Findings({"labels": labels, "control_steps": steps}, {"control_steps": figure}, NOTES)


NOTES = (
    "One process, one thread, nothing of this study beside it. A label is the first command of all three "
    "joints. A control step is `act`: feedback law and computed torque in Python; controllers take turns.",
)
STUDY = Study(
    "solver-cost",
    "What a label and a control step cost",
    "How slow is the literal MPC (CasADi with IPOPT), how fast is the same problem solved exactly, and how "
    "much faster is a network than each?",
    cells,
    findings,
    workers=1,
)
