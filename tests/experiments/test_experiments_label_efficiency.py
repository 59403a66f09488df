"""The study of label efficiency: the same budget for all, what its cells depend on, its tables."""

import dataclasses

import numpy as np
import pytest

from ampc.episodes.filtered_setup import GuardedSetup
from ampc.experiments.cell import Store
from ampc.experiments.code import sources_of
from ampc.experiments.flexible import label_efficiency as study
from ampc.experiments.flexible.policies import FlexiblePolicy
from ampc.experiments.flexible.trial import FlexibleTrial
from ampc.experiments.study import Budget, studies_of


class Imagined(Store):
    """Results of cells that were never run: twice the labels, half the distance."""

    def values(self, cell):
        if isinstance(cell, FlexiblePolicy):
            return {"labels": cell.dagger.labels - 3, "validation loss": 1e-3}
        assert isinstance(cell, FlexibleTrial)
        own = cell.contestants[0]
        assert isinstance(own.policy, FlexiblePolicy)
        rng = np.random.default_rng(own.policy.seed)
        distances = rng.uniform(0.5, 1.5, cell.tasks.count) * 100.0 / own.policy.dagger.labels
        return {
            "episodes": [
                {"contestant": own.name, "distance": float(each), "violating samples": int(each > 0.01)}
                for each in distances
            ]
        }

    def seconds(self, cell):
        return 60.0


def test_the_study_is_found_and_has_to_be_asked_for():
    found = studies_of("flexible")["label-efficiency"]
    assert found is study.STUDY
    assert found.long
    assert found.within is not None
    assert found.within(Budget(1)).core_minutes == pytest.approx(found.core_minutes / study.SEEDS)


@pytest.mark.parametrize("quick", [True, False])
def test_all_methods_have_the_same_labels_and_tasks(quick):
    cells = study.cells(quick)
    taught: dict[tuple[int, int], dict[str, FlexiblePolicy]] = {}
    for name, cell in cells.items():
        method = name.split(" | ")[0]
        policy = cell.contestants[0].policy
        taught.setdefault((policy.seed, policy.dagger.labels), {})[method] = policy
    assert len(taught) == (1 if quick else study.SEEDS * len(study.COUNTS))
    for policies in taught.values():
        assert set(policies) == set(study.METHODS)
        plain = policies[study.PLAIN].dagger
        same = {"doubtful_share": 0.0, "derivative_share": 0.0, "goals": plain.goals}
        assert plain.doubtful_share == plain.derivative_share == 0.0
        assert plain.goals > 0
        for method, policy in policies.items():
            assert dataclasses.replace(policy.dagger, **same) == plain
            assert isinstance(policy.setup, GuardedSetup) == (method == study.GUARDED)
            changed = [name for name, value in same.items() if getattr(policy.dagger, name) != value]
            expected = {
                study.NO_GOALS: ["goals"],
                study.DOUBTFUL: ["doubtful_share"],
                study.SOBOLEV: ["derivative_share"],
            }
            assert changed == expected.get(method, [])
            assert policy.training == policies[study.PLAIN].training
        assert plain.labels_of(0, plain.goals) >= 2 * round(policies[study.PLAIN].duration / 0.004)


def test_one_seed_is_part_of_more():
    one, all_of_them = study.cells(False, Budget(1)), study.cells(False)
    assert set(one) < set(all_of_them)
    assert all(all_of_them[name].key == cell.key for name, cell in one.items())


def test_policies_behind_the_filter_depend_on_its_code_and_others_do_not():
    def files(module):
        return {path.name for path in sources_of(f"ampc.experiments.flexible.{module}")}

    assert "safety_filter.py" in files("label_policies")
    assert "safety_filter.py" not in files("policies")


def test_findings_make_do_with_what_is_there(tmp_path):
    store = Imagined(tmp_path)
    cells = {
        name: cell
        for name, cell in study.cells(False).items()
        if not name.startswith(study.SOBOLEV) and "seed 2" not in name
    }
    found = study.findings(cells, store)
    rows = found.tables["figures"]
    assert {row["method"] for row in rows} == set(study.METHODS) - {study.SOBOLEV}
    assert {row["seeds"] for row in rows} == {2}
    assert len(rows) == 4 * len(study.COUNTS) * 4
    for row in rows:
        assert row["labels used"] == row["labels"] - 3
        assert row["median distance [mm]"] == pytest.approx(1e5 / row["labels"], rel=0.2)
    within = [row["within 1 cm [%]"] for row in rows if row["method"] == study.PLAIN]
    assert within[:3] == sorted(within[:3])
    assert len(found.tables["teaching"]) == 4 * len(study.COUNTS) * 2
    assert found.figures["labels"].startswith(b"\x89PNG")
