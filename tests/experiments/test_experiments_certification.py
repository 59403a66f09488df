"""Certificates of loops: as many episodes as it takes, kept, and both bounds."""

from pathlib import Path

import pytest

from ampc.episodes.filtered_setup import FilteredSetup
from ampc.evaluation.certificate import CertificateGoal
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible import certification
from ampc.experiments.flexible.certification import Judgement, certify_loop
from ampc.experiments.flexible.safety_trial import FilteredContestant, SafetyTrial
from ampc.experiments.flexible.trial import FlexibleTasks

TASKS = FlexibleTasks("near-wall", 1000)


class Fake:
    """Stands for the episodes: every tenth one ends far from its goal, and one violates."""

    def __init__(self, violating: int | None) -> None:
        self.run: list[SafetyTrial] = []
        self.violating = violating

    def run_cells(self, cells: dict[str, Cell], *_: object) -> None:
        self.run += [cell for cell in cells.values() if isinstance(cell, SafetyTrial)]

    def values(self, cell: SafetyTrial) -> dict[str, object]:
        numbers = range(cell.tasks.first, cell.tasks.first + cell.tasks.count)
        return {
            "episodes": [
                {
                    "violating samples": int(number == self.violating),
                    "largest speed": 0.9,
                    "distance": 0.5 if number % 10 == 0 else 0.01,
                }
                for number in numbers
            ]
        }


@pytest.mark.parametrize("violating", [None, 3])
def test_bounds_are_those_of_the_episodes(
    violating: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(violating)
    monkeypatch.setattr(certification, "run_cells", fake.run_cells)
    monkeypatch.setattr(Store, "values", lambda self, cell: fake.values(cell))
    found = certify_loop(FilteredContestant("x"), TASKS, CertificateGoal(0.05, 0.1), Store(tmp_path))
    certificate = found.violations
    assert certificate.verdict == "certified"
    assert certificate.bound <= 0.05
    assert certificate.failures == (violating is not None)
    assert certificate.episodes % certification.CHUNK == 0
    assert found.unsuccessful == certificate.episodes // 10
    assert 0.0 < found.success < 1.0 - found.unsuccessful / certificate.episodes
    assert "violation probability <=" in str(found)
    if violating is not None:
        assert certificate.episodes > 58


def test_speeds_count_where_they_are_asked_for() -> None:
    fast = {"violating samples": 0, "largest speed": 1.1, "distance": 0.001}
    assert not Judgement().violates(fast)
    assert Judgement(speed=1.05).violates(fast)
    assert Judgement().succeeds(fast)


def test_a_trial_of_a_hostile_loop_says_what_the_filter_did(tmp_path: Path) -> None:
    contestant = FilteredContestant("random", FilteredSetup(proposer="random"))
    trial = SafetyTrial(FlexibleTasks("near-wall", 1000, count=1), contestant, 0.1)
    tmp_path.mkdir(exist_ok=True)
    episode = trial.run(tmp_path, Store(tmp_path))["episodes"][0]
    assert episode["violating samples"] == 0
    assert sum(episode[f"{name} steps"] for name in ("passed", "modified", "backup", "uncertified")) == 25
