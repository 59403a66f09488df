"""Cells are run once, after their ingredients, and again when anything they depend on changes."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from rich.console import Console

from ampc.cli.main import main
from ampc.episodes.files import write_json
from ampc.errors import AmpcError, DatasetError, SettingsError
from ampc.experiments import Budget, Cell, Findings, Store, Study, choose, reproduce, studies_of
from ampc.experiments.cell import LOCK, RESULT, run_cell
from ampc.experiments.code import DATA, PACKAGE, sources_of
from ampc.experiments.reproduce import run_cells, with_ingredients
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


def test_two_processes_do_not_run_the_same_cell(tmp_path: Path) -> None:
    store, cell = Store(tmp_path), Number(1.0)
    folder = store.folder(cell)
    folder.mkdir()
    with FileLock(folder / LOCK):
        name, error = run_cell(("one", cell, store))
    assert name == "one"
    assert "one: another process is at work on it" in str(error)
    assert not store.is_finished(cell)
    for _ in range(2):  # the second time it has been finished since
        assert run_cell(("one", cell, store)) == ("one", None)
    assert (folder / "runs.txt").read_text() == "run\n"


@dataclass(frozen=True)
class Patient(Cell):
    """Says that it has begun, and is done when another cell is."""

    begun: str
    other: str

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        Path(self.begun).touch()
        wait_for(Path(self.other))
        return {"value": 0.0}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60.0
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_another_process_finishes_meanwhile_is_gone_on_with(tmp_path: Path) -> None:
    store, busy = Store(tmp_path / "cells"), Number(1.0)
    folder = store.folder(busy)
    folder.mkdir(parents=True)
    patient = Patient(str(tmp_path / "begun"), str(folder / RESULT))

    def other_process(lock: FileLock) -> None:
        wait_for(tmp_path / "begun")
        write_json(
            folder / RESULT, {"settings": {}, "seconds": 0.0, "commit": None, "values": {"value": 1.0}}
        )
        lock.release()

    lock = FileLock(folder / LOCK, thread_local=False)
    lock.acquire()
    thread = threading.Thread(target=other_process, args=(lock,))
    thread.start()
    cells = {"busy": busy, "patient": patient, "sum": Sum((busy, Number(2.0)))}
    run_cells(cells, store, 1, QUIET)
    thread.join()
    assert store.values(cells["sum"]) == {"value": 3.0}
    assert not (folder / "runs.txt").exists()


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


def test_a_long_study_can_be_done_in_part(tmp_path: Path) -> None:
    """Only what is asked for is run, and the tables are of all that is there."""
    study = replace(STUDY, within=lambda budget: STUDY)
    store, results = Store(tmp_path / "cells"), tmp_path / "results"
    for only, there in (("th*e", ["three"]), ("four", ["three", "four"])):
        found = reproduce([study], store, results, workers=1, console=QUIET, only=[only])
        assert [row["sum"] for row in found["sums"].tables["totals"]] == there
    assert list(json.loads((results / "sums/study.json").read_text())["cells"]) == ["three", "four"]
    with pytest.raises(AmpcError, match="no results of sums"):
        reproduce([study], store, results, workers=1, console=QUIET, only=["five"])
    with pytest.raises(SettingsError, match="needs all of its cells"):
        reproduce([STUDY], store, results, workers=1, console=QUIET, only=["three"])


def test_budgets_are_for_studies_that_have_a_choice() -> None:
    (found,) = choose("flexible", ["algorithms"], Budget(seeds=1, steps=1000))
    full = studies_of("flexible")["algorithms"]
    assert len(found.cells(False)) < len(full.cells(False))
    assert (found.core_minutes or 0.0) < 0.4 * (full.core_minutes or 0.0)
    assert choose("rigid", ["regions"], Budget()) == [studies_of("rigid")["regions"]]
    with pytest.raises(SettingsError, match="'regions' has no choice"):
        choose("rigid", ["regions"], Budget(seeds=1))
    with pytest.raises(SettingsError, match="steps is 0"):
        Budget(steps=0)


def test_long_studies_are_run_if_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(STUDY, name="patience", core_minutes=300.0)
    monkeypatch.setattr("ampc.experiments.study.studies_of", lambda arm: {"sums": STUDY, "patience": long})
    words = ["reproduce", "rigid", "--cells", str(tmp_path / "cells"), "--output", str(tmp_path / "out")]
    for more, names in (([], {"sums"}), (["--all"], {"sums", "patience"})):
        assert main([*words, *more]) == 0
        assert {path.name for path in (tmp_path / "out").iterdir()} == names
        shown = " ".join(capsys.readouterr().out.split())
        assert ("left out: patience, about 5.0 hours of one core" in shown) == (not more)
        assert ("about 5.0 hours of one core for all of it" in shown) == bool(more)
    (tmp_path / "out/patience/study.json").unlink()
    assert main([*words, "--study", "patience"]) == 0
    assert (tmp_path / "out/patience/study.json").exists()


@pytest.mark.parametrize("arm", ["rigid", "flexible"])
def test_everything_that_is_run_without_being_named_takes_less_than_two_hours(arm: Any) -> None:
    studies = studies_of(arm)
    assert studies["algorithms"].long
    assert all(study.core_minutes is not None for study in studies.values() if study.within is not None)


def test_tables_in_markdown() -> None:
    rows = [{"a": 1.23456, "b": None, "c": True}, {"a": 12345.6, "b": "x", "c": False}]
    lines = ["| a | b | c |", "| ---: | --- | ---: |", "| 1.235 | – | yes |", "| 12,346 | x | no |"]
    assert markdown(rows) == lines
