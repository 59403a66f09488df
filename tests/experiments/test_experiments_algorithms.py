"""The study of all algorithms: who is in it, what its cells depend on, what it makes of their results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.held_setup import HeldSetup
from ampc.errors import SettingsError
from ampc.experiments.agents.base import AgentPolicy, curve_of
from ampc.experiments.agents.gail import GAILPolicy
from ampc.experiments.agents.results import budget_rows
from ampc.experiments.agents.sac import SACPolicy
from ampc.experiments.cell import Store, run_cell
from ampc.experiments.code import sources_of
from ampc.experiments.flexible import algorithms, pictures, rivals
from ampc.experiments.flexible.policies import teaching
from ampc.experiments.flexible.protocol import kind_of
from ampc.experiments.flexible.rival_trial import Filtered, RivalTrial, trial_of
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial
from ampc.experiments.rigid import algorithms as rigid
from ampc.experiments.rigid.protocol import group_of
from ampc.experiments.study import Budget, studies_of
from ampc.learning.algorithms import sac
from ampc.learning.reinforcement.agent_settings import SACSettings
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape


@pytest.fixture(autouse=True)
def step_times(monkeypatch):
    """Times of control steps of trials that were never run."""
    monkeypatch.setattr(pictures, "traces_of", lambda *_: np.full((2, 5), 2e-5))


class Imagined(Store):
    """Results of cells that were never run: who learns later in the alphabet is farther from its goal."""

    def values(self, cell):
        if isinstance(cell, FlexibleTrial):
            name = cell.contestants[0].name
            rng = np.random.default_rng(len(name))
            rows = rng.uniform(0.01, 0.02, cell.tasks.count) * (ord(name[0]) - 60)
            return {"episodes": [self.episode(name, float(each)) for each in rows]}
        if isinstance(cell, AgentPolicy):
            curve = [
                {"steps": 1000.0 * k, "judged distance": 1.0 / k, "judged violating": 0.0} for k in (1, 2)
            ]
            return {"control steps": 2000, "curve": curve}
        return {"labels": 75_000}

    @staticmethod
    def episode(name, distance):
        return {
            "contestant": name, "distance": distance, "distance 1.5 s": 2.0 * distance,
            "violating samples": int(distance > 0.2), "depth": 0.001, "fast samples": 3, "fallback steps": 0,
        }  # fmt: skip

    def seconds(self, cell):
        return 60.0


def test_the_study_is_found_by_its_name():
    assert studies_of("flexible")["algorithms"] is algorithms.STUDY


@pytest.mark.parametrize("quick", [True, False])
def test_all_rivals_meet_the_same_tasks(quick):
    cells = algorithms.cells(quick)
    kinds = {kind_of(name.split(" | ")[0]) for name in cells}
    own = {"NMPC", "BC", "DAgger", "SAC", "PPO", "SAC, penalised", "GAIL", "AIRL", "density"}
    assert kinds == own | {"DAgger + filter", "SAC + filter", "PPO + filter"}
    met = {}
    for name, cell in cells.items():
        contestant, plant, region, _ = name.split(" | ")
        tasks = met.setdefault((plant, region), {}).setdefault(contestant, set())
        tasks |= {
            (cell.tasks.seed, index) for index in range(cell.tasks.first, cell.tasks.first + cell.tasks.count)
        }
    assert all(len(set(map(frozenset, rivals.values()))) == 1 for rivals in met.values())


def test_results_depend_on_the_code_of_their_own_loops():
    """A changed filter runs those again that were behind it, and no others."""
    tried = {name.split(" | ")[0]: type(cell) for name, cell in algorithms.cells(quick=False).items()}
    again = {name for name, kind in tried.items() if kind is RivalTrial}
    agents = {name for name, cell in rivals.agents(quick=False).items() if isinstance(cell, AgentPolicy)}
    filtered = {name for name in tried if name.endswith("+ filter")}
    assert again == agents | filtered
    assert len(filtered) == 9
    of_rivals, of_others = (
        {path.name for path in sources_of(f"ampc.experiments.flexible.{name}")}
        for name in ("rival_trial", "trial")
    )
    own = {"safety_filter.py", "held_setup.py", "filtered_setup.py"}
    assert own <= of_rivals
    assert not own & of_others


def test_imitators_imitate_the_same_demonstrations():
    found = rivals.agents(quick=False)
    for seed in rivals.SEEDS:
        shown = {found[f"{name} {seed}"].shown for name in rivals.IMITATING}
        assert shown == {found[f"BC {seed}"]}
        assert all(found[f"{name} {seed}"].shown is None for name in rivals.DRIVING)


def test_an_agent_depends_on_the_code_of_its_own_algorithm():
    names = {
        name: {path.name for path in sources_of(f"ampc.experiments.agents.{name}")}
        for name in ("sac", "gail")
    }
    assert {"sac.py", "rounds.py", "driving.py"} <= names["sac"]
    assert not {"gail.py", "discriminator.py", "adversarial.py", "ppo.py"} & names["sac"]
    assert {"gail.py", "discriminator.py", "adversarial.py"} <= names["gail"]


def test_tables_and_figures(tmp_path):
    cells, store = algorithms.cells(quick=False), Imagined(tmp_path)
    found = algorithms.findings(cells, store)
    accuracy = found.tables["accuracy"]
    assert len(accuracy) == 4 * 12
    assert {row["seeds"] for row in accuracy} == {1, 3}
    assert {row["tasks"] for row in accuracy} == {algorithms.TASKS}
    assert all(
        row["median at 1.5 s [cm]"] == pytest.approx(2.0 * row["median [cm]"], rel=0.05) for row in accuracy
    )
    ratios = found.tables["ratios"]
    assert {row["rival"] for row in ratios} == {
        "BC",
        "SAC",
        "PPO",
        "SAC, penalised",
        "GAIL",
        "AIRL",
        "density",
    }
    budget = {row["policy"]: row for row in found.tables["budget"]}
    assert (budget["GAIL 1"]["labels of the expert"], budget["SAC 1"]["labels of the expert"]) == (75_000, 0)
    assert budget["SAC 1"]["control steps driven alone"] == 2000
    assert set(found.figures) == {"distances", "trade_off", "learning"}
    for image in found.figures.values():
        assert image.startswith(b"\x89PNG")


def test_tables_are_made_of_what_is_there(tmp_path):
    """A single seed of some methods, of which one has not met all plants yet."""
    budget = Budget(seeds=1, steps=1000)
    every = algorithms.cells(quick=False, budget=budget)
    assert {cell.contestants[0].name for cell in every.values()} >= {"SAC 0", "GAIL 0"}
    assert not any(" 1 | " in name for name in every)
    kept = {
        name: cell
        for name, cell in every.items()
        if name.startswith(("SAC 0 |", "NMPC"))
        or (name.startswith("GAIL 0") and "| nominal | random" in name)
    }
    found = algorithms.findings(kept, Imagined(tmp_path))
    rows = [(row["plant"], row["goals"], row["controller"]) for row in found.tables["accuracy"]]
    assert len(rows) == 4 * 2 + 1
    assert ("nominal", "random", "GAIL") in rows
    assert found.tables["ratios"] == []
    assert {row["policy"] for row in found.tables["budget"]} == {"SAC 0", "GAIL 0"}
    agents = {
        name: cell for name, cell in rivals.agents(False, budget).items() if isinstance(cell, AgentPolicy)
    }
    imitate = {name for name, cell in agents.items() if cell.settings.experience.steps == 500}
    assert imitate == {"GAIL 0", "AIRL 0", "density 0"}
    assert {agents[name].settings.experience.steps for name in agents.keys() - imitate} == {1000}


def test_agents_are_judged_as_they_have_learned():
    kinds = {contestant.name: type(contestant.setup) for contestant in rivals.contestants(quick=False)}
    assert (kinds["SAC 0"], kinds["SAC 0 + filter"], kinds["DAgger 0"]) == (
        HeldSetup,
        HeldSetup,
        FlexibleSetup,
    )


def test_an_agent_drives_and_is_filtered(tmp_path):
    """On the arm of the studies, with a few steps."""
    pytest.importorskip("stable_baselines3")
    store = Store(tmp_path)
    experience = ExperienceSettings(100, arms=2, evaluate_every=1, evaluation_tasks=1)
    settings = sac.Settings(experience, SACSettings(learning_starts=8), NetworkShape(32, 1))
    cell = SACPolicy(teaching(0, duration=0.2), 0, settings=settings)
    assert run_cell(("agent", cell, store))[1] is None
    assert store.values(cell)["control steps"] == 100
    assert len(store.values(cell)["curve"]) == 1
    setup = HeldSetup()
    for contestant in (Contestant("SAC", setup, cell), Filtered("SAC + filter", setup, cell)):
        trial = replace(trial_of(FlexibleTasks("random", 1000, 0, 1), contestant), duration=0.05)
        _, error = run_cell(("trial", trial, store))
        assert error is None, error
        assert store.values(trial)["episodes"][0]["fallback steps"] == 0


def test_a_curve_has_the_rounds_that_were_judged(tmp_path: Path):
    path = tmp_path / "training.csv"
    path.write_text("round,steps,judged distance,judged reward,judged violating\n1,10,,,\n2,20,0.5,-1,0.25\n")
    expected = {"steps": 20.0, "judged distance": 0.5, "judged reward": -1.0, "judged violating": 0.25}
    assert curve_of(path) == [expected]


def test_cells_differ_by_their_settings():
    assert SACPolicy(teaching(0), 0).key != SACPolicy(teaching(0), 1).key
    assert SACPolicy(teaching(0), 0).key != GAILPolicy(teaching(0), 0).key


class TestRigid:
    def test_the_study_is_found_by_its_name(self):
        assert studies_of("rigid")["algorithms"] is rigid.STUDY

    def test_who_imitates_has_the_demonstrations_of_the_clone(self):
        cells = rigid.cells(quick=False)
        methods = {group_of(name) for name in cells}
        assert methods == {"mpc", "BC", "DAgger", "GAIL", "AIRL", "density", "SAC", "PPO"}
        for seed in (0, 1, 2):
            clone = cells[f"BC seed {seed}"].policy
            assert {cells[f"{name} seed {seed}"].policy.shown for name in rigid.IMITATING} == {
                clone.demonstrations
            }
        assert len({cell.sets for cell in cells.values()}) == 1

    def test_what_all_are_compared_with_has_to_be_there(self, tmp_path):
        cells = rigid.cells(quick=False, budget=Budget(1, 1000))
        assert len(cells) == 1 + 7
        assert cells["SAC seed 0"].policy.settings.experience.steps == 1000
        del cells["mpc"]
        with pytest.raises(SettingsError, match="--only mpc"):
            rigid.findings(cells, Imagined(tmp_path))

    def test_labels_are_counted_where_they_are_used(self, tmp_path):
        cells = {name: cell.policy for name, cell in rigid.cells(quick=False).items() if cell.policy}
        rows = {row["policy"]: row["labels of the expert"] for row in budget_rows(cells, Imagined(tmp_path))}
        assert (rows["GAIL seed 0"], rows["SAC seed 0"]) == (75_000, 0)
