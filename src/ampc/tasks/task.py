"""A task: where the arm starts, where its end effector must go, and which plant it meets."""

from dataclasses import dataclass, field

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import TaskError
from ampc.robots.robot import HalfSpace

_UNIT = 1e-9
"""By how much the length of an obstacle's normal may differ from 1."""


@dataclass(frozen=True)
class PlantVariation:
    """How the plant of one task differs from the nominal model. Controllers are not told."""

    payload: float = 0.0
    """Point mass carried at the end effector [kg]."""
    mass_scale: tuple[float, ...] = ()
    """Factor on each link's mass, base to tip; empty for nominal. Inertia scales along with it."""
    inertia_scale: tuple[float, ...] = ()
    """Further factor on each link's rotational inertia; empty for nominal."""
    com_scale: tuple[float, ...] = ()
    """Factor on each link's centre-of-mass offset: link length as the dynamics see it; empty for nominal."""
    length_scale: tuple[float, ...] = ()
    """Factor on each link's joint-to-joint offset: link length as kinematics see it; empty for nominal."""
    damping_scale: tuple[float, ...] = ()
    """Factor on each joint's viscous damping; empty for nominal."""
    position_noise: float = 0.0
    """Standard deviation of joint position measurements [rad]."""
    velocity_noise: float = 0.0
    """Standard deviation of joint velocity measurements [rad/s]."""
    input_delay: float = 0.0
    """Time from the command of a torque to its effect [s]."""
    stiffness_scale: float = 1.0
    """Factor on the stiffness of all joints without motors: Young's modulus of flexible links."""
    end_effector_noise: float = 0.0
    """Standard deviation of each coordinate of end-effector measurements, where they are taken [m]."""

    @classmethod
    def is_per_joint(cls, name: str) -> bool:
        """Whether the field of that name holds one factor for each link or joint."""
        return isinstance(getattr(cls, name), tuple)

    @property
    def changes_model(self) -> bool:
        """Whether the plant's model, not only its signals, differs from the nominal one."""
        scales = (self.mass_scale, self.inertia_scale, self.com_scale, self.length_scale, self.damping_scale)
        factors = (self.stiffness_scale, *(factor for scale in scales for factor in scale))
        return self.payload != 0.0 or any(factor != 1.0 for factor in factors)


@dataclass(frozen=True, eq=False)
class Task:
    """One reaching task, the same for every controller that is compared on it."""

    index: int
    """Position in its task set."""
    region: str
    """Workspace region it was drawn from, such as ``interior``."""
    start: FloatArray
    """Positions of the joints with motors at the start (m,) [rad]. The arm is at rest; the plant finds the
    positions of joints without motors."""
    goal: FloatArray
    """End-effector goal, world frame (3,) [m]."""
    witness: FloatArray
    """Positions of the joints with motors, within the limits, at which the arm rests with its end effector on
    the goal (m,) [rad]. Proof of reachability; controllers must not read it."""
    seed: int
    """Seed of the plant's measurement noise."""
    variation: PlantVariation = field(default_factory=PlantVariation)
    """How this task's plant differs from the nominal model."""
    obstacles: tuple[HalfSpace, ...] | None = None
    """Where the robot's obstacles are in this task, in the robot's order; None where the robot has them.
    Plant, controllers and metrics all go by them, see `ampc.tasks.obstacles.among`."""

    def __post_init__(self) -> None:
        for name, array in (("start", self.start), ("goal", self.goal), ("witness", self.witness)):
            if not np.all(np.isfinite(array)):
                raise TaskError(f"task {self.index}: {name} is not finite: {np.asarray(array).tolist()}")
        if np.shape(self.goal) != (3,):
            raise TaskError(
                f"task {self.index}: goal has shape {np.shape(self.goal)}, expected (3,) in metres"
            )
        if np.shape(self.start) != np.shape(self.witness):
            raise TaskError(
                f"task {self.index}: start has {np.size(self.start)} joints, witness {np.size(self.witness)}"
            )
        for obstacle in self.obstacles or ():
            normal, point = np.asarray(obstacle.normal), np.asarray(obstacle.point)
            finite = np.isfinite(normal).all() and np.isfinite(point).all()
            if not (finite and abs(np.linalg.norm(normal) - 1.0) < _UNIT):
                raise TaskError(
                    f"task {self.index}: obstacle {obstacle.name!r} needs a unit normal and a point, of "
                    f"finite numbers; got normal {normal.tolist()}, point {point.tolist()}"
                )
