"""What an error of the torque does to an arm: the acceleration that it causes, as a part of the loss.

The inertia about a yaw axis falls to a tenth when the arm folds up. An error of the torque that is harmless
with the arm stretched out throws it about there, and a loss in torques does not see the difference.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ampc.errors import SettingsError
from ampc.learning.windows import Frames
from ampc.policies.spec import PolicySpec
from ampc.robots import Robot, RobotDynamics


def with_responses(frames: Frames, robot: Robot) -> Frames:
    """The frames with what a loss in accelerations needs: how the motors' joints answer to a torque.

    Args:
        frames: Any.
        robot: The model that controllers believe in.

    Raises:
        SettingsError: If the states are not those of all its joints.
    """
    n, motors = robot.n_joints, robot.actuated
    if frames.states.shape[1] < 2 * n:
        raise SettingsError(
            f"training.acceleration needs the positions of all {n} joints, but the states of this dataset "
            f"are measurements of {frames.states.shape[1] // 2} joints: set it to 0, or let the policy see "
            "estimates"
        )
    labels = torch.nonzero(frames.labelled)[:, 0]
    dynamics = RobotDynamics(robot)
    positions = frames.states[labels, :n].double().numpy()
    mass = np.array([dynamics.mass_matrix(q) for q in positions]).reshape(-1, n, n)
    inverse = np.linalg.inv(mass)[:, motors[:, None], motors]
    responses = torch.zeros(len(frames.states), len(motors), len(motors))
    responses[labels] = torch.tensor(inverse, dtype=torch.float32)
    return dataclasses.replace(frames, responses=responses)


@dataclass(frozen=True, eq=False)
class AccelerationError:
    """Part of the loss of a command: ``weight * (M(q)^-1 (u - u*) / unit)^2``."""

    weight: float
    """Beside the squared error of the command itself."""
    unit: Tensor
    """What the limit of each motor's torque does to its own joint at the median inertia (m,) [rad/s2]."""

    @classmethod
    def of(cls, frames: Frames, spec: PolicySpec, weight: float) -> "AccelerationError":
        """The one for some frames.

        Args:
            frames: Frames `with_responses`.
            spec: The policy.
            weight: Weight.

        Raises:
            SettingsError: If commands are not torques, or the frames know nothing of the robot.
        """
        if spec.torque_law == "computed-torque":
            raise SettingsError(
                "training.acceleration is for commands that are torques; under computed torque they are "
                "accelerations already: set it to 0"
            )
        if frames.responses is None:
            raise SettingsError("training.acceleration needs the robot that the frames are of")
        own = frames.responses[frames.labelled].diagonal(dim1=-2, dim2=-1)
        return cls(weight, own.median(dim=0).values * torch.tensor(spec.command_limit))

    def squared(self, responses: Tensor, errors: Tensor) -> Tensor:
        """Weighted squares of the accelerations (..., m).

        Args:
            responses: Of the frames (..., m, m).
            errors: Torque that is not the expert's (..., m) [N m].
        """
        accelerations = (responses * errors[..., None, :]).sum(-1)
        return self.weight * (accelerations / self.unit).square()
