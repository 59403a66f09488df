"""Settings of what a policy sees and of its networks, as plain data."""

from dataclasses import dataclass, replace
from typing import Literal

from ampc.errors import PolicyError

Component = Literal[
    "state",
    "state_error",
    "reference",
    "target",
    "target_error",
    "sincos",
    "near_error",
    "bending",
    "reference_sincos",
    "stiffness",
    "arm_target_error",
    "obstacles",
    "obstacle_directions",
]
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
    ``target_error`` p_des - p(q), ``sincos`` (sin q, cos q) of the motors. `flexible_inputs` says what those
    of arms with flexible links are."""
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
    estimated: bool = False
    """Whether a state is that of `ampc.control.situation.Situation`, by an estimator and with the passive
    joints, and not (q, dq) of the motors as measured."""

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
        unknown = [name for name in self.components if name in _ESTIMATED and not self.estimated]
        if unknown:
            raise PolicyError(f"inputs.components: {unknown[0]!r} needs inputs.estimated")

    @property
    def adaptive(self) -> bool:
        """Whether the part of the history that is used depends on the state."""
        return self.window != "fixed"

    @property
    def needs_reference(self) -> bool:
        """Whether a component uses q_ref, so that inverse kinematics has to run before the policy."""
        return any(name in self.components for name in _OF_REFERENCE)

    @property
    def needs_goal(self) -> bool:
        """Whether a component uses the Cartesian goal."""
        return any(name in self.components for name in _OF_GOAL)


def flexible_inputs(
    components: tuple[Component, ...] | None = None, history: int = 1, directions: bool = False
) -> InputSettings:
    """What a policy of an arm with flexible links sees, from an estimate and nothing else.

    - ``sincos``: sine and cosine of the motors' positions;
    - ``bending``: positions of the joints without motors [rad];
    - ``state_error``: (q - q_ref, dq) of all joints, q_ref for the estimated stiffness;
    - ``near_error``: tanh(8 (q - q_ref)), for resolution near the goal;
    - ``arm_target_error``: e = p_des - p(q) in the frame that turns with joint 1, and tanh(15 e);
    - ``reference_sincos``: sine and cosine of the motors' part of q_ref;
    - ``stiffness``: logarithm of the estimated stiffness relative to the nominal one;
    - ``obstacles``: for every half-space the distance d of each obstacle point, its velocity away from the
      half-space, the distance of the goal, and tanh(10 d);
    - ``obstacle_directions``: for every half-space its normal in the frame that turns with joint 1, which
      says on which side it is. Only if asked for: policies that met one wall did without.

    Args:
        components: Others than all but the last of these.
        history: Entries of the history.
        directions: Whether ``obstacle_directions`` come behind them.
    """
    everything: tuple[Component, ...] = (
        "sincos",
        "bending",
        "state_error",
        "near_error",
        "arm_target_error",
        "reference_sincos",
        "stiffness",
        "obstacles",
    )
    more: tuple[Component, ...] = ("obstacle_directions",) if directions else ()
    return InputSettings((components or everything) + more, history, estimated=True)


_ESTIMATED = ("bending", "stiffness", "arm_target_error", "obstacles", "obstacle_directions")
_OF_REFERENCE = ("state_error", "near_error", "reference", "reference_sincos")
_OF_GOAL = ("target", "target_error", "arm_target_error", "obstacles")


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
