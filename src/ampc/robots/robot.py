"""What an arm is: one MuJoCo model with its limits, its end effector and the obstacles around it."""

import hashlib
from dataclasses import dataclass

import mujoco
import numpy as np

from ampc.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class HalfSpace:
    """The allowed side of a plane: points p with ``normal . (p - point) >= 0``."""

    name: str
    """Name of the obstacle behind the plane, such as ``wall``."""
    normal: FloatArray
    """Unit normal pointing into free space, world frame (3,)."""
    point: FloatArray
    """A point of the plane, world frame (3,) [m]."""

    def distance(self, points: FloatArray) -> FloatArray:
        """Signed distance of points (..., 3) to the plane [m], negative inside the obstacle."""
        return (points - self.point) @ self.normal


@dataclass(frozen=True, eq=False)
class Robot:
    """A serial arm of hinge joints, base to tip, in its MuJoCo model.

    Everything here is read from the model by `ampc.robots.load_robot`. Dynamics and kinematics are derived
    from it by `RobotDynamics` (numeric), `SymbolicDynamics` (CasADi) and `KinematicChain` (batched).
    """

    name: str
    """Model name."""
    source: str
    """Name of a built-in arm, or absolute path of the model file it was read from."""
    model: mujoco.MjModel
    """Compiled model; shared, never modified."""
    joint_names: tuple[str, ...]
    """Names of the n joints from base to tip."""
    actuated: IntArray
    """Indices into the joints of the m actuated ones, ascending (m,)."""
    actuator_ids: IntArray
    """MuJoCo actuator of each actuated joint (m,)."""
    gear: FloatArray
    """Joint torque per unit of that actuator's control signal (m,) [N m]."""
    end_effector: str
    """Name of the site that is the end effector."""
    position_limits: FloatArray
    """Lower and upper joint position (n, 2) [rad]; infinite where the joint is unlimited."""
    velocity_limits: FloatArray
    """Largest joint speed (n,) [rad/s]; infinite where the model states none."""
    torque_limits: FloatArray
    """Lower and upper torque of the actuated joints (m, 2) [N m]."""
    home: FloatArray
    """Configuration that inverse kinematics prefers and tests start from (n,) [rad]."""
    obstacles: tuple[HalfSpace, ...] = ()
    """Half-spaces that the obstacle points have to stay in."""
    obstacle_points: tuple[str, ...] = ()
    """Names of the sites that obstacles hold for, the end effector first; by default it alone."""
    warnings: tuple[str, ...] = ()
    """What the loader noticed and could live with, in plain words."""

    def __post_init__(self) -> None:
        others = (name for name in self.obstacle_points if name != self.end_effector)
        object.__setattr__(self, "obstacle_points", (self.end_effector, *others))

    @property
    def n_joints(self) -> int:
        """Number of joints n."""
        return len(self.joint_names)

    @property
    def n_actuated(self) -> int:
        """Number of actuated joints m."""
        return len(self.actuated)

    @property
    def passive(self) -> IntArray:
        """Indices into the joints of those without a motor, ascending (n - m,)."""
        return np.setdiff1d(np.arange(self.n_joints), self.actuated)

    @property
    def end_effector_id(self) -> int:
        """MuJoCo id of the end-effector site."""
        return int(self.model.site(self.end_effector).id)

    @property
    def fingerprint(self) -> str:
        """Hash of what makes two arms the same to a controller: kinematics, inertia, actuation, limits.

        Numbers are rounded to 9 significant digits, so that the same file read on two machines agrees.
        """
        model = self.model
        site = self.end_effector_id
        parts: list[FloatArray | IntArray] = [
            model.opt.gravity, model.body_parentid, model.body_pos, model.body_quat, model.body_mass,
            model.body_ipos, model.body_iquat, model.body_inertia, model.jnt_axis, model.jnt_pos,
            model.qpos0, model.jnt_stiffness, model.qpos_spring, model.dof_armature, model.dof_damping,
            model.dof_frictionloss,
            np.asarray([model.site_bodyid[site]]), model.site_pos[site],
            self.position_limits, self.velocity_limits, self.torque_limits, self.actuated,
            *(np.concatenate([obstacle.normal, obstacle.point]) for obstacle in self.obstacles),
            *(
                np.array([model.site(name).bodyid[0], *model.site(name).pos])
                for name in self.obstacle_points[1:]
            ),
        ]  # fmt: skip
        digest = hashlib.sha256()
        for part in parts:
            for number in np.asarray(part, dtype=np.float64).ravel():
                digest.update(f"{number + 0.0:.9g},".encode())
            digest.update(b";")
        return digest.hexdigest()[:16]
