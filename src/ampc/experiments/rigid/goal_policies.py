"""Policies that need nothing but the Cartesian goal at run time, as cells."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ampc.episodes.setup import EpisodeSetup
from ampc.experiments.cell import Store
from ampc.experiments.rigid.policies import ONNX_FILE, ClonedPolicy, PolicyCell
from ampc.export.onnx import export_onnx
from ampc.learning.reference import ReferenceTraining, train_reference_network, with_reference_network
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class GoalPolicy(PolicyCell):
    """A policy of joint references, with a network that finds its own from the goal."""

    policy: ClonedPolicy
    """The policy."""
    training: ReferenceTraining
    """How the other network learns inverse kinematics."""

    @property
    def setup(self) -> EpisodeSetup:
        """Whom it imitates, and on which plant."""
        return self.policy.setup

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Train the network, join and export."""
        policy = Policy.load(store.folder(self.policy))
        network = train_reference_network(self.setup.build_robot(), policy.spec, self.training)
        joined = with_reference_network(policy, network)
        joined.save(folder)
        export_onnx(joined, folder / ONNX_FILE)
        return {}


@dataclass(frozen=True)
class RefinedPolicy(PolicyCell):
    """The same weights, with steps of inverse kinematics inside the graph."""

    policy: GoalPolicy
    """The policy."""
    refinements: int
    """Number of steps."""

    @property
    def setup(self) -> EpisodeSetup:
        """Whom it imitates, and on which plant."""
        return self.policy.setup

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Change the specification and export."""
        policy = Policy.load(store.folder(self.policy))
        assert policy.spec.reference_network is not None
        network = replace(policy.spec.reference_network, refinements=self.refinements)
        refined = Policy(replace(policy.spec, reference_network=network))
        refined.load_state_dict(policy.state_dict())
        export_onnx(refined.eval(), folder / ONNX_FILE)
        return {}
