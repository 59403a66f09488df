"""Recipes of a flexible arm's closed loop with a safety filter, or with a hostile controller."""

from dataclasses import dataclass, field
from typing import Literal

from ampc.control.controller import Controller
from ampc.control.hostile import HostileController, SignFlipped
from ampc.control.safety_filter import SafetyFilter
from ampc.control.safety_settings import SafetyFilterSettings
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.plants.chain_plant import ChainPlant
from ampc.robots import Robot

Proposer = Literal[
    "own",
    "sign-flipped",
    "random",
    "bang-bang",
    "saturated",
    "obstacles",
    "untrained",
    "nan",
    "frozen",
    "raises",
]


@dataclass(frozen=True)
class FilteredSetup:
    """A loop whose controller, or a hostile one in its place, is behind a safety filter."""

    loop: FlexibleSetup = field(default_factory=FlexibleSetup)
    """Model, plant and controller."""
    proposer: Proposer = "own"
    """Who proposes torques: the loop's ``own`` controller, the same ``sign-flipped``, or a hostile one, see
    `HostileController`."""
    filtered: bool = True
    """Whether the filter is there; without, the same proposer drives the plant unprotected."""
    filter: SafetyFilterSettings = field(default_factory=SafetyFilterSettings)
    """The safety filter."""
    filter_robot: RobotSettings = field(default_factory=lambda: RobotSettings("flexible-arm"))
    """The arm as the filter believes it to be."""

    def build_robot(self) -> Robot:
        """Load the simulated arm, whose limits and points are judged."""
        return self.loop.build_robot()

    def build(self) -> tuple[ChainPlant, Controller]:
        """Make the plant and the controller.

        Raises:
            AmpcError: If robots and settings do not fit together; the message says which and why.
        """
        plant, controller = self.loop.build()
        if self.proposer == "sign-flipped":
            controller = SignFlipped(controller)
        elif self.proposer != "own":
            controller = HostileController(self.proposer, self.loop.build_model(), plant.control_period)
        if not self.filtered:
            return plant, controller
        return plant, SafetyFilter(controller, self.filter_robot.load(), self.filter)


@dataclass(frozen=True)
class GuardedSetup(FlexibleSetup):
    """A `FlexibleSetup` for teaching: learners drive behind a safety filter.

    Demonstrations are the expert's own. Labels are the expert's everywhere, but where the filter had to stop
    the arm.
    """

    filter: SafetyFilterSettings = field(default_factory=SafetyFilterSettings)
    """The safety filter; it believes in the same model as the expert."""

    def guarded(self, controller: Controller) -> Controller:
        """Put a controller behind the filter."""
        return SafetyFilter(controller, self.build_model(), self.filter)
