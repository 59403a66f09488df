"""The loop of a policy that decides less often than sensors are read, such as an agent's."""

from dataclasses import dataclass, replace
from typing import cast

from ampc.arrays import FloatArray
from ampc.control.feedback import Reference
from ampc.control.policy_controller import PolicyController, SituatedLaw
from ampc.control.stuck import NEVER_STUCK
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.errors import SettingsError
from ampc.policies.loading import RuntimePolicy, load_policy
from ampc.robots import Robot


class HeldLaw:
    """A policy that is asked at every so many control steps; in between, what it said stands."""

    needs_reference = True

    def __init__(self, law: RuntimePolicy, held: int) -> None:
        """Take the policy, and the control steps from one of its commands to the next."""
        self._law, self._held = law, held
        self.name, self.command_limit = law.name, law.command_limit
        self.saturated = False
        self._left = 0

    def reset(self, reference: Reference) -> None:
        """Take a new goal and forget the past."""
        self._law.reset(reference)
        self._left = 0

    def refer(self, q: FloatArray) -> None:
        """Take another joint reference (n,) [rad] in the middle of an episode."""
        self._law.refer(q)

    def command(self, *state: FloatArray) -> FloatArray:
        """The policy's last command (m,); a new one if that is due."""
        if not self._left:
            self._command, self._left = self._law.command(*state), self._held
            self.saturated = self._law.saturated
        self._left -= 1
        return self._command.copy()


@dataclass(frozen=True)
class HeldSetup(FlexibleSetup):
    """A `FlexibleSetup` for policies of any control period that is a multiple of the plant's.

    Sensors are read and the state is estimated at the plant's; in between its decisions a policy's command
    stands. One that learned with held commands drives badly if it is asked more often: it answers the noise
    of every estimate. Nor is an arm sent another way while such a policy drives it: it has learned to go the
    way that was chosen at the start.
    """

    def _drive(self, model: Robot, law: SituatedLaw) -> PolicyController:
        if not isinstance(law, HeldLaw):
            return super()._drive(model, law)
        steadfast = replace(self, nmpc=replace(self.nmpc, stuck=NEVER_STUCK))
        return super(HeldSetup, steadfast)._drive(model, law)

    def _load_policy(self, model: Robot) -> RuntimePolicy:
        if self.policy is None:
            return super()._load_policy(model)
        own, period = load_policy(self.policy).spec.control_period, self.plant.control_period
        held = round(own / period)
        if held < 1 or abs(own - held * period) > 1e-9:
            raise SettingsError(
                f"{self.policy} decides every {own:g} s, the plant's control period is {period:g} s; one has "
                "to be a multiple of the other"
            )
        slower = replace(self, plant=replace(self.plant, control_period=own))
        law = super(HeldSetup, slower)._load_policy(model)
        return law if held == 1 else cast(RuntimePolicy, HeldLaw(law, held))
