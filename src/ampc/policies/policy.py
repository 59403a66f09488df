"""The deployable policy: features, normalisation, network and limits in one torch module."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ampc.errors import PolicyError
from ampc.policies.features import Features
from ampc.policies.files import SPEC_FILE, WEIGHTS_FILE
from ampc.policies.networks import Hidden, Recurrent, make_network
from ampc.policies.reference_network import ReferenceNetwork
from ampc.policies.spec import PolicySpec
from ampc.policies.window import AdaptiveWindow

if TYPE_CHECKING:
    from ampc.robots.robot import Robot


class Policy(nn.Module):
    """Commands from raw measurements; all scaling happens inside.

    B is the batch, T the history, m the number of actuated joints, n that of all joints. Arguments shared by
    the methods:

    - ``states`` (B, T, S): measured q [rad] and dq [rad/s], S = 2m, or estimated states, newest last; see
      `PolicySpec.n_state`;
    - ``reference`` (B, n), or one for each state (B, T, n): joint reference [rad];
    - ``goal`` (B, 3): end-effector goal, world frame [m];
    - ``past_commands`` (B, T, m): entry k is the command applied just before ``states[:, k]`` was measured.

    Arguments that no input component reads are ignored and may hold anything of the right shape. So is the
    reference of a policy with a `ReferenceNetwork`, which finds its own.
    Commands are returned raw; `saturate` cuts them to the limit, as every run-time does.

    In training mode, an arm with a `YawSymmetry` sees half of the samples of a batch, drawn at random, in a
    mirror, and turns the command back: the network learns from twice the situations.
    """

    command_limit: Tensor
    command_mirror: Tensor

    def __init__(self, spec: PolicySpec) -> None:
        """Make a policy with fresh weights and no normalisation."""
        super().__init__()
        self.spec = spec
        self.features = Features(spec)
        self.window = AdaptiveWindow(spec) if spec.inputs.adaptive else None
        self.network = make_network(spec, self.features.size)
        self.reference_network = None if spec.reference_network is None else ReferenceNetwork(spec)
        self.register_buffer("command_limit", torch.tensor(spec.command_limit), persistent=False)
        mirror = torch.ones(spec.n_actuated)
        mirror[0] = -1.0
        self.register_buffer("command_mirror", mirror, persistent=False)

    def fit_normalisation(
        self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor
    ) -> None:
        """Take mean and deviation of the features from a representative batch, such as all windows.

        Raises:
            PolicyError: If the policy has a reference network.
        """
        if self.reference_network is not None:
            raise PolicyError(
                "a policy is trained on given joint references; its reference network is trained apart and "
                "joined to it afterwards, by ampc.learning.reference.with_reference_network"
            )
        with torch.no_grad():
            self.features.fit(self.features.raw(states, reference, goal, past_commands))
            if self.window is not None:
                self.window.fit(states)

    def forward(self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor) -> Tensor:
        """Raw command (B, m) after the newest state; recurrent networks start from zero hidden state."""
        features = self.features(states, self._reference(reference, goal), goal, past_commands)
        if self.window is not None:
            features = self.window(features, states)
        features, scale = self._mirrored(features)
        return cast(Tensor, self.network(features) * scale)

    def forward_sequence(
        self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor
    ) -> Tensor:
        """Raw commands (B, T, m) after every state of a sequence that starts where the episode starts.

        Raises:
            PolicyError: If the network is not recurrent.
        """
        outputs, _ = self.advance(states, reference, goal, past_commands, self.initial_hidden(len(states)))
        return outputs

    def initial_hidden(self, batch: int = 1) -> Hidden:
        """Hidden state at the start of an episode.

        Raises:
            PolicyError: If the network is not recurrent.
        """
        return self._recurrent().initial_hidden(batch)

    def advance(
        self, states: Tensor, reference: Tensor, goal: Tensor, past_commands: Tensor, hidden: Hidden
    ) -> tuple[Tensor, Hidden]:
        """Raw commands (B, T, m) after every state, and the hidden state to go on with.

        Raises:
            PolicyError: If the network is not recurrent.
        """
        features = self.features(states, self._reference(reference, goal), goal, past_commands)
        features, scale = self._mirrored(features)
        outputs, hidden = self._recurrent().sequence(features, hidden)
        return outputs * scale[:, None], hidden

    def saturate(self, raw: Tensor) -> Tensor:
        """Commands (..., m) cut to the command limit."""
        return torch.minimum(torch.maximum(raw, -self.command_limit), self.command_limit)

    def save(self, folder: Path) -> None:
        """Write ``policy.json`` and ``policy.safetensors``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SPEC_FILE).write_text(self.spec.to_json())
        save_file(
            {name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / WEIGHTS_FILE
        )

    @classmethod
    def load(cls, folder: Path, robot: "Robot | None" = None) -> "Policy":
        """Read what `save` wrote, in evaluation mode.

        Args:
            folder: Folder with ``policy.json`` and ``policy.safetensors``.
            robot: The robot it is to control, if that is to be checked.

        Raises:
            PolicyError: If a file is missing or damaged, weights are not finite or do not fit the
                specification, the format is newer than this package, or the policy is for another robot.
        """
        for name in (SPEC_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                raise PolicyError(f"{folder} holds no policy: {name} is missing")
        spec = PolicySpec.from_json((folder / SPEC_FILE).read_text(), folder / SPEC_FILE)
        if robot is not None:
            spec.require(robot, spec.control_period)
        policy = cls(spec)
        try:
            weights = load_file(folder / WEIGHTS_FILE)
            policy.load_state_dict(weights)
        except SafetensorError as error:
            raise PolicyError(f"{folder / WEIGHTS_FILE} is damaged: {error}") from error
        except RuntimeError as error:
            raise PolicyError(f"{folder / WEIGHTS_FILE} does not fit {SPEC_FILE}: {error}") from error
        for name, tensor in weights.items():
            if not torch.isfinite(tensor).all():
                raise PolicyError(f"{folder / WEIGHTS_FILE} is damaged: {name} is not finite")
        return policy.eval()

    def _mirrored(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, F), in training partly as in a mirror, and the scale of outputs (B or 1, m)."""
        if not self.training or self.features.symmetry is None:
            return features, self.command_limit[None]
        chosen = torch.rand(len(features), 1, device=features.device) < 0.5
        mirrored = torch.where(chosen[:, :, None], features * self.features.mirror, features)
        return mirrored, torch.where(chosen, self.command_limit * self.command_mirror, self.command_limit)

    def _reference(self, reference: Tensor, goal: Tensor) -> Tensor:
        """The given joint reference, or the policy's own."""
        return reference if self.reference_network is None else cast(Tensor, self.reference_network(goal))

    def _recurrent(self) -> Recurrent:
        if not isinstance(self.network, Recurrent):
            raise PolicyError(
                f"a network of architecture {self.spec.network.architecture!r} has no hidden state; "
                "lstm and gru have"
            )
        return self.network
