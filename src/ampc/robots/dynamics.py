"""Numeric kinematics and dynamics of an arm, computed by MuJoCo."""

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.robot import Robot


class RobotDynamics:
    """Terms of ``M(q) ddq + bias(q, dq) = passive(q, dq) + torque`` at given states.

    Joint limits, friction loss and contacts are not part of it: they are constraints of the plant. An
    instance reuses one ``mujoco.MjData``; make one for each thread. Returned arrays are the caller's own.
    """

    def __init__(self, robot: Robot, model: mujoco.MjModel | None = None) -> None:
        """Make the dynamics of a robot.

        Args:
            robot: The arm.
            model: A variation of ``robot.model`` to use instead of it, such as a plant's.
        """
        self.robot = robot
        self.model = robot.model if model is None else model
        self._data = mujoco.MjData(self.model)
        self._qpos, self._qvel = self._data.qpos, self._data.qvel
        self._bias: FloatArray = self._data.qfrc_bias
        self._passive: FloatArray = self._data.qfrc_passive
        self._still: FloatArray = np.zeros(robot.n_joints)
        self._site = robot.end_effector_id
        self._obstacle_sites = [self.model.site(name).id for name in robot.obstacle_points]
        self._site_position: FloatArray = self._data.site_xpos[self._site]

    def end_effector(self, q: FloatArray) -> FloatArray:
        """End-effector position at joint positions q (n,) [rad], world frame (3,) [m]."""
        self._qpos[:] = q
        mujoco.mj_kinematics(self.model, self._data)
        return self._site_position.copy()

    def obstacle_points(self, q: FloatArray) -> FloatArray:
        """Positions of the robot's obstacle points at q (n,) [rad], end effector first, world (k, 3) [m]."""
        self._qpos[:] = q
        mujoco.mj_kinematics(self.model, self._data)
        return np.array(self._data.site_xpos[self._obstacle_sites])

    def jacobian(self, q: FloatArray) -> FloatArray:
        """Translational Jacobian of the end effector at q (n,) [rad], world frame (3, n) [m/rad]."""
        self._qpos[:] = q
        mujoco.mj_kinematics(self.model, self._data)
        mujoco.mj_comPos(self.model, self._data)
        jacobian = np.zeros((3, self.robot.n_joints))
        mujoco.mj_jacSite(self.model, self._data, jacobian, None, self._site)
        return jacobian

    def mass_matrix(self, q: FloatArray) -> FloatArray:
        """Joint-space inertia with armature at q (n,) [rad]: (n, n) [kg m2]."""
        self._set_position(q)
        return self._mass_matrix()

    def bias(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Coriolis, centrifugal and gravity torque at q [rad], dq [rad/s] (n,): (n,) [N m].

        It stands on the inertia's side of the equation of motion: at rest it is what holds the arm.
        """
        self._set_position(q)
        self._set_velocity(dq)
        return self._bias.copy()

    def gravity(self, q: FloatArray) -> FloatArray:
        """Torque that holds the arm against gravity at q (n,) [rad]: (n,) [N m]."""
        return self.bias(q, self._still)

    def passive(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Spring and damper torque acting on the joints at q [rad], dq [rad/s] (n,): (n,) [N m]."""
        self._set_position(q)
        self._set_velocity(dq)
        return self._passive.copy()

    def mass_matrix_and_bias(self, q: FloatArray, dq: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``M(q)`` (n, n) [kg m2] and ``bias - passive`` (n,) [N m] in one pass, for control loops.

        With both, ``M ddq + (bias - passive)`` is the torque that gives the joints the acceleration ddq.
        """
        self._set_position(q)
        self._set_velocity(dq)
        return self._mass_matrix(), self._bias - self._passive

    def holding_torque(self, q: FloatArray) -> FloatArray:
        """Joint torque (n,) [N m] that holds the arm still at q (n,) [rad], against gravity and springs."""
        self._set_position(q)
        self._set_velocity(self._still)
        return self._bias - self._passive

    def inverse_dynamics(self, q: FloatArray, dq: FloatArray, ddq: FloatArray) -> FloatArray:
        """Joint torque (n,) [N m] that gives acceleration ddq [rad/s2] at q [rad], dq [rad/s] (n,)."""
        mass, rest = self.mass_matrix_and_bias(q, dq)
        return np.asarray(mass @ ddq + rest)

    def forward_dynamics(self, q: FloatArray, dq: FloatArray, torque: FloatArray) -> FloatArray:
        """Joint acceleration (n,) [rad/s2] under motor torque (m,) [N m] at q [rad], dq [rad/s] (n,)."""
        mass, rest = self.mass_matrix_and_bias(q, dq)
        joint_torque = -rest
        joint_torque[self.robot.actuated] += torque
        return np.asarray(np.linalg.solve(mass, joint_torque), dtype=np.float64)

    def _set_position(self, q: FloatArray) -> None:
        self._qpos[:] = q
        mujoco.mj_kinematics(self.model, self._data)
        mujoco.mj_comPos(self.model, self._data)

    def _set_velocity(self, dq: FloatArray) -> None:
        self._qvel[:] = dq
        mujoco.mj_comVel(self.model, self._data)
        mujoco.mj_passive(self.model, self._data)
        mujoco.mj_rne(self.model, self._data, 0, self._bias)

    def _mass_matrix(self) -> FloatArray:
        mujoco.mj_crb(self.model, self._data)
        mass = np.empty((self.robot.n_joints, self.robot.n_joints))
        mujoco.mj_fullM(self.model, self._data, mass)
        return mass
