"""Cells are run once, after their ingredients, and again when anything they depend on changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ampc.errors import AmpcError, DatasetError, SettingsError
from ampc.experiments import Cell, Findings, Store, Study, choose, reproduce, studies_of
from ampc.experiments.cell import run_cell
from ampc.experiments.code import DATA, PACKAGE, sources_of
from ampc.experiments.reproduce import with_ingredients
from ampc.experiments.writing import markdown

QUIET = Console(quiet=True)


@dataclass(frozen=True)
class Number(Cell):
    value: float

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        with (folder / "runs.txt").open("a") as file:
            file.write("run\n")
        return {"value": self.value}


@dataclass(frozen=True)
class Sum(Cell):
    terms: tuple[Cell, ...]
    limit: float = 100.0

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        total = sum(store.values(term)["value"] for term in self.terms)
        if total > self.limit:
            raise SettingsError(f"{total} is too much")
        return {"value": total}


def sums(quick: bool) -> Mapping[str, Cell]:
    one, two = Number(1.0), Number(2.0)
    return {"three": Sum((one, two)), "four": Sum((two, Sum((one, Number(1.0)))))}


def totals(cells: Mapping[str, Cell], store: Store) -> Findings:
    return Findings(
        {"totals": [{"sum": name, "value": store.values(cells[name])["value"]} for name in cells]}
    )


STUDY = Study("sums", "Sums", "What do they come to?", sums, totals)


def test_cells_are_run_once_after_their_ingredients(tmp_path: Path) -> None:
    store = Store(tmp_path / "cells")
    for _ in range(2):
        found = reproduce([STUDY], store, tmp_path / "results", workers=2, console=QUIET)
    assert [row["value"] for row in found["sums"].tables["totals"]] == [3.0, 4.0]
    assert (store.folder(Number(1.0)) / "runs.txt").read_text() == "run\n"
    assert len(with_ingredients(sums(False))) == 5
    written = json.loads((tmp_path / "results/sums/study.json").read_text())
    assert written["tables"]["totals"][0] == {"sum": "three", "value": 3.0}
    assert written["provenance"]["command"]
    assert (tmp_path / "results/sums/totals.csv").read_text().startswith("sum,value")
    assert "| three | 3 |" in (tmp_path / "results/sums/README.md").read_text()


def test_what_does_not_need_a_failed_cell_is_finished(tmp_path: Path, capsys: Any) -> None:
    def cells(quick: bool) -> Mapping[str, Cell]:
        bad = Sum((Number(5.0),), limit=1.0)
        return {"bad": bad, "worse": Sum((bad,)), "good": Number(1.0)}

    store = Store(tmp_path)
    failing = Study("failing", "", "", cells, totals)
    with pytest.raises(AmpcError, match="no results of failing"):
        reproduce([failing, STUDY], store, tmp_path / "results", workers=1, console=Console())
    assert "bad: 5.0 is too much" in capsys.readouterr().out
    assert store.is_finished(Number(1.0))
    assert not store.is_finished(cells(False)["bad"]) | store.is_finished(cells(False)["worse"])
    assert (tmp_path / "results/sums/totals.csv").exists()


def test_unfinished_cells_have_no_result(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not finished"):
        Store(tmp_path).values(Number(1.0))
    run_cell(("one", Number(1.0), Store(tmp_path)))
    assert Store(tmp_path).values(Number(1.0)) == {"value": 1.0}


def test_keys_depend_on_settings_kind_and_ingredients() -> None:
    assert Number(1.0).key == Number(1.0).key != Number(2.0).key
    assert Sum((Number(1.0),)).key != Sum((Number(2.0),)).key != Sum((Number(2.0),), limit=1.0).key


def test_code_is_followed_through_names_that_are_passed_on() -> None:
    found = {str(path.relative_to(PACKAGE)) for path in sources_of("ampc.episodes.setup")}
    assert {"plants/mujoco_plant.py", "robots/assets/rigid_arm.xml", "control/joint_mpc.py"} <= found
    assert not any(name.startswith(("chain/src", "report/", "learning/")) for name in found)
    assert any(path.suffix == ".c" for path in sources_of("ampc.chain.yaw_chain"))


def test_every_data_file_of_the_package_belongs_to_a_module() -> None:
    known = [PACKAGE / path for paths in DATA.values() for path in paths]
    others = [path for path in PACKAGE.rglob("*.*") if path.suffix in (".xml", ".c", ".h", ".toml", ".json")]
    unknown = [path for path in others if not any(path.is_relative_to(each) for each in known)]
    assert not unknown, "name these in ampc.experiments.code.DATA"


@pytest.mark.parametrize("arm", ["rigid", "flexible"])
def test_studies_can_be_planned(arm: Any) -> None:
    for study in studies_of(arm).values():
        for quick in (True, False):
            cells = with_ingredients(study.cells(quick))
            assert len({cell.key for cell in cells.values()}) == len(cells) > 0, study.name


def test_unknown_studies_are_refused() -> None:
    with pytest.raises(SettingsError, match="no study 'alchemy'"):
        choose("rigid", ["alchemy"])


def test_tables_in_markdown() -> None:
    rows = [{"a": 1.23456, "b": None, "c": True}, {"a": 12345.6, "b": "x", "c": False}]
    lines = ["| a | b | c |", "| ---: | --- | ---: |", "| 1.235 | – | yes |", "| 12,346 | x | no |"]
    assert markdown(rows) == lines
