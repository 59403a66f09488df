"""What an arm's motion depends on, read from its MuJoCo model: a yaw joint that carries a planar chain."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain.geometry import chain_geometry
from ampc.errors import RobotError
from ampc.robots.robot import Robot


@dataclass(frozen=True, eq=False)
class ChainParameters:
    """Constants of the equations of motion of a yaw joint that carries N bodies in one plane.

    Body i turns by the absolute angle ``theta_i = offset_i + q_1 + ... + q_i`` in the chain's plane. The
    plane is spanned by a horizontal direction and by one that rises at ``sin_tilt``; it turns with q_0.
    Lengths stand along a body's long axis, which points from its joint to the next one.
    """

    actuated: IntArray
    """Joint that each motor turns, ascending (m,)."""
    base: FloatArray
    """Position of joint 1, world frame (3,) [m]; it lies on the yaw axis."""
    heading: float
    """Direction of the plane's horizontal axis about world z at q_0 = 0 [rad]."""
    sin_tilt: float
    """Sine of the angle between the chain's joint axes and the vertical."""
    cos_tilt: float
    """Vertical component of the chain's joint axes; 0 where they are level."""
    gravity: float
    """Acceleration along -z [m/s2]."""
    yaw_inertia: float
    """Inertia about the yaw axis of what turns with the yaw alone, with armature [kg m2]."""
    yaw_stiffness: float
    """Spring of the yaw joint [N m/rad]."""
    yaw_rest: float
    """Position at which it rests [rad]."""
    yaw_damping: float
    """Damper of the yaw joint [N m s/rad]."""
    mass: FloatArray
    """Mass of each body (N,) [kg]."""
    centre: FloatArray
    """Distance of its centre of mass from its joint, along the body (N,) [m]."""
    length: FloatArray
    """Distance from its joint to the next, 0 for the last body (N,) [m]."""
    inertia: FloatArray
    """Moments of inertia at its centre about long axis, in-plane normal and joint axis (N, 3) [kg m2]."""
    stiffness: FloatArray
    """Springs of actuated joints (N,) [N m/rad]."""
    flexible_stiffness: FloatArray
    """Springs of passive joints, which ``stiffness_scale`` multiplies (N,) [N m/rad]."""
    stiffness_scale: float
    """Young's modulus relative to the model's."""
    rest: FloatArray
    """``theta_i - theta_(i-1)`` at which the spring of each joint rests (N,) [rad]."""
    damping: FloatArray
    """Dampers (N,) [N m s/rad]."""
    armature: FloatArray
    """Rotor inertias (N,) [kg m2]."""
    offset: FloatArray
    """``theta_i`` at q = 0 (N,) [rad]."""
    point_names: tuple[str, ...]
    """Sites whose motion is computed, the end effector first."""
    point_along: FloatArray
    """Lever of each point on each body's angle, along the body (k, N) [m]."""
    point_across: FloatArray
    """The same, along the body's in-plane normal (k, N) [m]."""

    @property
    def n_bodies(self) -> int:
        """Number of bodies N of the chain."""
        return len(self.mass)

    @property
    def levers(self) -> FloatArray:
        """``c[k, i]``: lever of body k's centre of mass on the angle of body i (N, N) [m]."""
        return np.asarray(np.tril(np.tile(self.length, (self.n_bodies, 1)), -1) + np.diag(self.centre))

    @property
    def coupling(self) -> FloatArray:
        """``A[i, j] = sum_k m_k c_ki c_kj`` (N, N) [kg m2]."""
        coupling = np.einsum("k,ki,kj->ij", self.mass, self.levers, self.levers)
        return np.asarray(0.5 * (coupling + coupling.T))

    @property
    def gravity_moment(self) -> FloatArray:
        """``G[i] = sum_k m_k c_ki`` (N,) [kg m]; potential energy is ``gravity sin_tilt G . sin(theta)``."""
        return np.asarray(self.mass @ self.levers)

    @property
    def joint_stiffness(self) -> FloatArray:
        """Springs of all chain joints as they act, scaled (N,) [N m/rad]."""
        return self.stiffness + self.stiffness_scale * self.flexible_stiffness


def chain_parameters(robot: Robot, stiffness_scale: float = 1.0) -> ChainParameters:
    """Read the constants of a robot.

    Args:
        robot: A yaw joint about world z that carries a planar chain.
        stiffness_scale: Multiplies the springs of joints without a motor.

    Raises:
        RobotError: The robot is not such an arm; the message names what does not fit.
    """
    model = robot.model
    if not (np.isfinite(stiffness_scale) and stiffness_scale >= 0.0):
        raise RobotError(f"stiffness_scale is {stiffness_scale}; it has to be finite and not negative")
    points = getattr(robot, "obstacle_points", ()) or (robot.end_effector,)
    names = (robot.end_effector, *(name for name in points if name != robot.end_effector))
    geometry = chain_geometry(robot, names)
    springs: FloatArray = np.asarray(model.jnt_stiffness, dtype=np.float64)
    rest: FloatArray = np.asarray(model.qpos_spring, dtype=np.float64)
    damping: FloatArray = np.asarray(model.dof_damping, dtype=np.float64)
    armature: FloatArray = np.asarray(model.dof_armature, dtype=np.float64)
    driven = np.isin(np.arange(robot.n_joints), robot.actuated)[1:]
    return ChainParameters(
        actuated=np.array(robot.actuated, dtype=np.int64),
        base=geometry.base,
        heading=geometry.heading,
        sin_tilt=geometry.sin_tilt,
        cos_tilt=geometry.cos_tilt,
        gravity=-float(model.opt.gravity[2]),
        yaw_inertia=geometry.yaw_inertia + float(armature[0]),
        yaw_stiffness=float(springs[0]),
        yaw_rest=float(rest[0]),
        yaw_damping=float(damping[0]),
        mass=geometry.mass,
        centre=geometry.centre,
        length=geometry.length,
        inertia=geometry.inertia,
        stiffness=np.where(driven, springs[1:], 0.0),
        flexible_stiffness=np.where(driven, 0.0, springs[1:]),
        stiffness_scale=float(stiffness_scale),
        rest=rest[1:] + np.diff(geometry.offset, prepend=0.0),
        damping=damping[1:].copy(),
        armature=armature[1:].copy(),
        offset=geometry.offset,
        point_names=names,
        point_along=geometry.point_along,
        point_across=geometry.point_across,
    )
