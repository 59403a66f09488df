"""Trained policies as cells: each leaves its weights and ``policy.onnx`` in its folder."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.episodes.setup import EpisodeSetup
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.demonstrations import Demonstrations
from ampc.export.onnx import export_onnx
from ampc.learning.behaviour_cloning import train_policy
from ampc.learning.settings import TrainingSettings
from ampc.policies.policy import Policy
from ampc.policies.spec import InputSettings, NetworkSettings, PolicySpec

ONNX_FILE = "policy.onnx"


def specify(setup: EpisodeSetup, inputs: InputSettings, network: NetworkSettings) -> PolicySpec:
    """A policy for the robot, rate and torque law of a loop, with the commands that its expert needs."""
    robot = setup.build_robot()
    return PolicySpec.for_robot(
        robot,
        setup.plant.control_period,
        (setup.controller.command_limit,) * robot.n_actuated,
        setup.controller.torque_law,
        inputs,
        network,
    )


class PolicyCell(Cell):
    """A cell that leaves ``policy.onnx`` in its folder."""

    @property
    @abstractmethod
    def setup(self) -> EpisodeSetup:
        """Whom the policy imitates, and on which plant."""


@dataclass(frozen=True)
class ClonedPolicy(PolicyCell):
    """A policy fitted to demonstrations."""

    demonstrations: Demonstrations
    """What it learns from; also whose robot, rate and torque law it has."""
    training: TrainingSettings
    """The training protocol, its seed included."""
    inputs: InputSettings = field(default_factory=InputSettings)
    """What it sees."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """The network."""

    @property
    def setup(self) -> EpisodeSetup:
        """Whom it imitates, and on which plant."""
        return self.demonstrations.setup

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Train and export."""
        dataset = self.demonstrations.open(store.folder(self.demonstrations))
        spec = specify(self.setup, self.inputs, self.network)
        policy = train_policy(dataset, spec, self.training, folder, Console(quiet=True))
        export_onnx(policy, folder / ONNX_FILE)
        trained = policy.spec.training
        return {name: trained[name] for name in ("epochs", "best_epoch", "validation_loss")}


@dataclass(frozen=True)
class RetimedPolicy(Cell):
    """The same weights in a loop of another rate, which the run-time would refuse by itself."""

    policy: ClonedPolicy
    """The policy as it was trained."""
    control_period: float
    """Time between two of its calls [s]."""
    stride: int
    """Control steps between two entries of its history."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Change the specification and export."""
        policy = Policy.load(store.folder(self.policy))
        inputs = replace(policy.spec.inputs, stride=self.stride)
        policy.spec = replace(policy.spec, control_period=self.control_period, inputs=inputs)
        export_onnx(policy, folder / ONNX_FILE)
        return {}
