"""A network in the place of inverse kinematics: the joint reference as a learned function of the goal."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ampc.errors import PolicyError
from ampc.policies.kinematics import ForwardKinematics, solve_symmetric, task_space_gram
from ampc.policies.spec import PolicySpec

_DAMPING = 1e-2
"""Damping of a refinement, as a fraction of the mean square of the arm's leverage."""


class ReferenceNetwork(nn.Module):
    """Joint references (B, n) for goals (B, 3).

    Inverse kinematics is smooth on each of its branches and jumps between them, and a plain network would
    answer in between with a configuration that reaches nothing. This one proposes a configuration for each
    of K branches, with a score each, and takes the proposal with the highest (a mixture of experts: Jacobs,
    Jordan, Nowlan, Hinton, Neural Computation 3, 1991). Where the score errs beside a border, the branch
    beyond it still reaches the goal.

    The answer depends on the goal alone and stays within the range of the references that it was fitted to.
    """

    goal_mean: Tensor
    goal_deviation: Tensor
    lower: Tensor
    upper: Tensor

    def __init__(self, spec: PolicySpec) -> None:
        """Make the network that a specification asks for, freshly initialised.

        Raises:
            PolicyError: If it asks for none.
        """
        super().__init__()
        settings = spec.reference_network
        if settings is None:
            raise PolicyError("this specification has no reference_network")
        n, width = spec.n_joints, settings.hidden_size
        self.settings = settings
        self.kinematics = ForwardKinematics(spec.kinematic_chain)
        layers: list[nn.Module] = []
        for before, after in pairwise([3] + [width] * settings.layers):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, self.settings.branches * (n + 1)))
        self.register_buffer("goal_mean", torch.zeros(3))
        self.register_buffer("goal_deviation", torch.ones(3))
        self.register_buffer("lower", torch.full((n,), -torch.pi))
        self.register_buffer("upper", torch.full((n,), torch.pi))

    def fit_normalisation(self, goals: Tensor, references: Tensor) -> None:
        """Take the scale of goals (B, 3) and the range of references (B, n) from examples."""
        self.goal_mean.copy_(goals.mean(0))
        self.goal_deviation.copy_(goals.std(0))
        self.lower.copy_(references.amin(0))
        self.upper.copy_(references.amax(0))

    def proposals(self, goal: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, K) of the branches and what they propose (B, K, n) [rad], not yet cut to the range."""
        outputs = self.layers((goal - self.goal_mean) / self.goal_deviation)
        scores, q = outputs[:, : self.settings.branches], outputs[:, self.settings.branches :]
        middle, half = 0.5 * (self.upper + self.lower), 0.5 * (self.upper - self.lower)
        return scores, middle + half * q.reshape(len(goal), self.settings.branches, -1)

    def forward(self, goal: Tensor) -> Tensor:
        """Joint references (B, n) [rad] for goals (B, 3) [m]."""
        scores, proposed = self.proposals(goal)
        chosen = nn.functional.one_hot(scores.argmax(1), self.settings.branches).to(proposed.dtype)
        q = self._within_range((chosen[:, None] @ proposed)[:, 0])
        for _ in range(self.settings.refinements):
            q = self._within_range(q + self._newton_step(q, goal))
        return q

    def _newton_step(self, q: Tensor, goal: Tensor) -> Tensor:
        """One step of damped least squares (B, n), ``J^T (J J^T + lambda I)^-1 (goal - p)``."""
        position, jacobian = self.kinematics.with_jacobian(q)
        gram = task_space_gram(jacobian)
        leverage = gram.diagonal(dim1=-1, dim2=-2).mean(-1)
        damped = gram + _DAMPING * leverage[:, None, None] * torch.eye(3).to(gram)
        return (jacobian @ solve_symmetric(damped, goal - position)[..., None])[..., 0]

    def _within_range(self, q: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(q, self.lower), self.upper)
