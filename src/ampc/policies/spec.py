"""Everything a policy needs to run alone, as plain data: inputs, network, robot, limits, provenance."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ampc.control.feedback import TorqueLawName
from ampc.errors import PolicyError, SettingsError
from ampc.settings import from_dict, to_dict

if TYPE_CHECKING:
    from ampc.robots.robot import Robot

FORMAT_VERSION = 2
"""Version of the policy file written by this package; files of a newer one are refused."""

Component = Literal["state", "state_error", "reference", "target", "target_error", "sincos"]
Architecture = Literal["ffn", "lstm", "gru", "transformer"]
Window = Literal["fixed", "longer-near-singularities", "shorter-near-singularities"]

_DEFAULT_SIZES: dict[Architecture, tuple[int, int]] = {
    "ffn": (256, 3),
    "lstm": (128, 2),
    "gru": (128, 2),
    "transformer": (64, 2),
}


@dataclass(frozen=True)
class InputSettings:
    """What a policy sees at each entry of its history."""

    components: tuple[Component, ...] = ("state_error",)
    """``state`` is (q, dq), ``state_error`` (q - q_ref, dq), ``reference`` q_ref, ``target`` the goal p_des,
    ``target_error`` p_des - p(q), ``sincos`` (sin q, cos q)."""
    history: int = 10
    """Entries of the history, the present one included; for recurrent networks, of a training window."""
    stride: int = 1
    """Control steps between two entries of the history."""
    past_commands: bool = False
    """Whether each entry also holds the command that was applied just before its state was measured."""
    window: Window = "fixed"
    """How much of the history is used: all of it, or from `shortest` entries to all of it, depending on how
    near the arm is to a singularity; see `AdaptiveWindow`. Shorter near them is the counter-test."""
    shortest: int = 2
    """Entries used at least, where the window is not fixed."""
    window_share: float = 0.5
    """Share of the training states that have a window longer than `shortest`."""

    def __post_init__(self) -> None:
        if not self.components:
            raise PolicyError("inputs.components is empty: a policy needs at least 'state' or 'state_error'")
        if len(set(self.components)) != len(self.components):
            raise PolicyError(f"inputs.components names a component twice: {', '.join(self.components)}")
        if self.history < 1 or self.stride < 1:
            raise PolicyError(
                f"inputs.history and inputs.stride must be at least 1, not {self.history} and {self.stride}"
            )
        if self.adaptive and not 1 <= self.shortest <= self.history:
            raise PolicyError(
                f"inputs.shortest must lie between 1 and inputs.history ({self.history}), not {self.shortest}"
            )
        if not 0.0 < self.window_share <= 1.0:
            raise PolicyError(f"inputs.window_share must lie in (0, 1], not {self.window_share}")

    @property
    def adaptive(self) -> bool:
        """Whether the part of the history that is used depends on the state."""
        return self.window != "fixed"

    @property
    def needs_reference(self) -> bool:
        """Whether a component uses q_ref, so that inverse kinematics has to run before the policy."""
        return "state_error" in self.components or "reference" in self.components

    @property
    def needs_goal(self) -> bool:
        """Whether a component uses the Cartesian goal."""
        return "target" in self.components or "target_error" in self.components


@dataclass(frozen=True)
class NetworkSettings:
    """Kind and size of a policy's network."""

    architecture: Architecture = "ffn"
    """Feed-forward on the flattened history, stacked LSTM or GRU, or Transformer encoder."""
    hidden_size: int | None = None
    """Width of the layers (Transformer: of the embedding); None takes 256, 128, 128, 64 for ffn, lstm, gru,
    transformer."""
    layers: int | None = None
    """Number of hidden layers; None takes 3 for ffn and 2 for the others."""
    heads: int = 4
    """Attention heads (Transformer only)."""

    def __post_init__(self) -> None:
        for name in ("hidden_size", "layers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PolicyError(f"network.{name} must be at least 1, not {value}")
        width, _ = self.size
        if self.architecture == "transformer" and (self.heads < 1 or width % (2 * self.heads)):
            raise PolicyError(
                f"network.hidden_size ({width}) of a transformer must be a multiple of twice "
                f"network.heads ({self.heads})"
            )

    @property
    def recurrent(self) -> bool:
        """Whether the network carries a hidden state from step to step."""
        return self.architecture in ("lstm", "gru")

    @property
    def size(self) -> tuple[int, int]:
        """Width and number of hidden layers, the architecture's defaults filled in."""
        width, depth = _DEFAULT_SIZES[self.architecture]
        return self.hidden_size or width, self.layers or depth

    def resolved(self) -> "NetworkSettings":
        """The same settings with the architecture's defaults written out."""
        width, depth = self.size
        return replace(self, hidden_size=width, layers=depth)


@dataclass(frozen=True)
class ReferenceNetworkSettings:
    """Size of a network that takes the place of inverse kinematics; see `ReferenceNetwork`."""

    hidden_size: int = 128
    """Width of the layers."""
    layers: int = 3
    """Number of hidden layers."""
    branches: int = 6
    """Branches of inverse kinematics between which it chooses."""
    refinements: int = 0
    """Steps of damped least squares by which its answer is improved inside the graph: each is an iteration
    of inverse kinematics, and none is needed for centimetre accuracy."""

    def __post_init__(self) -> None:
        for name, least in (("hidden_size", 1), ("layers", 1), ("branches", 1), ("refinements", 0)):
            if getattr(self, name) < least:
                raise PolicyError(
                    f"reference_network.{name} must be at least {least}, not {getattr(self, name)}"
                )


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
    """Indices of the m actuated joints, whose positions and velocities are the state."""
    control_period: float
    """Time between two calls of the policy [s]."""
    command_limit: tuple[float, ...]
    """Largest magnitude of each command (m,), applied after the network."""
    torque_law: TorqueLawName = "computed-torque"
    """What the command is: [rad/s^2] under computed torque, [N m] under gravity compensation."""
    inputs: InputSettings = InputSettings()
    """What the network sees."""
    network: NetworkSettings = NetworkSettings()
    """The network."""
    reference_network: ReferenceNetworkSettings | None = None
    """A second network, from the goal to the joint reference; None if the reference is given."""
    kinematic_chain: dict[str, Any] = field(default_factory=dict)
    """`KinematicChain.to_dict` of the robot; needed by the component ``target_error``, by windows that are
    not fixed and by reference networks."""
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
        from ampc.robots import KinematicChain

        return cls(
            robot=robot.name,
            robot_fingerprint=robot.fingerprint,
            joint_names=robot.joint_names,
            actuated=tuple(int(index) for index in robot.actuated),
            control_period=control_period,
            command_limit=command_limit,
            torque_law=torque_law,
            inputs=inputs or InputSettings(),
            network=(network or NetworkSettings()).resolved(),
            kinematic_chain=KinematicChain.from_robot(robot).to_dict(),
            training=training or {},
        )

    @property
    def n_joints(self) -> int:
        """Number of joints n."""
        return len(self.joint_names)

    @property
    def n_actuated(self) -> int:
        """Number of actuated joints m: the state has 2m entries, the command m."""
        return len(self.actuated)

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
