"""The study of unknown plants: a readable table of all seeds, and each seed by itself besides."""

import pytest
from imagined_trials import DISTANCE, ImaginedTrials

from ampc.experiments.flexible import robustness
from ampc.experiments.flexible.trial import FlexibleTrial
from ampc.experiments.study import Findings, studies_of


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    store = ImaginedTrials(tmp_path_factory.mktemp("cells"))
    return robustness.findings(robustness.cells(quick=False), store)


def test_the_study_is_found_by_its_name() -> None:
    assert studies_of("flexible")["robustness"] is robustness.STUDY


def test_all_controllers_meet_the_same_tasks_on_every_plant() -> None:
    met: dict[str, set[str]] = {}
    for name, cell in robustness.cells(quick=False).items():
        assert isinstance(cell, FlexibleTrial)
        assert not 1000 <= cell.tasks.seed < 2000
        met.setdefault(name.split(" | ")[0], set()).add(repr(cell.tasks))
    assert len(met) == 7
    assert {len(tasks) for tasks in met.values()} == {2 * len(robustness.CONDITIONS)}
    assert len(set(map(frozenset, met.values()))) == 1


def test_a_row_for_each_plant_and_controller(found: Findings) -> None:
    kinds, plants = 3, len(robustness.CONDITIONS)
    rows = {name: len(table) for name, table in found.tables.items()}
    assert rows == {"robustness": kinds * plants, "regions": 2 * kinds * plants, "seeds": 7 * plants}
    for table in found.tables.values():
        assert len({tuple(row) for row in table}) == 1
    pooled = {row["controller"]: (row["seeds"], row["tasks"]) for row in found.tables["robustness"]}
    assert pooled == {"NMPC": (1, 100), "BC": (3, 100), "DAgger": (3, 100)}


def test_figures_are_those_of_the_plant_and_the_seeds(found: Findings) -> None:
    median = {
        (row["plant"], row["controller"]): row["median at 3 s [mm]"] for row in found.tables["robustness"]
    }
    single = {(row["plant"], row["controller"]): row["median at 3 s [mm]"] for row in found.tables["seeds"]}
    assert median["10 % softer", "DAgger"] == pytest.approx(2.0 * float(median["nominal", "DAgger"] or 0.0))
    assert median["nominal", "DAgger"] == pytest.approx(
        7.0 / 3.0 * float(single["nominal", "DAgger 0"] or 0.0)
    )
    assert 1e3 * DISTANCE["NMPC"] <= float(median["nominal", "NMPC"] or 0.0) < 1.7e3 * DISTANCE["NMPC"]
    step = {row["controller"]: row["step, median [us]"] for row in found.tables["robustness"]}
    assert step == {"NMPC": pytest.approx(2000), "BC": pytest.approx(20), "DAgger": pytest.approx(10)}


def test_pictures(found: Findings) -> None:
    assert set(found.figures) == {"distances", "trade_off"}
    assert all(image.startswith(b"\x89PNG") for image in found.figures.values())
