"""The study of distillation: seeds of a controller are pooled where it says so, and nowhere else."""

from pathlib import Path

import pytest
from imagined_trials import ImaginedTrials

from ampc.experiments.flexible import distillation
from ampc.experiments.study import Findings, studies_of


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    store = ImaginedTrials(tmp_path_factory.mktemp("cells"))
    return distillation.findings(distillation.cells(quick=False), store)


def test_the_study_is_found_by_its_name() -> None:
    assert studies_of("flexible")["distillation"] is distillation.STUDY


def test_the_overview_is_of_all_seeds_and_other_tables_are_of_each(found: Findings) -> None:
    overview = found.tables["overview"]
    assert len(overview) == 2 * 2 * 3
    assert {(row["controller"], row["seeds"]) for row in overview} == {("NMPC", 1), ("BC", 3), ("DAgger", 3)}
    names = {row["controller"] for row in found.tables["accuracy"]}
    assert names == {"NMPC", *(f"{kind} {seed}" for kind in ("BC", "DAgger") for seed in (0, 1, 2))}
    assert len(found.tables["accuracy"]) == len(found.tables["limits"]) == 2 * 2 * 7


def test_pooled_quantiles_are_means_over_the_seeds(found: Findings) -> None:
    where = {"plant": "nominal", "goals": "random"}

    def median(table: str, controller: str) -> float:
        rows = [
            row for row in found.tables[table] if where.items() | {("controller", controller)} <= row.items()
        ]
        assert len(rows) == 1
        return float(rows[0]["median at 3 s [mm]"] or 0.0)

    of_seeds = [median("accuracy", f"DAgger {seed}") for seed in (0, 1, 2)]
    assert median("overview", "DAgger") == pytest.approx(sum(of_seeds) / 3)
    assert of_seeds[2] == pytest.approx(4.0 * of_seeds[0])
    assert median("overview", "NMPC") == median("accuracy", "NMPC")


def test_violations_are_shares_of_all_episodes(found: Findings) -> None:
    shares = {row["controller"]: row["violating episodes [%]"] for row in found.tables["overview"]}
    assert shares == {"NMPC": 0.0, "BC": pytest.approx(10.0), "DAgger": pytest.approx(10.0)}
    counted = found.tables["count"]
    assert [row["episodes"] for row in counted] == [1000, 1000]


def test_times_are_held_against_the_experts(found: Findings) -> None:
    ratio = {row["controller"]: row["NMPC / this"] for row in found.tables["times"]}
    assert (ratio["NMPC"], ratio["BC 1"], ratio["DAgger 2"]) == (1.0, pytest.approx(100), pytest.approx(200))


def test_pictures(found: Findings) -> None:
    assert set(found.figures) == {"distances", "trade_off"}
    assert all(image.startswith(b"\x89PNG") for image in found.figures.values())


def test_a_small_version_has_the_same_tables(tmp_path: Path, found: Findings) -> None:
    small = distillation.findings(distillation.cells(quick=True), ImaginedTrials(tmp_path))
    assert set(found.tables) - set(small.tables) == {"count"}
    for name, rows in small.tables.items():
        assert list(rows[0]) == list(found.tables[name][0])
