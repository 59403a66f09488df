"""Study: all of the paper's claims, from the tables of the other studies."""

from collections.abc import Iterator, Mapping, Sequence

from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid import (
    adaptive_history,
    architectures,
    history,
    inputs,
    label_efficiency,
    randomisation,
    rate_transfer,
    regions,
    solver_cost,
    torque_mode,
)
from ampc.experiments.rigid.conditions import CONDITIONS
from ampc.experiments.study import Findings, Row, Study, Value

SOURCES = {
    module.STUDY.name: module.STUDY
    for module in (
        architectures,
        inputs,
        regions,
        history,
        adaptive_history,
        randomisation,
        rate_transfer,
        torque_mode,
        label_efficiency,
        solver_cost,
    )
}
Tables = Mapping[str, Mapping[str, Sequence[Row]]]


def cells(quick: bool) -> Mapping[str, Cell]:
    """Cells of the other studies; none is run again for this one."""
    return {
        f"{name}/{cell}": it for name, study in SOURCES.items() for cell, it in study.cells(quick).items()
    }


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """One row for every claim and case."""
    tables = {
        name: study.findings(
            {key.removeprefix(f"{name}/"): cell for key, cell in cells.items() if key.startswith(f"{name}/")},
            store,
        ).tables
        for name, study in SOURCES.items()
    }
    parts = (speed, accuracy, targets, regions_lost, past, windows, unknown_plants, rates, torques, labels)
    return Findings({"claims": [row for part in parts for row in part(tables)]}, {}, NOTES)


def speed(tables: Tables) -> Iterator[Row]:
    """What a step takes."""
    steps = tables["solver-cost"]["control_steps"]
    for name in architectures.ARCHITECTURES:
        row = find(steps, controller=name)
        for column in ("p50 [µs]", "p99 [µs]"):
            yield at_most("inference below 1 ms", f"{name}, {column[:3]}", row, column, 1000.0)
    literal, network = find(steps, controller="mpc-ipopt"), find(steps, controller="ffn")
    yield at_least("the MPC takes more than 50 ms", "CasADi with IPOPT", literal, "p50 [µs]", 50_000.0)
    yield at_least("25 times faster than the MPC", "ffn, against IPOPT", network, "IPOPT / this", 25.0)
    yield at_least("25 times faster than the MPC", "ffn, against exact", network, "exact MPC / this", 25.0)


def accuracy(tables: Tables) -> Iterator[Row]:
    """RMSE and settling against the expert."""
    figures = tables["architectures"]["figures"]
    expert = find(figures, tasks="interior", method="mpc")
    for name in architectures.ARCHITECTURES:
        row = find(figures, tasks="interior", method=name)
        for percent in (10, 5):
            yield at_most(f"RMSE within {percent} %", name, row, "RMSE / expert", 1.0 + percent / 100)
        ratio = number(row, "t95 p95 [s]") / number(expert, "t95 p95 [s]")
        yield at_most("t95 comparable: p95 within 10 %", name, {"ratio": ratio}, "ratio", 1.1)
        yield at_least("stricter: success >= 99.5 %", name, row, "success [%]", 99.5)
        yield at_most("stricter: steady error p95 <= 1 mm", name, row, "steady error p95 [mm]", 1.0)


def targets(tables: Tables) -> Iterator[Row]:
    """What has to be told."""
    figures = tables["inputs"]["figures"]
    names = [*inputs.INPUTS, inputs.OWN_REFERENCE, inputs.REFINED]
    for name in names:
        row = find(figures, tasks="interior", method=name)
        yield at_least("reaches random targets, interior", name, row, "success [%]", 99.0)
    for region in ("boundary", "singular"):
        for name in names[-2:]:
            row = find(figures, tasks=region, method=name)
            yield at_least(f"reaches random targets, {region}", name, row, "success [%]", 95.0)


def regions_lost(tables: Tables) -> Iterator[Row]:
    """Out of distribution."""
    for name in regions.INPUTS:
        row = find(
            tables["regions"]["figures"],
            tasks="out-of-distribution",
            method=regions.method(name, "interior"),
        )
        yield at_least(
            "less than 15 % of success lost out of distribution",
            name,
            row,
            "success - expert [points]",
            -15.0,
        )


