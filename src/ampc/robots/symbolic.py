"""Kinematics and dynamics of an arm as CasADi functions, derived from its MuJoCo model.

Spatial vectors are (angular; linear) at the world's origin, in world axes (R. Featherstone, *Rigid Body
Dynamics Algorithms*, 2008): the recursive Newton-Euler algorithm for the bias, composite rigid bodies for
the inertia.
"""

from dataclasses import dataclass

import casadi as ca
import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.kinematic_chain import KinematicChain
from ampc.robots.robot import Robot


class SymbolicDynamics:
    """The terms of `RobotDynamics` as CasADi functions of joint positions, velocities and torques.

    ==================== ======================= ==================== ============
    Function             Arguments               Value                Unit
    ==================== ======================= ==================== ============
    ``end_effector``     q (n)                   position (3)         m
    ``jacobian``         q (n)                   (3, n)               m/rad
    ``mass_matrix``      q (n)                   (n, n)               kg m2
    ``bias``             q (n), dq (n)           (n)                  N m
    ``gravity``          q (n)                   (n)                  N m
    ``passive``          q (n), dq (n)           (n)                  N m
    ``forward_dynamics`` q (n), dq (n), torque(m) acceleration (n)    rad/s2
    ==================== ======================= ==================== ============
    """

    def __init__(self, robot: Robot) -> None:
        """Derive the functions from the robot's model; tests hold them to MuJoCo's own."""
        model, n = robot.model, robot.n_joints
        chain = KinematicChain.from_robot(robot)
        q, dq, torque = ca.SX.sym("q", n), ca.SX.sym("dq", n), ca.SX.sym("torque", robot.n_actuated)

        frames = _frames(chain, q)
        tip_rotation, tip_origin = frames[-1]
        position = tip_origin + tip_rotation @ chain.tool
        twists = [
            ca.vertcat(rotation @ chain.axes[i], ca.cross(origin, rotation @ chain.axes[i]))
            for i, (rotation, origin) in enumerate(frames)
        ]
        inertias = [
            _spatial_inertia(link, rotation, origin)
            for link, (rotation, origin) in zip(_links(model, chain), frames, strict=True)
        ]
        mass_matrix = _composite_rigid_bodies(twists, inertias) + ca.diag(ca.SX(model.dof_armature))
        bias = _newton_euler(twists, inertias, dq, model.opt.gravity)
        passive = -model.jnt_stiffness * (q - model.qpos_spring) - model.dof_damping * dq
        joint_torque = passive - bias
        for motor, joint in enumerate(robot.actuated):
            joint_torque[int(joint)] += torque[motor]

        self.robot = robot
        self.end_effector = ca.Function("end_effector", [q], [position], ["q"], ["p"])
        self.jacobian = ca.Function("jacobian", [q], [ca.jacobian(position, q)], ["q"], ["J"])
        self.mass_matrix = ca.Function("mass_matrix", [q], [mass_matrix], ["q"], ["M"])
        self.bias = ca.Function("bias", [q, dq], [bias], ["q", "dq"], ["bias"])
        self.gravity = ca.Function("gravity", [q], [ca.substitute(bias, dq, ca.DM.zeros(n))], ["q"], ["g"])
        self.passive = ca.Function("passive", [q, dq], [passive], ["q", "dq"], ["passive"])
        self.forward_dynamics = ca.Function(
            "forward_dynamics",
            [q, dq, torque],
            [_solve_positive_definite(mass_matrix, joint_torque)],
            ["q", "dq", "torque"],
            ["ddq"],
        )


@dataclass(frozen=True)
class _Link:
    """All bodies that move with one joint but not with the next, as one rigid body in the joint's frame."""

    mass: float
    first_moment: FloatArray
    second_moment: FloatArray
    """Rotational inertia about the frame's origin (3, 3) [kg m2]."""


def _links(model: mujoco.MjModel, chain: KinematicChain) -> list[_Link]:
    """Merge bodies, located by MuJoCo at q = 0, into the links of the chain."""
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    mujoco.mj_kinematics(model, data)
    frames = [
        (np.array(ca.DM(rotation)), np.array(ca.DM(origin)).ravel())
        for rotation, origin in _frames(chain, np.zeros(chain.n_joints))
    ]
    masses = np.zeros(chain.n_joints)
    first: FloatArray = np.zeros((chain.n_joints, 3))
    second: FloatArray = np.zeros((chain.n_joints, 3, 3))
    for body in range(1, model.nbody):
        joint = _last_joint_before(model, body)
        if joint < 0:
            continue
        rotation, origin = frames[joint]
        mass = float(model.body_mass[body])
        centre = rotation.T @ (data.xipos[body] - origin)
        axes = rotation.T @ data.ximat[body].reshape(3, 3)
        masses[joint] += mass
        first[joint] += mass * centre
        second[joint] += axes @ np.diag(model.body_inertia[body]) @ axes.T
        second[joint] += mass * (centre @ centre * np.eye(3) - np.outer(centre, centre))
    return [_Link(float(masses[i]), first[i], second[i]) for i in range(chain.n_joints)]


