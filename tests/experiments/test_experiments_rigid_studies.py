"""What the rigid arm's studies make of trials that were never run: the later in line, the worse."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ampc.evaluation import BootstrapSettings
from ampc.experiments.cell import Cell, Store, run_cell
from ampc.experiments.rigid import comparison
from ampc.experiments.rigid.protocol import DATA_SEED, SEEDS
from ampc.experiments.rigid.step_times import StepTimes
from ampc.experiments.rigid.trial import TaskSet, Trial
from ampc.experiments.study import Findings, studies_of

Found = Callable[[str], tuple[Mapping[str, Cell], Findings]]
STUDIES = studies_of("rigid")
COMPARING = [name for name in STUDIES if name not in ("solver-cost", "verdicts")]
"""Studies whose tables are comparisons of trials; the verdicts are made of the tables of the others."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """One episode as a trial keeps it."""
    store, trial = Store(tmp_path_factory.mktemp("real")), Trial((TaskSet("interior", 1, 1000),))
    assert run_cell(("trial", trial, store))[1] is None
    return pq.read_table(trial.parts(store.folder(trial))[0][2])


class Imagined(Store):
    """Figures that every policy leaves behind."""

    def values(self, cell: Cell) -> dict[str, Any]:
        return {"mean_window": 7.0, "labels": 1000, "control steps": 240, "validation_loss": 1e-4}

    def seconds(self, cell: Cell) -> float:
        return 60.0


def imagine(cells: Mapping[str, Cell], folder: Path, measured: pa.Table) -> Store:
    """Make up episodes: the steady error grows from trial to trial, and every tenth one fails in all."""
    store = Imagined(folder)
    trials = {cell.key: cell for cell in cells.values() if isinstance(cell, Trial)}
    for rank, trial in enumerate(trials.values()):
        store.folder(trial).mkdir(parents=True)
        for tasks, first, path in trial.parts(store.folder(trial)):
            index = np.arange(first, min(first + 100, tasks.count))
            table = measured.take([0] * len(index))
            fails = index % 10 == 9
            made_up = {
                "task": index,
                "steady_error": np.where(fails, 0.1, 1e-4 * (1 + rank) * (1.0 + 0.01 * index)),
                "success": ~fails,
            }
            for name, values in made_up.items():
                place = table.column_names.index(name)
                table = table.set_column(place, name, pa.array(values, measured.schema.field(name).type))
            pq.write_table(table, path)
    return store


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, measured: pa.Table) -> Iterator[Found]:
    """Small versions of studies by name, each made once, with few resamples in their intervals."""

    @cache
    def make(name: str) -> tuple[Mapping[str, Cell], Findings]:
        cells = STUDIES[name].cells(True)
        return cells, STUDIES[name].findings(cells, imagine(cells, tmp_path_factory.mktemp(name), measured))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "BootstrapSettings", lambda resamples: BootstrapSettings(resamples // 50))
        yield make


@pytest.mark.filterwarnings("ignore:Data has no positive values")
@pytest.mark.parametrize("name", COMPARING)
def test_tables_and_figures(name: str, found: Found) -> None:
    _, findings = found(name)
    assert findings.tables
    assert findings.figures
    for rows in findings.tables.values():
        assert rows
        assert len({tuple(row) for row in rows}) == 1
    assert all(image.startswith(b"\x89PNG") for image in findings.figures.values())
    shares = [row["success [%]"] for row in findings.tables.get("figures", ()) if "success [%]" in row]
    assert shares == pytest.approx([90.0] * len(shares))


def test_the_windows_of_the_adaptive_history_are_those_of_its_policies(found: Found) -> None:
    _, findings = found("adaptive-history")
    windows = {row["method"]: row["mean window"] for row in findings.tables["figures"]}
    assert windows.pop("mpc-informed") is None
    assert set(windows.values()) == {7.0}


def test_the_box_plot_has_the_seeds_of_a_method_together(found: Found) -> None:
    cells, findings = found("algorithms")
    errors = {
        row["method"]: row["steady error [mm]"]
        for row in findings.tables["figures"]
        if row["tasks"] == "interior"
    }
    in_line = [name.partition(" seed ")[0] for name in cells]
    assert sorted(errors, key=lambda name: float(errors[name] or 0.0)) == in_line
    assert set(findings.figures) == {"regions", "errors", "learning"}


def test_the_cost_of_solvers_is_held_against_the_literal_one(tmp_path: Path) -> None:
    study = STUDIES["solver-cost"]

    class Timed(Store):
        def values(self, cell: Cell) -> dict[str, Any]:
            if isinstance(cell, StepTimes):
                names = [each.name for each in cell.contestants]
                return {
                    "rows": [
                        {
                            "controller": name, "p50": 1e-3 / 2**k, "p99": 2e-3 / 2**k, "max": 3e-3 / 2**k,
                            "ratio": 0.5**k, "ratio_low": 0.4**k, "ratio_high": 0.6**k,
                        }
                        for k, name in enumerate(names)
                    ]
                }  # fmt: skip
            times = {"IPOPT": 8000.0, "DAQP, exact": 80.0, "batch": 8.0, "failed": None}
            return {
                "rows": [
                    {"solver": name, "p50": time, "p99": time, "worst_error": 0.0}
                    for name, time in times.items()
                ]
            }

    findings = study.findings(study.cells(True), Timed(tmp_path))
    speed = {row["solver"]: row["cold IPOPT / this"] for row in findings.tables["labels"]}
    assert speed == {"IPOPT": 1.0, "DAQP, exact": 100.0, "batch": 1000.0, "failed": None}
    steps = findings.tables["control_steps"]
    assert [row["IPOPT / this"] for row in steps] == [2.0**k for k in range(len(steps))]
    assert [row["below 1 ms (median)"] for row in steps] == [k > 0 for k in range(len(steps))]


@pytest.mark.parametrize("name", COMPARING)
def test_nothing_is_judged_on_tasks_that_it_was_tuned_on_or_learned_from(name: str) -> None:
    for cell in STUDIES[name].cells(False).values():
        if isinstance(cell, Trial):
            for tasks in cell.sets:
                assert not 1000 <= tasks.seed < 2000
                assert tasks.seed not in {DATA_SEED + seed for seed in SEEDS}
