"""Settings of Sobolev training, apart from what needs torch."""

import math
from dataclasses import dataclass
from typing import Literal

from ampc.errors import SettingsError

SobolevForm = Literal["tangent", "derivative"]


@dataclass(frozen=True)
class SobolevSettings:
    """How derivatives enter the loss."""

    form: SobolevForm = "tangent"
    """``tangent``: the policy's command at a state nearby is compared with the expert's tangent, cut to the
    command limit; ``derivative``: its directional derivative is compared with the expert's."""
    weight: float = 1.0
    """Weight of that term; at 1 both forms are balanced against the commands' mean squared error."""
    radius: float = 0.1
    """Largest typical distance of a state nearby, in standard deviations of the labelled states; distances
    are spread evenly over the two decades below. Read by ``tangent`` only."""

    def __post_init__(self) -> None:
        for name in ("weight", "radius"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise SettingsError(f"sobolev.{name} must be positive, not {getattr(self, name)}")
