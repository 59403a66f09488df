"""The study of the safety filter: its cells, and what is made of their results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampc.control.filter_step import FilterStep
from ampc.experiments.cell import Store
from ampc.experiments.flexible import safety
from ampc.experiments.flexible.protocol import EVALUATION_SEED
from ampc.experiments.flexible.safety_trial import SafetyTrial, summarise_filter
from ampc.experiments.flexible.trial import TRACES

EPISODE: dict[str, Any] = {
    "distance": 0.004, "violating samples": 0, "depth": 0.0, "largest speed": 0.9, "torque variation": 50.0,
    "passed steps": 90, "modified steps": 8, "backup steps": 2, "uncertified steps": 0, "mean change": 0.1,
}  # fmt: skip


def test_every_part_has_its_loops_and_no_task_that_anything_was_tuned_on() -> None:
    cells = safety.cells(False)
    parts = {name.split(" | ")[0] for name in cells}
    assert parts == {"policies", "count", "hostile", "unprotected", "filters", "rigid"}
    assert all(cell.tasks.seed == EVALUATION_SEED for cell in cells.values() if isinstance(cell, SafetyTrial))
    for plant in ("nominal", "softer"):
        counted = [c for name, c in cells.items() if name.startswith(f"count | {plant}")]
        assert sum(c.tasks.count for c in counted if isinstance(c, SafetyTrial)) == 1000
        attacks = [
            c for name, c in cells.items() if name.startswith(f"hostile | {plant} | near-wall | random")
        ]
        expected = safety.ATTACKS[plant]
        assert sum(c.tasks.count for c in attacks if isinstance(c, SafetyTrial)) == expected


def test_findings_are_a_function_of_the_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, cells = Store(tmp_path), safety.cells(True)
    for cell in cells.values():
        assert isinstance(cell, SafetyTrial)
        folder, name = store.folder(cell), cell.contestant.name
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"{name}/{key}": np.full((1, 100), 1e-4, np.float32) for key in ("step", "filter", "error")}
        np.savez(folder / TRACES, **arrays)
    monkeypatch.setattr(Store, "values", lambda self, cell: {"episodes": [EPISODE]})
    found = safety.findings(cells, store)
    expected = {"policies", "count", "hostile", "unprotected", "filters", "rigid", "times", "published"}
    assert set(found.tables) == expected
    row = found.tables["count"][0]
    assert row["passed [%]"] == pytest.approx(90.0)
    assert row["its probability, 95 % bound"] == pytest.approx(0.95)
    assert found.tables["times"][0]["NMPC / this, means"] == pytest.approx(1.0)
    for rows in found.tables.values():
        assert len({tuple(each) for each in rows}) == 1
    assert set(found.figures) == {"distances", "trade_off"}
    assert all(image.startswith(b"\x89PNG") for image in found.figures.values())


def test_an_endless_slack_is_no_number() -> None:
    torque = np.zeros(3)
    steps = [FilterStep("uncertified", torque, torque, -slack, slack, 1e-3) for slack in (2.0, np.inf)]
    assert summarise_filter(steps[:1])["largest slack"] == 2.0
    assert summarise_filter(steps)["largest slack"] is None
    assert summarise_filter(steps)["uncertified steps"] == 2
