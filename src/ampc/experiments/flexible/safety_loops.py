"""The loops of the study `safety`: who proposes torques, and what is between them and the arm."""

from dataclasses import replace

from ampc.control.safety_settings import SafetyFilterSettings, safety_preset
from ampc.episodes.filtered_setup import FilteredSetup, Proposer
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.experiments.flexible.distillation import CLONED, EXPERT, TAUGHT, policies
from ampc.experiments.flexible.pictures import BEHIND
from ampc.experiments.flexible.policies import FlexiblePolicy
from ampc.experiments.flexible.safety_trial import FilteredContestant

HOSTILE: dict[str, Proposer] = {
    "random": "random",
    "bang-bang": "bang-bang",
    "saturated": "saturated",
    "towards obstacles": "obstacles",
    "untrained network": "untrained",
    "NaN": "nan",
    "frozen": "frozen",
    "NMPC, sign flipped": "sign-flipped",
}
FOREIGN = "NMPC of another arm"
"""That of the same arm without flexible links."""
VARIANTS: dict[str, FilteredSetup] = {
    "ours": FilteredSetup(),
    "ours, verify off": FilteredSetup(filter=replace(SafetyFilterSettings(), verify=False)),
    "ours, backup off": FilteredSetup(filter=replace(SafetyFilterSettings(), backup=False)),
    "published form": FilteredSetup(
        filter=safety_preset("published"), filter_robot=RobotSettings("flexible-arm-1")
    ),
    "no filter": FilteredSetup(filtered=False),
}
"""Filters by name."""
RIGID = RobotSettings("flexible-arm-0")
"""The arm without flexible links, wall and ground where they were."""


def taught(quick: bool) -> dict[str, FlexiblePolicy]:
    """The cloned policy and the one taught by DAgger, of the first seed."""
    found = policies(quick, (0,))
    return {name: next(found[key] for key in found if key.startswith(name)) for name in (CLONED, TAUGHT)}


def filtered_and_not(quick: bool) -> list[FilteredContestant]:
    """Expert and policies, each with and without filter."""
    cells: dict[str, FlexiblePolicy | None] = {EXPERT: None, **taught(quick)}
    return [
        FilteredContestant(name + (BEHIND if filtered else ""), FilteredSetup(filtered=filtered), cell)
        for name, cell in cells.items()
        for filtered in (False, True)
    ]


def hostile(filtered: bool) -> list[FilteredContestant]:
    """Controllers that do harm."""
    found = [
        FilteredContestant(name, FilteredSetup(proposer=proposer, filtered=filtered))
        for name, proposer in HOSTILE.items()
    ]
    foreign = FilteredSetup(FlexibleSetup(RIGID), filtered=filtered)
    return [*found, FilteredContestant(FOREIGN, foreign)]


def variants(quick: bool) -> list[FilteredContestant]:
    """Filters around the policy taught by DAgger, and around random torques."""
    policy = taught(quick)[TAUGHT]
    return [
        contestant
        for name, setup in VARIANTS.items()
        for contestant in (
            FilteredContestant(f"{TAUGHT}, {name}", setup, policy),
            FilteredContestant(f"random, {name}", replace(setup, proposer="random")),
        )
    ]


def rigid() -> list[FilteredContestant]:
    """The arm without flexible links, with and without filter."""
    base = FilteredSetup(FlexibleSetup(RIGID, RIGID), filter_robot=RIGID)
    proposers: dict[str, Proposer] = {EXPERT: "own", "random": "random", "towards obstacles": "obstacles"}
    return [
        FilteredContestant(
            name + (BEHIND if filtered else ""), replace(base, proposer=proposer, filtered=filtered)
        )
        for name, proposer in proposers.items()
        for filtered in (False, True)
    ]
