"""Tuning beyond the expert: who is compared on what, and what is made of the costs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ampc.environments.expert_cost import ExpertCost
from ampc.episodes.filtered_setup import FilteredSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.errors import DatasetError
from ampc.experiments.agents.tuned import TunedPolicy
from ampc.experiments.cell import Cell, Store, run_cell
from ampc.experiments.flexible import fine_tuning
from ampc.experiments.flexible.cost_trial import ARRIVAL, CostTrial, cost_rates, costs_of
from ampc.experiments.flexible.policies import teaching
from ampc.experiments.flexible.safety_trial import FilteredContestant
from ampc.experiments.flexible.trial import FlexibleTasks
from ampc.experiments.study import Budget, studies_of
from ampc.learning.algorithms import ppo
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement.agent_settings import PPOSettings
from ampc.learning.reinforcement.settings import ExperienceSettings
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings

COSTS = {"NMPC": 100.0, "DAgger": 110.0, "tuned": 80.0}


class Imagined(Store):
    """Costs of cells that were never run: of each kind its own, of tasks what is added to all."""

    def values(self, cell):
        if not isinstance(cell, CostTrial):
            row = {"steps": 5.0, "judged distance": 0.1, "judged reward": -0.5, "judged violating": 0.0}
            return {"control steps": 5, "curve": [row]} if isinstance(cell, TunedPolicy) else {"labels": 100}
        tasks = cell.tasks
        rng = np.random.default_rng(tasks.first)
        cost = COSTS[cell.contestant.name.split(" ")[0]] + rng.uniform(0.0, 10.0, tasks.count)
        fixed = {f"cost of {part}": 1.0 for part in fine_tuning.PARTS}
        fixed |= {"distance": 0.01, "violating samples": 0, "fast samples": 0, "fallback steps": 0}
        return {
            "episodes": [
                fixed | {"cost": one, "cost on the way": 0.9 * one, "cost there": 0.1 * one} for one in cost
            ]
        }

    def seconds(self, cell):
        return 60.0


def test_the_study_is_found_by_its_name():
    assert studies_of("flexible")["fine-tuning"] is fine_tuning.STUDY


@pytest.mark.parametrize("quick", [True, False])
def test_all_meet_the_same_tasks_and_the_policies_begin_with_the_taught_one(quick):
    cells = fine_tuning.cells(quick)
    met = {}
    for cell in cells.values():
        met.setdefault(cell.contestant.name, set()).add(cell.tasks)
    assert len(set(map(frozenset, met.values()))) == 1
    found = fine_tuning.tuned(quick)
    for name, cell in found.items():
        if isinstance(cell, TunedPolicy):
            assert cell.taught is found[name.replace("tuned", "DAgger")]
            assert cell.settings.experience.filtered
            assert cell.settings.experience.reward == "expert-cost"


def test_ratios_are_those_of_the_same_tasks(tmp_path):
    store = Imagined(tmp_path)
    found = fine_tuning.findings(fine_tuning.cells(quick=False, budget=Budget(2)), store)
    rows = {(row["plant"], row["goals"], row["controller"]): row for row in found.tables["costs"]}
    assert len(rows) == 4 * 6
    tuned, expert = rows["softer", "near-wall", "tuned + filter"], rows["softer", "near-wall", "NMPC"]
    assert (tuned["seeds"], tuned["tasks"], expert["seeds"]) == (2, fine_tuning.TASKS, 1)
    assert tuned["mean / expert's"] == pytest.approx(tuned["cost, mean"] / expert["cost, mean"])
    assert tuned["tasks that cost less [%]"] == 100.0
    assert (expert["mean / expert's"], expert["tasks that cost less [%]"]) == (1.0, 0.0)
    assert rows["nominal", "random", "DAgger"]["mean / expert's"] > 1.0
    filtered = rows["softer", "near-wall", "NMPC + filter"]["cost, mean"]
    assert tuned["mean / filtered expert's"] == pytest.approx(tuned["cost, mean"] / filtered)
    assert tuned["tasks that cost less than filtered [%]"] == 100.0
    assert rows["softer", "near-wall", "tuned"]["mean / filtered expert's"] is None
    assert {row["policy"] for row in found.tables["budget"]} == {"DAgger 0", "DAgger 1", "tuned 0", "tuned 1"}
    assert {row["labels of the expert"] for row in found.tables["budget"]} == {100}
    assert all(image.startswith(b"\x89PNG") for image in found.figures.values())


def test_rows_without_the_expert_s_tasks_are_left_out(tmp_path):
    every = fine_tuning.cells(quick=False, budget=Budget(1))
    kept = {
        name: cell
        for name, cell in every.items()
        if not (name.startswith("NMPC |") and "| softer |" in name)
        and not (name.startswith("tuned 0 |") and name.endswith("task 0"))
    }
    rows = fine_tuning.findings(kept, Imagined(tmp_path)).tables["costs"]
    assert {row["plant"] for row in rows} == {"nominal"}
    assert "tuned" not in {row["controller"] for row in rows}
    without = {name: cell for name, cell in kept.items() if not name.startswith("NMPC + filter")}
    rows = fine_tuning.findings(without, Imagined(tmp_path)).tables["costs"]
    assert {row["mean / filtered expert's"] for row in rows} == {None}


@pytest.mark.parametrize("filtered", [False, True])
def test_the_expert_s_own_episodes_have_a_cost(tmp_path, filtered):
    """It falls while the arm drives to its goal, and its parts make the whole."""
    setup = FilteredSetup(filtered=filtered)
    task = FlexibleTasks("random", 1000, 0, 1)
    trial = CostTrial(task, FilteredContestant("NMPC", setup), duration=ARRIVAL + 0.1)
    store = Store(tmp_path)
    assert run_cell(("trial", trial, store))[1] is None
    (row,) = store.values(trial)["episodes"]
    assert row["cost"] == pytest.approx(row["cost on the way"] + row["cost there"])
    assert row["cost"] == pytest.approx(sum(row[f"cost of {part}"] for part in fine_tuning.PARTS))
    assert 0.0 < row["cost there"] < 0.1 * row["cost on the way"]
    assert row["distance"] < 0.05


@dataclass(frozen=True)
class Given(Cell):
    """A policy that hardly does anything."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        torch.manual_seed(0)
        spec = Lesson(teaching(0)).specification(NetworkSettings("ffn", 16, 2))
        Policy(spec).save(folder)
        return {"labels": 0}


