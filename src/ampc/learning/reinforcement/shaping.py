"""Rewards on the way to the goal that do not change which policy is the best one."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.environments.loops import Views
from ampc.policies.spec import PolicySpec


@dataclass(frozen=True)
class Shaping:
    """Potential-based shaping (Ng, Harada, Russell 1999): ``F = gamma Phi(s') - Phi(s)``.

    The potential is that of the joint reference, ``Phi = -weight |q - q_ref|``. Along an episode the
    discounted sum of F depends on its ends alone, so that the best policy remains the best. An agent that
    knows the distance of the end effector alone bends the arm over its own base towards a goal behind it, and
    stays there, since every way on leads away first.
    """

    weight: float
    """Reward per norm of the motors' errors [m/rad]."""
    discount: float
    """The agent's discount from one action to the next."""
    columns: tuple[int, ...]
    """Where the motors' positions stand in a state."""
    motors: tuple[int, ...]
    """Where they stand in a joint reference."""

    @classmethod
    def of(cls, spec: PolicySpec, weight: float, discount: float) -> "Shaping":
        """The one for what a policy sees."""
        motors = tuple(spec.actuated)
        return cls(weight, discount, motors if spec.inputs.estimated else tuple(range(len(motors))), motors)

    def potential(self, views: Views) -> FloatArray:
        """Phi (B,) of views of B arms."""
        errors = views.states[:, list(self.columns)] - views.references[:, list(self.motors)]
        distances: FloatArray = np.linalg.norm(errors, axis=1)
        return -self.weight * distances

    def gained(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """F (B,) of a step from one potential (B,) to another."""
        return self.discount * after - before
