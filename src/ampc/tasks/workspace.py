"""The workspace of a serial arm, cut into regions in plain geometry."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import RobotError, SettingsError
from ampc.robots.inverse_kinematics import arm_length, joint_ranges
from ampc.robots.inverse_kinematics.limited_descent import LimitedDescent
from ampc.robots.inverse_kinematics.low_discrepancy import low_discrepancy_points
from ampc.robots.inverse_kinematics.position_kernel import PositionKernel
from ampc.robots.kinematic_chain import KinematicChain
from ampc.robots.robot import Robot

Region = Literal["interior", "boundary", "singular", "joint-limit"]
REGIONS: tuple[Region, ...] = get_args(Region)

_POOL_SIZE = 32768
_STRETCHED = 32
_STRETCHINGS = 5
_PARALLEL = 1e-6


@dataclass(frozen=True)
class RegionSettings:
    """Where one region ends and the next begins."""

    boundary_reach: float = 0.95
    """A configuration is at the boundary if its reach is at least this part of the arm's largest."""
    singular_fraction: float = 0.1
    """It is near-singular if the smallest singular value of its position Jacobian is at most this part of the
    largest that the arm attains anywhere."""
    limit_fraction: float = 0.05
    """It is near a joint limit if some joint is within this part of its range from one of its ends."""
    clearance: float = 0.02
    """Least distance of the end effector from the robot's obstacles at start and goal [m]."""

    def __post_init__(self) -> None:
        for name in ("boundary_reach", "singular_fraction"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise SettingsError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if not 0.0 < self.limit_fraction < 0.5:
            raise SettingsError(f"limit_fraction must lie between 0 and 0.5, got {self.limit_fraction}")
        if self.clearance < 0.0:
            raise SettingsError(f"clearance must not be negative, got {self.clearance}")


class Workspace:
    """Region of every joint configuration of an arm.

    *Reach* is the distance of the end effector from the shoulder: the point on joint 1's axis nearest to the
    first joint whose axis is not parallel to it, which stays put whatever the arm does. The regions do not
    overlap; a configuration belongs to the first of these that holds:

    1. ``boundary``: its reach is at least 95 % of the largest reach within the joint limits;
    2. ``singular``: the smallest singular value of its position Jacobian is at most a tenth of the largest
       found anywhere (for an arm that moves in a plane: the smallest that is not always zero);
    3. ``joint-limit``: some joint is within 5 % of its range from one of its limits;
    4. ``interior``: none of these.

    The percentages are those of `RegionSettings`.
    """

    def __init__(self, robot: Robot, settings: RegionSettings | None = None) -> None:
        self.settings = settings or RegionSettings()
        self._chain = KinematicChain.from_robot(robot)
        self._kernel = PositionKernel(self._chain)
        self.ranges = joint_ranges(robot)
        """Lower and upper joint positions that are sampled (n, 2) [rad]; +-pi where unlimited."""
        self._limits = robot.position_limits
        self._obstacles = robot.obstacles
        self.shoulder = _shoulder(self._chain)
        """Point from which reach is measured, world frame (3,) [m]."""

        width = self.ranges[:, 1] - self.ranges[:, 0]
        pool = self.ranges[:, 0] + width * low_discrepancy_points(_POOL_SIZE, robot.n_joints)
        self.max_reach = self._largest_reach(pool)
        """Largest reach within the joint limits [m]."""
        singular_values = self._singular_values(pool)
        self._rank = int((singular_values.max(axis=0) > 1e-6 * arm_length(self._chain)).sum())
        if self._rank == 0:
            raise RobotError(f"the end effector {robot.end_effector!r} does not move with any joint")
        self._singular_threshold = self.settings.singular_fraction * singular_values[:, self._rank - 1].max()

        allowed = pool[self.is_clear(pool)]
        if len(allowed) == 0:
            raise RobotError("no joint configuration keeps the end effector clear of the obstacles")
        regions = self.classify(allowed)
        self.pool = {region: allowed[regions == i] for i, region in enumerate(REGIONS)}
        """Evenly spread obstacle-free configurations of each region (k, n) [rad]."""

    def classify(self, q: FloatArray) -> IntArray:
        """Index into `REGIONS` of the region of each configuration (B, n)."""
        region = np.where(self.near_limit(q), REGIONS.index("joint-limit"), REGIONS.index("interior"))
        singular = self._singular_values(q)[:, self._rank - 1] <= self._singular_threshold
        region[singular] = REGIONS.index("singular")
        region[self.reach(q) >= self.settings.boundary_reach * self.max_reach] = REGIONS.index("boundary")
        return region

    def end_effector(self, q: FloatArray) -> FloatArray:
        """End-effector positions (B, 3) [m] of configurations (B, n); to the bit the same in any batch."""
        return self._kernel(q)[0]

    def reach(self, q: FloatArray) -> FloatArray:
        """Distance of the end effector from the shoulder (B,) [m]."""
        distance: FloatArray = np.linalg.norm(self.end_effector(q) - self.shoulder, axis=1)
        return distance

    def near_limit(self, q: FloatArray) -> BoolArray:
        """Whether some joint of each configuration (B, n) is near a limit; unlimited joints never are."""
        margin = self.settings.limit_fraction * (self.ranges[:, 1] - self.ranges[:, 0])
        near = (q < self._limits[:, 0] + margin) | (q > self._limits[:, 1] - margin)
        return np.asarray(near.any(axis=1))

    def within_ranges(self, q: FloatArray) -> BoolArray:
        """Whether each configuration (B, n) lies within the ranges that are sampled."""
        return np.asarray(((q >= self.ranges[:, 0]) & (q <= self.ranges[:, 1])).all(axis=1))

    def is_clear(self, q: FloatArray) -> BoolArray:
        """Whether the end effector of each configuration (B, n) keeps its clearance from every obstacle."""
        clear = np.ones(len(q), dtype=np.bool_)
        if self._obstacles:
            positions = self.end_effector(q)
            for obstacle in self._obstacles:
                clear &= obstacle.distance(positions) >= self.settings.clearance
        return clear

    def _singular_values(self, q: FloatArray) -> FloatArray:
        """Singular values of the position Jacobians, descending (B, 3) [m/rad]."""
        jacobian = self._kernel(q)[1]
        squares = np.linalg.eigvalsh(jacobian @ jacobian.transpose(0, 2, 1))[:, ::-1]
        values: FloatArray = np.sqrt(np.maximum(squares, 0.0))
        return values

    def _largest_reach(self, pool: FloatArray) -> float:
        """Stretch the longest-reaching configurations outwards until none of them reaches any further."""
        length = arm_length(self._chain)
        descent = LimitedDescent(self._chain, self._limits, length)
        q = pool[np.argsort(self.reach(pool))[-_STRETCHED:]]
        for _ in range(_STRETCHINGS):
            outwards = self.end_effector(q) - self.shoulder
            outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
            q = descent.run(self.shoulder + 2.0 * length * outwards, q, 0.0, 50).q
        return float(self.reach(q).max())


def _shoulder(chain: KinematicChain) -> FloatArray:
    """The point on joint 1's axis nearest to the first joint that is not parallel to it (3,) [m]."""
    rotation = chain.rotations[0]
    anchor = base = chain.offsets[0]
    axis = rotation @ chain.axes[0]
    for i in range(1, len(chain.axes)):
        anchor = anchor + rotation @ chain.offsets[i]
        rotation = rotation @ chain.rotations[i]
        if np.linalg.norm(np.cross(axis, rotation @ chain.axes[i])) > _PARALLEL:
            return np.asarray(base + axis * (axis @ (anchor - base)))
    return np.asarray(base)
