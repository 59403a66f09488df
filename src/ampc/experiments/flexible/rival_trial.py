"""Trials of rivals: agents, whose commands are held, and policies behind the safety filter.

A module of its own, since a cell depends on the code that its module imports: results of a filtered policy
depend on the filter, those of other trials must not.
"""

from dataclasses import dataclass, field

from ampc.control.safety_settings import SafetyFilterSettings
from ampc.episodes.filtered_setup import FilteredSetup
from ampc.episodes.held_setup import HeldSetup
from ampc.experiments.cell import Store
from ampc.experiments.flexible.trial import Contestant, FlexibleTasks, FlexibleTrial


@dataclass(frozen=True)
class Filtered(Contestant):
    """A closed loop behind the safety filter."""

    filter: SafetyFilterSettings = field(default_factory=SafetyFilterSettings)
    """The filter."""

    def closed_loop(self, store: Store) -> FilteredSetup:  # type: ignore[override]  # it builds the same
        """The setup with the policy and the filter in place."""
        return FilteredSetup(super().closed_loop(store), filter=self.filter)


@dataclass(frozen=True)
class RivalTrial(FlexibleTrial):
    """Episodes of loops with held commands or a filter."""


def trial_of(tasks: FlexibleTasks, contestant: Contestant) -> FlexibleTrial:
    """The trial of a contestant that depends on no more code than it has to."""
    rival = isinstance(contestant, Filtered) or isinstance(contestant.setup, HeldSetup)
    return (RivalTrial if rival else FlexibleTrial)(tasks, (contestant,))
