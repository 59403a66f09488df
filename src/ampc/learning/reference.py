"""Learns inverse kinematics, so that a policy needs nothing but the Cartesian goal at run time."""

import copy
import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ampc.arrays import FloatArray
from ampc.errors import PolicyError, SettingsError
from ampc.learning.steps import minimise
from ampc.learning.training import arithmetic
from ampc.policies.policy import Policy
from ampc.policies.reference_network import ReferenceNetwork
from ampc.policies.spec import PolicySpec, ReferenceNetworkSettings
from ampc.robots import InverseKinematics, Robot
from ampc.tasks.workspace import REGIONS, Workspace

_CONFIGURATIONS_AT_ONCE = 20_000
_LARGEST_GRADIENT = 10.0
_ANGLE_SCALE = 0.05
_COARSE, _FINE = 0.11, 0.01


@dataclass(frozen=True)
class ReferenceTraining:
    """How a reference network is trained."""

    pairs: int = 120_000
    """Goals with their solutions to learn from. They come from inverse kinematics and cost no expert."""
    steps: int = 20_000
    """Steps of Adam."""
    batch_size: int = 512
    """Pairs in a step."""
    learning_rate: float = 2e-3
    """Step size at the start; it falls to zero along half a cosine."""
    seed: int = 0
    """Seed of goals, weights and batches."""
    threads: int = 1
    """Threads."""

    def __post_init__(self) -> None:
        for name in ("pairs", "steps", "batch_size", "threads"):
            if getattr(self, name) < 1:
                raise SettingsError(
                    f"reference training: {name} must be at least 1, not {getattr(self, name)}"
                )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0.0):
            raise SettingsError(
                f"reference training: learning_rate must be positive, not {self.learning_rate}"
            )


def goal_pairs(robot: Robot, count: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Goals and the joint references that inverse kinematics has for them.

    The goals are where evenly drawn configurations put the end effector, as many from each region of the
    workspace that the arm has; goals inside obstacles and the few without a solution are left out.

    Args:
        robot: The arm.
        count: Number of pairs asked for.
        seed: Seed of the configurations.

    Returns:
        Goals (B, 3) [m] and references (B, n) [rad], B a little below ``count`` at most.
    """
    rng = np.random.default_rng(seed)
    workspace = Workspace(robot)
    present = [i for i, region in enumerate(REGIONS) if len(workspace.pool[region])]
    share = math.ceil(count / len(present))
    found: dict[int, list[FloatArray]] = {i: [] for i in present}
    missing = dict.fromkeys(present, share)
    low, high = workspace.ranges.T
    while any(missing.values()):
        q = rng.uniform(low, high, (_CONFIGURATIONS_AT_ONCE, robot.n_joints))
        q = q[workspace.is_clear(q)]
        regions = workspace.classify(q)
        for i in present:
            chosen = q[regions == i][: missing[i]]
            found[i].append(chosen)
            missing[i] -= len(chosen)
    goals = workspace.end_effector(np.concatenate([part for parts in found.values() for part in parts]))
    solution = InverseKinematics(robot).solve_batch(goals)
    return goals[solution.converged], solution.q[solution.converged]


def train_reference_network(
    robot: Robot,
    spec: PolicySpec,
    settings: ReferenceTraining | None = None,
    network: ReferenceNetworkSettings | None = None,
) -> ReferenceNetwork:
    """Fit a network to inverse kinematics.

    It maximises the likelihood of the references under a mixture: branch k proposes q_k with the probability
    that its score says, and misses by ``|q_k - q|^2`` in units of 0.05 rad plus ``|p(q_k) - goal|^2`` in
    units of a length that shrinks from decimetres to a centimetre during training.

    Args:
        robot: The arm.
        spec: Specification of the policy that the network is for; its joints and kinematics count.
        settings: The protocol.
        network: Size of the network.

    Returns:
        The network, in evaluation mode.
    """
    settings, network = settings or ReferenceTraining(), network or ReferenceNetworkSettings()
    goals, references = (
        torch.tensor(values, dtype=torch.float32)
        for values in goal_pairs(robot, settings.pairs, settings.seed)
    )
    with arithmetic(settings.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = ReferenceNetwork(dataclasses.replace(spec, reference_network=network))
        model.fit_normalisation(goals, references)

        def loss(progress: float) -> Tensor:
            rows = torch.randint(len(goals), (settings.batch_size,))
            length = _FINE + (_COARSE - _FINE) * (1.0 - progress) ** 3
            return mixture_loss(model, goals[rows], references[rows], length)

        minimise(model, loss, settings.steps, settings.learning_rate, largest_gradient=_LARGEST_GRADIENT)
    return model


def mixture_loss(model: ReferenceNetwork, goals: Tensor, references: Tensor, length: float) -> Tensor:
    """Mean negative log-likelihood of references (B, n) for goals (B, 3), up to a constant.

    Args:
        model: The network.
        goals: Goals [m].
        references: Their solutions [rad].
        length: What counts as one unit of distance between end effector and goal [m].
    """
    scores, proposed = model.proposals(goals)
    of_angles = ((proposed - references[:, None]) / _ANGLE_SCALE).square().sum(-1)
    of_positions = ((model.kinematics(proposed) - goals[:, None]) / length).square().sum(-1)
    fit = torch.log_softmax(scores, 1) - 0.5 * (of_angles + of_positions)
    return -torch.logsumexp(fit, 1).mean()


def with_reference_network(
    policy: Policy, network: ReferenceNetwork, refinements: int | None = None
) -> Policy:
    """A policy that was trained on joint references, with a network that gives it its own.

    Args:
        policy: The policy; not modified.
        network: A network of `train_reference_network` for the same arm; not modified.
        refinements: Steps of damped least squares inside the graph; None for the network's own number.

    Returns:
        A policy that sees the Cartesian goal and needs no inverse kinematics, in evaluation mode.

    Raises:
        PolicyError: If the policy has such a network, or reads no reference.
    """
    if not policy.spec.needs_reference:
        raise PolicyError("this policy does without a joint reference; there is nothing to join")
    steps = network.settings.refinements if refinements is None else refinements
    settings = dataclasses.replace(network.settings, refinements=steps)
    joined = Policy(dataclasses.replace(policy.spec, reference_network=settings))
    weights = {f"reference_network.{name}": tensor for name, tensor in network.state_dict().items()}
    joined.load_state_dict(copy.deepcopy(policy.state_dict()) | weights)
    return joined.eval()
