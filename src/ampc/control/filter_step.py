"""What the safety filter did in a step."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ampc.arrays import FloatArray

Decision = Literal["passed", "modified", "backup", "uncertified"]


@dataclass(frozen=True, slots=True, eq=False)
class FilterStep:
    """What the filter did in a step."""

    decision: Decision
    """``passed``: the proposed torque was certified and is applied untouched. ``modified``: the nearest one
    that the optimisation found and the certificate allows. ``backup``: a stop that is certified is followed.
    ``uncertified``: no known stop keeps all limits; the one that exceeds them least is followed."""
    proposed: FloatArray
    """Torque that the controller proposed (m,) [N m]; NaN where it proposed none."""
    applied: FloatArray
    """Torque that is applied (m,) [N m]."""
    reserve: float
    """What the applied torque's stop leaves of its limits at its tightest place, in units of 1 cm, 0.5 rad/s
    or 0.05 rad; negative where it is not certified, -inf without a roll-out."""
    slack: float
    """Excess over the certificate's limits, in the same units; 0 where it is certified."""
    seconds: float
    """Time of the filter without estimator and controller [s]."""
    solve_seconds: float = 0.0
    """Of it for the optimisation [s]."""
    reason: str = ""
    """Why the proposed torque was not optimised or the plan not taken."""

    @property
    def change(self) -> float:
        """Largest difference between applied and proposed torque [N m]; NaN where none was proposed."""
        return float(np.abs(self.applied - self.proposed).max())