def test_a_policy_that_was_taught_is_tuned_behind_the_filter(tmp_path):
    """On the arm of the study, with a few steps; it is then judged by the same cost."""
    pytest.importorskip("stable_baselines3")
    store, given = Store(tmp_path), Given()
    experience = ExperienceSettings(
        100, 2, 0.0, "expert-cost", filtered=True, evaluate_every=1, evaluation_tasks=1
    )
    settings = ppo.Settings(experience, PPOSettings(batch_size=25, epochs=1, first_deviation=0.02))
    tuned = TunedPolicy(teaching(0, duration=0.2), 0, taught=given, settings=settings)
    trials = [
        CostTrial(FlexibleTasks("random", 1000, 0, 1), FilteredContestant(name, FilteredSetup(), cell), 0.1)
        for name, cell in (("taught", given), ("tuned", tuned))
    ]
    for cell in (given, tuned, *trials):
        _, error = run_cell(("cell", cell, store))
        assert error is None, error
    assert store.values(tuned)["control steps"] == 100
    costs = [store.values(trial)["episodes"][0]["cost"] for trial in trials]
    assert min(costs) > 0.0
    assert costs[0] != costs[1]


def test_who_does_not_say_what_it_acts_on_has_no_cost():
    setup = FlexibleSetup()
    plant, controller = setup.build()
    task = FlexibleTasks("random", 1000, 0, 1).sample(setup.build_robot())[0]
    episode = run_episode(plant, controller, task, 0.02)
    own = ExpertCost(setup.build_model(), setup.nmpc)
    parts = cost_rates(episode, own)
    assert {part.shape for part in parts.values()} == {(4,)}
    assert costs_of(episode, own)["cost"] == pytest.approx(0.004 * sum(part.sum() for part in parts.values()))
    object.__setattr__(episode, "situations", None)
    with pytest.raises(DatasetError, match="did not say"):
        costs_of(episode, own)