def _last_joint_before(model: mujoco.MjModel, body: int) -> int:
    """The last joint that moves a body, or -1 if none does."""
    while body and model.body_jntnum[body] == 0:
        body = int(model.body_parentid[body])
    return int(model.body_jntadr[body] + model.body_jntnum[body] - 1) if body else -1


def _frames(chain: KinematicChain, q: ca.SX | FloatArray) -> list[tuple[ca.SX, ca.SX]]:
    """World orientation and origin of the frame after each joint."""
    rotation, origin = ca.SX.eye(3), ca.SX.zeros(3)
    frames = []
    for i in range(chain.n_joints):
        origin = origin + rotation @ chain.offsets[i]
        cross = ca.skew(chain.axes[i])
        turn = ca.SX.eye(3) + ca.sin(q[i]) * cross + (1.0 - ca.cos(q[i])) * (cross @ cross)
        rotation = rotation @ chain.rotations[i] @ turn
        frames.append((rotation, origin))
    return frames


def _spatial_inertia(link: _Link, rotation: ca.SX, origin: ca.SX) -> ca.SX:
    """Spatial inertia (6, 6) at the world's origin of a link whose frame lies at (rotation, origin)."""
    moment = rotation @ link.first_moment
    shift, offset = ca.skew(origin), ca.skew(moment)
    about_world = (
        rotation @ link.second_moment @ rotation.T
        - shift @ offset
        - offset @ shift
        - link.mass * (shift @ shift)
    )
    coupling = offset + link.mass * shift
    return ca.blockcat([[about_world, coupling], [coupling.T, link.mass * ca.SX.eye(3)]])


def _composite_rigid_bodies(twists: list[ca.SX], inertias: list[ca.SX]) -> ca.SX:
    """Joint-space inertia without armature (n, n)."""
    n = len(twists)
    mass_matrix, composite = ca.SX.zeros(n, n), ca.SX.zeros(6, 6)
    for j in reversed(range(n)):
        composite = composite + inertias[j]
        momentum = composite @ twists[j]
        for i in range(j + 1):
            mass_matrix[i, j] = mass_matrix[j, i] = ca.dot(twists[i], momentum)
    return mass_matrix


def _newton_euler(twists: list[ca.SX], inertias: list[ca.SX], dq: ca.SX, gravity: FloatArray) -> ca.SX:
    """Coriolis, centrifugal and gravity torque (n,); gravity enters as an acceleration of the base."""
    velocity, acceleration = ca.SX.zeros(6), ca.SX(np.concatenate([np.zeros(3), -gravity]))
    forces = []
    for i, (twist, inertia) in enumerate(zip(twists, inertias, strict=True)):
        velocity = velocity + twist * dq[i]
        acceleration = acceleration + _motion_cross(velocity, twist) * dq[i]
        forces.append(inertia @ acceleration + _force_cross(velocity, inertia @ velocity))
    torques, force = [], ca.SX.zeros(6)
    for twist, own in zip(reversed(twists), reversed(forces), strict=True):
        force = force + own
        torques.append(ca.dot(twist, force))
    return ca.vertcat(*reversed(torques))


def _motion_cross(velocity: ca.SX, motion: ca.SX) -> ca.SX:
    angular, linear = velocity[:3], velocity[3:]
    return ca.vertcat(
        ca.cross(angular, motion[:3]), ca.cross(angular, motion[3:]) + ca.cross(linear, motion[:3])
    )


def _force_cross(velocity: ca.SX, force: ca.SX) -> ca.SX:
    angular, linear = velocity[:3], velocity[3:]
    return ca.vertcat(
        ca.cross(angular, force[:3]) + ca.cross(linear, force[3:]), ca.cross(angular, force[3:])
    )


def _solve_positive_definite(matrix: ca.SX, right: ca.SX) -> ca.SX:
    diagonal, upper, permutation = ca.ldl(matrix)
    return ca.ldl_solve(right, diagonal, upper, permutation)
