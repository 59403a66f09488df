"""Everything a policy needs to run alone, as plain data: inputs, network, robot, limits, provenance."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ampc.control.feedback import TorqueLawName
from ampc.errors import PolicyError, SettingsError
from ampc.policies.planar_constants import PlanarChain
from ampc.policies.settings import (
    Architecture,
    Component,
    InputSettings,
    NetworkSettings,
    ReferenceNetworkSettings,
    Window,
)
from ampc.settings import from_dict, to_dict

if TYPE_CHECKING:
    from ampc.robots.robot import Robot

__all__ = [
    "FORMAT_VERSION",
    "Architecture",
    "Component",
    "InputSettings",
    "NetworkSettings",
    "PolicySpec",
    "ReferenceNetworkSettings",
    "Window",
]

FORMAT_VERSION = 3
"""Version of the policy file written by this package; files of a newer one are refused."""


@dataclass(frozen=True)
class PolicySpec:
    """A policy without its weights; saved as ``policy.json`` and inside ONNX files."""

    robot: str
    """Name of the robot the policy was trained for."""
    robot_fingerprint: str
    """Its `Robot.fingerprint`."""
    joint_names: tuple[str, ...]
    """Names of its n joints from base to tip."""
    actuated: tuple[int, ...]
    """Indices of the m actuated joints."""
    control_period: float
    """Time between two calls of the policy [s]."""
    command_limit: tuple[float, ...]
    """Largest magnitude of each command (m,), applied after the network."""
    torque_law: TorqueLawName = "computed-torque"
    """What the command is: [rad/s^2] under computed torque, [N m] under gravity compensation."""
    inputs: InputSettings = field(default_factory=InputSettings)
    """What the network sees."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """The network."""
    reference_network: ReferenceNetworkSettings | None = None
    """A second network, from the goal to the joint reference; None if the reference is given."""
    kinematic_chain: dict[str, Any] = field(default_factory=dict)
    """`KinematicChain.to_dict` of the robot; needed by the component ``target_error``, by windows that are
    not fixed and by reference networks."""
    planar_chain: PlanarChain | None = None
    """Kinematics of a yaw joint that carries a planar chain; of policies that see estimated states."""
    n_obstacles: int = 0
    """Half-spaces around the robot that an estimated state holds."""
    training: dict[str, Any] = field(default_factory=dict)
    """Where the weights come from: dataset, learner, seed and whatever the learner wants to keep."""
    format_version: int = FORMAT_VERSION
    """Version of this format."""

    def __post_init__(self) -> None:
        m, n = self.n_actuated, self.n_joints
        if m == 0 or any(not 0 <= index < n for index in self.actuated):
            raise PolicyError(f"actuated must be indices into the {n} joints, not {list(self.actuated)}")
        if len(self.command_limit) != m:
            raise PolicyError(f"command_limit has {len(self.command_limit)} entries for {m} actuated joints")
        if not all(math.isfinite(limit) and limit > 0.0 for limit in self.command_limit):
            raise PolicyError(f"command_limit must be positive and finite, not {list(self.command_limit)}")
        if not (math.isfinite(self.control_period) and self.control_period > 0.0):
            raise PolicyError(f"control_period must be positive, not {self.control_period} s")
        if self.recurrent and self.inputs.stride != 1:
            raise PolicyError(
                f"inputs.stride is {self.inputs.stride}, but a recurrent network takes one step per control "
                "step: use stride 1"
            )
        if self.recurrent and self.inputs.adaptive:
            raise PolicyError("inputs.window must be 'fixed' for a recurrent network: it has no window")
        if self.reference_network is not None and not self.inputs.needs_reference:
            raise PolicyError(
                "there is a reference_network, but no component of the inputs reads a reference"
            )
        if self.inputs.estimated and self.planar_chain is None:
            raise PolicyError("inputs.estimated needs the robot's planar_chain")
        kinematic = {
            "inputs.components: 'target_error'": "target_error" in self.inputs.components,
            f"inputs.window: {self.inputs.window!r}": self.inputs.adaptive,
            "reference_network": self.reference_network is not None,
        }
        for what in (name for name, is_used in kinematic.items() if is_used):
            if m != n:
                raise PolicyError(f"{what} needs every joint to be actuated")
            if not self.kinematic_chain:
                raise PolicyError(f"{what} needs the robot's kinematic_chain")

    @classmethod
    def for_robot(
        cls,
        robot: "Robot",
        control_period: float,
        command_limit: tuple[float, ...],
        torque_law: TorqueLawName = "computed-torque",
        inputs: InputSettings | None = None,
        network: NetworkSettings | None = None,
        training: dict[str, Any] | None = None,
    ) -> "PolicySpec":
        """Specification of a policy for this robot, default network sizes filled in.

        Args:
            robot: The arm.
            control_period: Time between two calls of the policy [s].
            command_limit: Largest magnitude of each command (m,).
            torque_law: What the command is.
            inputs: What the network sees; default state error over 10 steps.
            network: The network; default feed-forward.
            training: Provenance to keep in the file.
        """
        # The robots room needs MuJoCo; a saved policy has to be readable without it.
        from ampc.policies.planar_chain import planar_chain
        from ampc.robots import KinematicChain

        inputs = inputs or InputSettings()
        return cls(
            robot=robot.name,
            robot_fingerprint=robot.fingerprint,
            joint_names=robot.joint_names,
            actuated=tuple(int(index) for index in robot.actuated),
            control_period=control_period,
            command_limit=command_limit,
            torque_law=torque_law,
            inputs=inputs,
            network=(network or NetworkSettings()).resolved(),
            kinematic_chain=KinematicChain.from_robot(robot).to_dict(),
            planar_chain=planar_chain(robot) if inputs.estimated else None,
            n_obstacles=len(robot.obstacles) if inputs.estimated else 0,
            training=training or {},
        )

    @property
    def n_joints(self) -> int:
        """Number of joints n."""
        return len(self.joint_names)

    @property
    def n_actuated(self) -> int:
        """Number of actuated joints m, and of entries of a command."""
        return len(self.actuated)

    @property
    def n_state(self) -> int:
        """Entries of a state: (q, dq) of the motors or, estimated, see `ampc.control.situation.Situation`."""
        if self.inputs.estimated:
            return 2 * self.n_joints + 1 + 4 * self.n_obstacles
        return 2 * self.n_actuated

    @property
    def recurrent(self) -> bool:
        """Whether the network carries a hidden state from step to step."""
        return self.network.recurrent

    @property
    def needs_reference(self) -> bool:
        """Whether the policy has to be given q_ref, so that inverse kinematics has to run before it."""
        return self.inputs.needs_reference and self.reference_network is None

    @property
    def needs_goal(self) -> bool:
        """Whether the policy has to be given the Cartesian goal."""
        return self.inputs.needs_goal or self.reference_network is not None

    def require(self, robot: "Robot", control_period: float) -> None:
        """Refuse a robot or a loop other than those the policy was trained for.

        Args:
            robot: The arm it is to control.
            control_period: Time between two calls of it [s].

        Raises:
            PolicyError: If fingerprint or control period differ.
        """
        if robot.fingerprint != self.robot_fingerprint:
            raise PolicyError(
                f"this policy was trained for robot {self.robot!r} (fingerprint {self.robot_fingerprint}), "
                f"not for {robot.name!r} (fingerprint {robot.fingerprint}): kinematics, "
                "inertia or limits differ"
            )
        if not math.isclose(control_period, self.control_period, rel_tol=1e-6):
            raise PolicyError(
                f"this policy was trained at a control period of {self.control_period:g} s and would see a "
                f"history of another spacing at {control_period:g} s"
            )

    def to_json(self) -> str:
        """The specification as JSON text; non-finite numbers are refused."""
        return json.dumps(to_dict(self), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str | Path = "policy") -> "PolicySpec":
        """Specification from JSON text.

        Args:
            text: What `to_json` returned.
            where: File the text comes from, for messages.

        Raises:
            PolicyError: For damaged JSON, misspelt or missing fields, wrong types, or a newer format version.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise PolicyError(f"{where} is not valid JSON: {error}") from error
        if not isinstance(values, dict) or not isinstance(values.get("format_version"), int):
            raise PolicyError(
                f"{where} is not a policy: it has no format_version (this package writes {FORMAT_VERSION})"
            )
        if values["format_version"] > FORMAT_VERSION:
            raise PolicyError(
                f"{where} has format version {values['format_version']}; this ampc reads up to "
                f"{FORMAT_VERSION}: update ampc"
            )
        try:
            return from_dict(cls, values, str(where))
        except (SettingsError, PolicyError) as error:
            raise PolicyError(str(error)) from error