def past(tables: Tables) -> Iterator[Row]:
    """History against the present state alone."""
    for condition in CONDITIONS:
        rows = [row for row in tables["history"]["figures"] if row["tasks"] == condition]
        methods = {str(row["method"]): row for row in rows}
        without = methods[history.method("states", 1)]
        for inputs_ in history.PAST:
            row = methods[history.method(inputs_, 10)]
            yield better("history helps", f"{condition}: {inputs_}, H = 10 against H = 1", row, without)


def windows(tables: Tables) -> Iterator[Row]:
    """Windows near singularities."""
    figures = tables["adaptive-history"]["figures"]
    adaptive = "2 to 20, longer near singularities"
    for condition in adaptive_history.STUDIED:
        for region in adaptive_history.REGIONS:
            longest = find(figures, condition=condition, tasks=region, method="fixed, 20")
            short = find(figures, condition=condition, tasks=region, method="fixed, 2")
            yield better("history helps, above all near singularities",
                         f"{condition}, {region}: 20 states against 2", longest, short)  # fmt: skip
            ours = find(figures, condition=condition, tasks=region, method=adaptive)
            fixed = find(figures, condition=condition, tasks=region, method="fixed, 10")
            yield better("adaptive windows help", f"{condition}, {region}: against 10 states", ours, fixed)


def unknown_plants(tables: Tables) -> Iterator[Row]:
    """Robustness to plants that nobody knows."""
    for name in randomisation.STUDIED:
        for tasks in ("in range", "beyond"):
            row = find(tables["randomisation"]["figures"], condition=name, tasks=tasks, method="DAgger")
            required = 100.0 * (CONDITIONS[name].required or 0.95)
            yield at_least("robust by domain randomisation", f"{name}, {tasks}", row, "success [%]", required)


def rates(tables: Tables) -> Iterator[Row]:
    """20 Hz in training, 500 Hz in use."""
    for row in tables["rate-transfer"]["figures"]:
        if str(row["method"]).startswith("FFN") and "500 Hz" in str(row["method"]):
            yield at_most("runs at 500 Hz: RMSE within 5 %", str(row["method"]), row, "RMSE / expert", 1.05)


def torques(tables: Tables) -> Iterator[Row]:
    """The literal torque mode."""
    for row in tables["torque-mode"]["figures"]:
        if str(row["method"]).startswith("literal,") and "period" not in str(row["method"]):
            case = f"armature {row['armature [kg m²]']} kg m², {row['method']}"
            yield at_least("the command may be sent as a torque", case, row, "success [%]", 99.0)


def labels(tables: Tables) -> Iterator[Row]:
    """90 % less data."""
    for row in tables["label-efficiency"]["needed"]:
        yield at_most(
            "90 % less data, within 1 point of success",
            str(row["method"]),
            row,
            "share of the full set [%]",
            10.0,
        )


def find(rows: Sequence[Row], **labels: Value) -> Row:
    """The row with these labels."""
    return next(row for row in rows if all(row[name] == value for name, value in labels.items()))


def number(row: Row, column: str) -> float:
    """An entry that is a number; infinite if there is none."""
    value = row[column]
    return float("inf") if value is None else float(value)


def at_most(claim: str, case: str, row: Row, column: str, bound: float) -> Row:
    """A claim that a figure is small."""
    return _judged(claim, case, row, column, f"at most {bound:g}", number(row, column) <= bound)


def at_least(claim: str, case: str, row: Row, column: str, bound: float) -> Row:
    """A claim that a figure is large."""
    return _judged(claim, case, row, column, f"at least {bound:g}", number(row, column) >= bound)


def better(claim: str, case: str, row: Row, other: Row) -> Row:
    """A claim that success is higher than another's, by more than their intervals."""
    low = float(str(row["success interval"]).split(" to ")[0])
    high = float(str(other["success interval"]).split(" to ")[1])
    required = f"above {other['success interval']}"
    return _judged(claim, case, row, "success [%]", required, low > high)


def _judged(claim: str, case: str, row: Row, column: str, required: str, holds: bool) -> Row:
    return {
        "claim": claim,
        "case": case,
        "figure": column,
        "measured": row[column],
        "interval": row.get("success interval") if column == "success [%]" else None,
        "required": required,
        "holds": holds,
    }


NOTES = (
    "Every row is a claim of the specification, or a stricter one of this project, in one case, judged by "
    "the measured figure. `docs/rigid_claims.md` puts them into words.",
)
STUDY = Study(
    "verdicts",
    "The paper's claims, one by one",
    "Which claims hold, and under which conditions?",
    cells,
    findings,
)
