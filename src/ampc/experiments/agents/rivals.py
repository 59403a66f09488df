"""What the studies of all algorithms have in common, whichever the arm."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ampc.experiments.agents.airl import AIRLPolicy
from ampc.experiments.agents.base import AgentPolicy
from ampc.experiments.agents.density import DensityPolicy
from ampc.experiments.agents.gail import GAILPolicy
from ampc.experiments.cell import Cell, Store
from ampc.experiments.study import Budget, Findings, Study
from ampc.learning.reinforcement.settings import ExperienceSettings

IMITATING: dict[str, type[AgentPolicy]] = {"GAIL": GAILPolicy, "AIRL": AIRLPolicy, "density": DensityPolicy}
"""Algorithms that imitate by driving."""
IMITATION_SHARE = 0.5
"""Part of the control steps that these drive: their curves are flat long before."""
ADVERSARIAL = ("GAIL", "AIRL")
"""Algorithms whose rewards change while they learn: they go up and down by decimetres to the end, so that
each ends with the policy that was judged best on tasks of a seed of their own."""
JUDGED_EVERY = 5
"""Rounds between two of these judgements."""

BEST_NOTE = (
    "GAIL and AIRL, whose rewards change to the end, end with the policy that was best in the evaluations of "
    "every fifth round, by the distance on 32 tasks of a seed of their own; all others with their last policy."
)
"""What tables of these algorithms must say."""


def experience_of(name: str, experience: ExperienceSettings) -> ExperienceSettings:
    """The experience of an algorithm."""
    share = IMITATION_SHARE if name in IMITATING else 1.0
    found = replace(experience, steps=round(share * experience.steps))
    if name not in ADVERSARIAL:
        return found
    return replace(found, keep_best=True, evaluate_every=min(JUDGED_EVERY, experience.evaluate_every))


def with_experience(policy: AgentPolicy, experience: ExperienceSettings, quick: bool) -> AgentPolicy:
    """An agent with so much experience, shaped as its own is; a quick one learns after a few steps."""
    given: Any = policy.settings  # type: ignore[attr-defined]
    settings = replace(given, experience=replace(experience, shaping=given.experience.shaping))
    if quick and hasattr(settings, "sac"):
        settings = replace(settings, sac=replace(settings.sac, learning_starts=40))
    return replace(policy, settings=settings)  # type: ignore[call-arg]


def rivals_study(
    question: str,
    cells: Callable[..., Mapping[str, Cell]],
    findings: Callable[[Mapping[str, Cell], Store], Findings],
    minutes: Callable[[int, int], float],
    full: tuple[int, int],
) -> Study:
    """A study of all algorithms that can be done within a budget.

    Args:
        question: What it answers.
        cells: Its cells, from whether a small version is asked for, and the keyword ``budget``.
        findings: Its tables and figures.
        minutes: Time of one core that so many seeds and control steps take [min].
        full: Number of seeds, and control steps of each agent, without a budget.
    """

    def within(budget: Budget) -> Study:
        return Study(
            "algorithms",
            "Every rival in the same table",
            question,
            partial(cells, budget=budget),
            findings,
            core_minutes=minutes(budget.seeds or full[0], budget.steps or full[1]),
            within=within,
        )

    return within(Budget())
