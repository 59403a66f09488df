"""Study: all ways to a policy beside each other, from the same 100 demonstrations or by driving alone."""

from collections.abc import Mapping
from dataclasses import replace

from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.setup import EpisodeSetup
from ampc.errors import SettingsError
from ampc.experiments.agents.base import AgentPolicy
from ampc.experiments.agents.ppo import PPOPolicy
from ampc.experiments.agents.results import budget_rows, draw_curves
from ampc.experiments.agents.rivals import (
    BEST_NOTE,
    IMITATING,
    experience_of,
    rivals_study,
    with_experience,
)
from ampc.experiments.agents.sac import SACPolicy
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, draw_errors, panel, rows
from ampc.experiments.rigid.dagger_policies import DaggerPolicy
from ampc.experiments.rigid.demonstrations import Demonstrations
from ampc.experiments.rigid.policies import ClonedPolicy
from ampc.experiments.rigid.protocol import (
    DATA_SEED,
    EXPERT,
    controllers,
    group_of,
    region_sets,
    seeds,
    training,
    trial_of,
    with_seed,
)
from ampc.experiments.rigid.trial import TaskSet, Trial
from ampc.experiments.study import Budget, Findings
from ampc.learning.dagger import Teaching
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.reinforcement.settings import ExperienceSettings
from ampc.policies.spec import InputSettings, NetworkSettings
from ampc.report.boxes import CAPTION
from ampc.report.studies import draw_panels
from ampc.tasks import REGIONS, TaskSettings

EPISODES = 100
"""Demonstrations of every policy that imitates without asking."""
LABELS = 4_000
"""Labels of DAgger: about as many as there are in the demonstrations."""
STEPS = 300_000
"""Control steps that each agent drives: 5,000 episodes."""
DRIVING: dict[str, type[AgentPolicy]] = {"SAC": SACPolicy, "PPO": PPOPolicy}
FULL = Budget()
MINUTES_OF_A_MILLION = 50.0
"""Time of one core in which an agent drives and learns a million control steps [min]: all are decisions."""
MINUTES_OF_THE_REST = 5.0
"""Time of one core for demonstrations, BC, DAgger and all episodes that are judged, for each seed [min]."""
INPUTS = InputSettings(history=1)
"""What all policies see: agents have no memory, and so have their rivals here."""


def cells(quick: bool, budget: Budget = FULL) -> Mapping[str, Cell]:
    """The expert, and every algorithm for every seed, in all regions."""
    sets = region_sets(quick)
    found: dict[str, Cell] = dict(controllers(sets))
    episodes = 4 if quick else EPISODES
    experience = ExperienceSettings(budget.steps or STEPS)
    if quick:
        experience = ExperienceSettings(240, arms=2, evaluate_every=1, evaluation_tasks=2)
    for seed in seeds(quick) if budget.seeds is None or quick else range(budget.seeds):
        collection = CollectionSettings(episodes=episodes, seed=DATA_SEED + seed)
        data, lessons = Demonstrations(collection), Teaching(EpisodeSetup(), TaskSettings(), collection)
        common = training(seed, quick), INPUTS, NetworkSettings()
        dagger = DaggerSettings(rounds=1 if quick else 4, labels=500 if quick else LABELS)
        found[with_seed("BC", seed)] = trial_of(ClonedPolicy(data, *common), sets)
        found[with_seed("DAgger", seed)] = trial_of(
            DaggerPolicy(lessons, common[0], dagger, *common[1:]), sets
        )
        for name, kind in (IMITATING | DRIVING).items():
            cell = kind(lessons, seed, episodes, data if name in IMITATING else None)
            own = with_experience(cell, experience_of(name, experience), quick)
            found[with_seed(name, seed)] = _trial(own, sets)
    return found


def _trial(policy: AgentPolicy, sets: tuple[TaskSet, ...]) -> Trial:
    """Trial of an agent in the loop that it has learned in."""
    setup = policy.teaching.setup
    assert isinstance(setup, EpisodeSetup)
    return Trial(sets, replace(setup.controller, kind="policy", name=None), policy, setup.plant, setup.robot)


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Figures of all methods, what each was given, and how agents learn.

    Raises:
        SettingsError: If the expert, which all are compared with, is not among the cells.
    """
    if EXPERT not in cells:
        raise SettingsError(f"all methods are compared with the expert; add --only {EXPERT}")
    summary = compare(cells, store, EXPERT)
    policies = {
        name: cell.policy
        for name, cell in cells.items()
        if isinstance(cell, Trial) and cell.policy is not None
    }
    methods: dict[str, list[Cell]] = {}
    for name, policy in policies.items():
        methods.setdefault(group_of(name), []).append(policy)
    figure = draw_panels(
        [
            panel(summary, "success", "success [%]", REGIONS, scale=100.0),
            panel(summary, "steady_error", "steady error, median [mm]", REGIONS, "median", 1e3, log=True),
        ],
        columns=1,
    )
    tables = {"figures": rows(summary), "budget": budget_rows(policies, store)}
    figures = {
        "regions": figure,
        "errors": draw_errors(cells, store),
        "learning": draw_curves(methods, store),
    }
    return Findings(tables, figures, NOTES)


NOTES = (
    "All policies see the present state error alone, and learn on the interior: BC, GAIL, AIRL and density "
    f"from the same {EPISODES} demonstrations, DAgger from about as many labels, agents by driving besides. "
    "What each was given stands in the table `budget`: it is to be read "
    f"beside the figures. {BEST_NOTE} Success means less than 10 mm throughout the last 0.3 s of 3 s.",
    f"Steady error: that of the last 0.3 s; less than 1 um is drawn as that. {CAPTION}",
)


STUDY = rivals_study(
    "How do imitation by driving (GAIL, AIRL, density) and reinforcement learning (SAC, PPO) compare "
    "with behaviour cloning and DAgger?",
    cells,
    findings,
    lambda count, steps: (
        count * (len(IMITATING | DRIVING) * steps * MINUTES_OF_A_MILLION / 1e6 + MINUTES_OF_THE_REST)
    ),
    (len(seeds(quick=False)), STEPS),
)
