"""Settings of what all controllers of an arm with flexible links share."""

from dataclasses import dataclass, field

from ampc.control.estimator_settings import EstimatorSettings
from ampc.control.stuck import StuckSettings


@dataclass(frozen=True)
class GuidanceSettings:
    """How measurements become an estimate, and goals a way to rest on them."""

    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    """The state estimator."""
    route_margin: float = 0.03
    """Distance from obstacles below which a way to the goal counts as longer [m]."""
    stuck: StuckSettings = field(default_factory=StuckSettings)
    """When another branch is tried."""
    start_time: float = 0.048
    """Time in which torque goes over from that against gravity to the controller's, at the start and after a
    new branch was chosen [s]. At once, an arm would leave faster than a model with few segments expects."""
