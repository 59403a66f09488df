"""Policies of the flexible arm that are taught with few labels, as cells."""

from dataclasses import dataclass, field

from ampc.control.nonlinear_mpc_settings import preset
from ampc.episodes.filtered_setup import GuardedSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.experiments.flexible.policies import FlexiblePolicy


@dataclass(frozen=True)
class GuardedPolicy(FlexiblePolicy):
    """A `FlexiblePolicy` that drove behind the safety filter while it was taught; alone, it has none."""

    setup: FlexibleSetup = field(default_factory=lambda: GuardedSetup(nmpc=preset("tuned")))
    """Plant and expert, and the filter."""
