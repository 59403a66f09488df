"""What a run consists of: its arm, policies, and the recipe of every controller that it compares."""

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import cast

from ampc.episodes.setup import ControllerKind, ControllerSettings, EpisodeSetup
from ampc.errors import PolicyError
from ampc.learning import TrainingSettings, policy_names
from ampc.policies.spec import Architecture, NetworkSettings, PolicySpec
from ampc.robots import Robot
from ampc.runs.exported import ONNX_FILE, is_exported
from ampc.runs.settings import RunSettings

EXPERT_NAME: ControllerKind = "mpc"
"""Name of the MPC in tables and figures, to which all others are compared."""


class RunPlan:
    """Names, folders and recipes that follow from a run's settings.

    Attributes:
        folder: The run's folder.
        settings: Its resolved settings.
    """

    def __init__(self, folder: Path, settings: RunSettings) -> None:
        """Take the folder and the resolved settings."""
        self.folder = folder
        self.settings = settings

    @cached_property
    def robot(self) -> Robot:
        """The arm."""
        return self.settings.robot.load()

    def policies(self) -> dict[str, Path]:
        """Name and folder of each policy that the settings ask for, trained or not."""
        seeds = self.settings.learning.seeds
        return {
            f"{name}-{seed}" if len(seeds) > 1 else name: self.folder / "policies" / f"{name}-{seed}"
            for name in self.kinds()
            for seed in seeds
        }

    def kinds(self) -> dict[str, tuple[str, str]]:
        """Names of the policies, seeds apart: architecture and algorithm (``bc`` or ``dagger``) of each."""
        return policy_names(self.settings.learning.architectures, self.settings.learning.algorithm)

    def kind_of(self, name: str) -> tuple[str, str]:
        """Architecture and algorithm of one of `policies`."""
        kind, _ = self.policies()[name].name.rsplit("-", 1)
        return self.kinds()[kind]

    def specification(self, name: str) -> tuple[PolicySpec, TrainingSettings]:
        """What one of `policies` is, and how it is trained."""
        settings = self.settings.learning
        seed = self.policies()[name].name.rsplit("-", 1)[1]
        architecture, _ = self.kind_of(name)
        network = NetworkSettings(
            architecture=cast(Architecture, architecture),
            hidden_size=settings.hidden_size,
            layers=settings.layers,
        )
        spec = PolicySpec.for_robot(
            self.robot,
            self.settings.plant.control_period,
            (self.setup(self.settings.expert).controller.command_limit,) * self.robot.n_actuated,
            self.settings.torque_law,
            settings.inputs,
            network,
        )
        return spec, dataclasses.replace(settings.training, seed=int(seed))

    def setups(self) -> dict[str, EpisodeSetup]:
        """Recipe of every controller that is compared, by name, the expert first."""
        kinds: tuple[ControllerKind, ...] = (
            EXPERT_NAME,
            self.settings.expert,
            *self.settings.evaluation.baselines,
        )
        setups: dict[str, EpisodeSetup] = {kind: self.setup(kind) for kind in kinds}
        return setups | {name: self.policy_setup(name, path) for name, path in self.policies().items()}

    def setup(self, kind: ControllerKind) -> EpisodeSetup:
        """Recipe of the closed loop of one kind of controller."""
        settings = self.settings
        controller = ControllerSettings(
            kind=kind,
            mpc=settings.mpc,
            torque_law=settings.torque_law,
            inverse_kinematics=settings.inverse_kinematics,
            name=kind,
        )
        return EpisodeSetup(settings.robot, controller, settings.plant)

    def policy_setup(self, name: str, folder: Path) -> EpisodeSetup:
        """Recipe of the closed loop of an exported policy.

        Raises:
            PolicyError: If it has not been exported, or trained anew since.
        """
        path = folder / ONNX_FILE
        if not path.exists():
            raise PolicyError(
                f"{path} is missing; run: ampc train {self.folder} && ampc export {self.folder}"
            )
        if not is_exported(folder):
            raise PolicyError(f"{path} is not that of the trained policy; run: ampc export {self.folder}")
        setup = self.setup("policy")
        return dataclasses.replace(
            setup, controller=dataclasses.replace(setup.controller, policy=path, name=name)
        )

    def seed_groups(self) -> dict[str, tuple[str, ...]]:
        """Policies that differ by their seed alone, by name; none where there is one seed."""
        seeds = self.settings.learning.seeds
        if len(seeds) == 1:
            return {}
        return {name: tuple(f"{name}-{seed}" for seed in seeds) for name in self.kinds()}
