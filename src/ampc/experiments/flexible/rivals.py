"""The controllers of the study `algorithms`: policies by every algorithm, some also behind the filter."""

from dataclasses import replace

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.held_setup import HeldSetup
from ampc.experiments.agents.base import AgentPolicy
from ampc.experiments.agents.ppo import PPOPolicy
from ampc.experiments.agents.rivals import IMITATING, experience_of, with_experience
from ampc.experiments.agents.sac import SACPolicy
from ampc.experiments.cell import Cell
from ampc.experiments.flexible.distillation import CLONED, TAUGHT, policies
from ampc.experiments.flexible.pictures import BEHIND
from ampc.experiments.flexible.policies import DURATION, LOOP, teaching
from ampc.experiments.flexible.protocol import kind_of
from ampc.experiments.flexible.rival_trial import Filtered
from ampc.experiments.flexible.trial import Contestant
from ampc.experiments.study import Budget
from ampc.learning.reinforcement.settings import ExperienceSettings

SEEDS = (0, 1, 2)
STEPS = 2_000_000
"""Control steps that each agent drives: the published budget."""
FULL = Budget()
SAC, PPO, PENALISED = "SAC", "PPO", "SAC, penalised"
DRIVING: dict[str, type[AgentPolicy]] = {SAC: SACPolicy, PPO: PPOPolicy, PENALISED: SACPolicy}
PENALTY = 1.0
"""Cost of a control step inside an obstacle, for the agent that is penalised [m of distance]."""
FIRST_ROUND = "rounds/0/dataset"
"""Demonstrations in the folder of a policy that was cloned from them."""
FILTERED = (TAUGHT, SAC, PPO)
"""Whose policies are also compared behind the safety filter."""


def agents(quick: bool, budget: Budget = FULL) -> dict[str, Cell]:
    """All policies by name: algorithm and seed."""
    seeds = range(1 if quick else budget.seeds or len(SEEDS))
    taught = policies(quick, seeds)
    experience = ExperienceSettings(budget.steps or STEPS)
    if quick:
        experience = ExperienceSettings(800, arms=2, evaluate_every=2, evaluation_tasks=1)
    found: dict[str, Cell] = {name if " " in name else f"{name} 0": cell for name, cell in taught.items()}
    for seed in seeds:
        for name, kind in (IMITATING | DRIVING).items():
            shown = found[f"{CLONED} {seed}"] if name in IMITATING else None
            lessons = teaching(seed, duration=0.4 if quick else DURATION)
            cell = kind(lessons, seed, shown=shown, shown_at=FIRST_ROUND)
            cost = PENALTY if name == PENALISED else 0.0
            own = replace(experience_of(name, experience), violation_penalty=cost)
            found[f"{name} {seed}"] = with_experience(cell, own, quick)
    return found


def contestants(quick: bool, budget: Budget = FULL) -> list[Contestant]:
    """All policies, and some of them behind the filter."""
    found = agents(quick, budget)
    loops = [Contestant(name, _loop_of(cell), cell) for name, cell in found.items()]
    for name, cell in found.items():
        if kind_of(name) in FILTERED:
            loops.append(Filtered(f"{name}{BEHIND}", _loop_of(cell), cell))
    return loops


def _loop_of(policy: Cell) -> FlexibleSetup:
    """The loop of agents, in which their commands are held, or that of the study `distillation`."""
    return HeldSetup() if isinstance(policy, AgentPolicy) else LOOP
