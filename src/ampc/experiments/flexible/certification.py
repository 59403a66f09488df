"""A bound on how often a loop of the arm with flexible links fails, from as many episodes as it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from ampc.evaluation.certificate import Certificate, CertificateGoal, certify, upper_bound
from ampc.experiments.cell import Store
from ampc.experiments.flexible.safety_trial import FilteredContestant, SafetyTrial
from ampc.experiments.flexible.trial import FlexibleTasks
from ampc.experiments.reproduce import run_cells

CHUNK = 10
"""Episodes that are kept together; what is finished of a trial that stops is a multiple of this."""


@dataclass(frozen=True)
class Certification:
    """What the episodes show about violations, and about success."""

    violations: Certificate
    """An episode fails where a point enters an obstacle, or where a motor is too fast if that counts."""
    unsuccessful: int
    """Episodes that do not end within the radius around the goal."""
    success: float
    """Lower bound on the probability of success, with the same confidence."""

    def __str__(self) -> str:
        certificate = self.violations
        n, confidence = certificate.episodes, certificate.confidence
        return (
            f"violation probability <= {certificate.bound:.4g} with confidence {confidence:g} "
            f"({certificate.failures} of {n} episodes; {certificate.verdict})\n"
            f"success probability >= {self.success:.4g} with confidence {confidence:g} "
            f"({n - self.unsuccessful} of {n} episodes)"
        )


@dataclass(frozen=True)
class Judgement:
    """What counts as a violation, and as success."""

    speed: float | None = None
    """Share of its speed limit above which a motor violates, such as 1.05; None: speeds do not count."""
    radius: float = 0.05
    """Distance from the goal at the end of a successful episode [m]."""

    def violates(self, episode: Mapping[str, Any]) -> bool:
        """Whether an episode of a `SafetyTrial` violates a limit."""
        too_fast = self.speed is not None and episode["largest speed"] > self.speed
        return bool(too_fast or episode["violating samples"] > 0)

    def succeeds(self, episode: Mapping[str, Any]) -> bool:
        """Whether it ends at its goal."""
        return bool(episode["distance"] < self.radius)


def certify_loop(
    contestant: FilteredContestant,
    tasks: FlexibleTasks,
    goal: CertificateGoal,
    store: Store,
    judgement: Judgement | None = None,
    duration: float = 3.0,
    workers: int = 1,
    console: Console | None = None,
) -> Certification:
    """Run as many episodes of a loop as are needed, in parallel; what the store has is not run again.

    Args:
        contestant: The loop.
        tasks: From which distribution tasks are drawn; its count is ignored.
        goal: What is to be shown about violations.
        store: Where episodes are kept.
        judgement: What counts.
        duration: Length of an episode [s].
        workers: Processes.
        console: Where progress is shown.

    Raises:
        AmpcError: Episodes could not be run; what is finished is kept.
    """
    judgement, console = judgement or Judgement(), console or Console(quiet=True)
    found: list[Mapping[str, Any]] = []

    def run(count: int) -> list[bool]:
        cells = {
            f"episodes from {first}": SafetyTrial(
                replace(tasks, first=tasks.first + first, count=CHUNK), contestant, duration
            )
            for first in range(0, count, CHUNK)
        }
        run_cells(cells, store, workers, console)
        found[:] = [episode for cell in cells.values() for episode in store.values(cell)["episodes"]]
        return [judgement.violates(episode) for episode in found]

    certificate = certify(goal, run, multiple=CHUNK)
    unsuccessful = sum(not judgement.succeeds(episode) for episode in found)
    # The same looks, with the same shares of a delta of its own.
    failure = upper_bound(unsuccessful, certificate.episodes, certificate.look_delta)
    return Certification(certificate, unsuccessful, 1.0 - failure)
