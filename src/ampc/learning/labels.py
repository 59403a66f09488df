"""Labels that are asked for one by one: the expert's command at a state, and its derivatives."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ampc.learning.windows import Batch, Samples
from ampc.solvers.batch_joint_mpc import BatchJointMPC
from ampc.solvers.double_integrator import JointMPCSettings


@dataclass(frozen=True, eq=False)
class Labelled:
    """What a policy sees in B situations, and what the expert says to them."""

    states: Tensor
    """Measured q [rad] and dq [rad/s], newest last (B, T, 2m)."""
    reference: Tensor
    """Joint reference (B, n) [rad]."""
    goal: Tensor
    """End-effector goal, world frame (B, 3) [m]."""
    past_commands: Tensor
    """Entry k is the command applied just before ``states[:, k]`` was measured (B, T, m)."""
    commands: Tensor
    """The expert's commands (B, m)."""
    gradients: Tensor
    """Derivative of each command by its joint's own position and velocity (B, m, 2)."""

    def __len__(self) -> int:
        """Number of labels B."""
        return len(self.states)

    def rows(self, indices: Tensor) -> "Labelled":
        """Those with these indices."""
        return Labelled(*(getattr(self, item.name)[indices] for item in fields(self)))

    @classmethod
    def joined(cls, parts: list[Self]) -> "Labelled":
        """All of several together."""
        return Labelled(*(torch.cat([getattr(part, item.name) for part in parts]) for item in fields(cls)))


class JointMPCOracle:
    """The expert of fully actuated arms, asked about single states.

    Attributes:
        asked: Labels given so far.
    """

    def __init__(self, settings: JointMPCSettings) -> None:
        """Take the expert's optimal control problem."""
        self._expert = BatchJointMPC(settings)
        self.asked = 0

    def label(self, pool: Samples, indices: Tensor) -> Labelled:
        """Label samples of a pool; whatever commands the pool has are not read.

        Args:
            pool: Situations.
            indices: Which of them (B,).
        """
        batch: Batch = pool.batch(indices)
        q, dq = np.split(batch.states[:, -1].double().numpy(), 2, axis=1)
        error = q - batch.reference.double().numpy()
        self.asked += len(indices)
        commands, gradients = (
            torch.tensor(values, dtype=batch.states.dtype)
            for values in (self._expert.first_input(error, dq), self._expert.sensitivity(error, dq))
        )
        return Labelled(*batch[:4], commands, gradients)
