"""Whose data a dataset holds: robot, controller, rate and every setting that shaped it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ampc
from ampc.control.situation import surroundings_of
from ampc.episodes.files import read_json, write_json
from ampc.episodes.frames import Naming
from ampc.errors import DatasetError, SettingsError
from ampc.provenance import git_commit
from ampc.robots.robot import Robot
from ampc.settings import differences, from_dict, to_dict

FORMAT_VERSION = 2
"""Version of what this package adds to LeRobot's layout."""

HEADER_PATH = "meta/ampc.json"

_PROVENANCE = ("ampc_version", "git_commit", "robot_source")


@dataclass(frozen=True)
class DatasetHeader:
    """Content of ``meta/ampc.json``."""

    robot: str
    """Name of the arm, as controllers believe it to be."""
    robot_fingerprint: str
    """Its `Robot.fingerprint`."""
    joint_names: tuple[str, ...]
    """Its joints, base to tip (n,)."""
    actuated_names: tuple[str, ...]
    """Its actuated joints (m,)."""
    control_period: float
    """Time between two rows of an episode [s]."""
    controller: str
    """Name of the controller whose commands are the actions."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of controller, plant, tasks and collection."""
    true_joint_names: tuple[str, ...] = ()
    """Joints of the simulated arm; empty if they are the same."""
    surroundings: tuple[str, ...] | None = None
    """What follows positions and velocities in an estimated state; None where states are measured."""
    differentiated: bool = False
    """Whether some actions come with their derivatives by the state."""
    robot_source: str = ""
    """Where the arm's model was read from."""
    format_version: int = FORMAT_VERSION
    """Version of the format."""
    ampc_version: str = ""
    """Version of this package that began the dataset."""
    git_commit: str | None = None
    """Commit of this package's source tree, if it has one."""

    @property
    def naming(self) -> Naming:
        """Whose numbers the rows hold."""
        true_joints = self.true_joint_names or self.joint_names
        return Naming(
            self.joint_names, self.actuated_names, true_joints, self.surroundings, self.differentiated
        )

    @classmethod
    def describe(
        cls,
        robot: Robot,
        controller: str,
        control_period: float,
        settings: dict[str, Any],
        simulated: Robot | None = None,
        differentiated: bool = False,
    ) -> "DatasetHeader":
        """Header of a dataset that is about to be made.

        Args:
            robot: The arm.
            controller: Name of the controller.
            control_period: Time between two rows [s].
            settings: What shaped the data, as nested dict of plain values.
            simulated: The arm as it is simulated, where controllers have a model of their own.
            differentiated: Whether some actions come with their derivatives.
        """
        simulated = simulated or robot
        return cls(
            robot=robot.name,
            robot_fingerprint=robot.fingerprint,
            joint_names=robot.joint_names,
            actuated_names=tuple(robot.joint_names[joint] for joint in robot.actuated),
            control_period=control_period,
            controller=controller,
            settings=settings,
            true_joint_names=() if simulated.joint_names == robot.joint_names else simulated.joint_names,
            surroundings=surroundings_of(robot) if len(robot.passive) else None,
            differentiated=differentiated,
            robot_source=robot.source,
            ampc_version=ampc.__version__,
            git_commit=git_commit(),
        )

    @classmethod
    def read(cls, folder: Path) -> "DatasetHeader":
        """Header of a dataset on disk.

        Raises:
            DatasetError: If the folder holds no dataset of this package, or one of another format version.
        """
        path = folder / HEADER_PATH
        if not path.exists():
            raise DatasetError(f"{folder} is not a dataset: it has no {HEADER_PATH}")
        content = read_json(path)
        version = content.get("format_version")
        if version != FORMAT_VERSION:
            raise DatasetError(
                f"{folder} has format version {version}; this version of ampc reads {FORMAT_VERSION}. "
                "Collect it again, or open it with the version of ampc that made it "
                f"({content.get('ampc_version', 'unknown')})"
            )
        try:
            return from_dict(cls, content, str(path))
        except SettingsError as error:
            raise DatasetError(f"{path} is damaged: {error}") from error

    def write(self, folder: Path) -> None:
        """Write the header into a dataset's folder."""
        write_json(folder / HEADER_PATH, to_dict(self))

    def differences(self, other: "DatasetHeader") -> list[str]:
        """Fields that make ``other`` another dataset, as ``field: self -> other``."""
        mine, theirs = to_dict(self), to_dict(other)
        for key in _PROVENANCE:
            del mine[key], theirs[key]
        return differences(mine, theirs)
