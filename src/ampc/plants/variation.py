"""The model of one task's plant: the robot's own, with its masses, lengths, damping and stiffness changed."""

import copy

import mujoco
import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.errors import TaskError
from ampc.robots.robot import Robot
from ampc.tasks.task import PlantVariation

_SCALES = ("mass_scale", "inertia_scale", "com_scale", "length_scale", "damping_scale")


_VARIED_FIELDS = (
    "body_mass",
    "body_inertia",
    "body_ipos",
    "body_iquat",
    "body_pos",
    "body_sameframe",
    "site_pos",
    "site_sameframe",
    "dof_damping",
    "dof_dampingpoly",
    "jnt_stiffness",
)


def vary(robot: Robot, variation: PlantVariation) -> mujoco.MjModel:
    """Apply a variation to a private copy of the robot's model; see `apply_variation`.

    Returns:
        A compiled model of the same structure.
    """
    model = copy.copy(robot.model)
    apply_variation(robot, variation, model, mujoco.MjData(model))
    return model


def apply_variation(
    robot: Robot, variation: PlantVariation, model: mujoco.MjModel, data: mujoco.MjData
) -> None:
    """Make a copy of the robot's model, whatever variation it has so far, one of this variation.

    Link i is the body of joint i with everything welded to it. ``length_scale`` moves the next joint (or the
    end effector), ``com_scale`` the centre of mass, both away from the link's own joint; the payload is a
    point mass at the end effector, where the varied lengths put it.

    Args:
        robot: The nominal arm; its model is left as it is.
        variation: Factors and payload to apply.
        model: The copy, changed in place.
        data: Its data; overwritten, to be reset by the caller.

    Raises:
        TaskError: If factors are not positive and one per joint, or another quantity is negative.
    """
    _validate(robot, variation)
    for field in _VARIED_FIELDS:
        getattr(model, field)[:] = getattr(robot.model, field)
    joints = [model.joint(name).id for name in robot.joint_names]
    link_of_body = _link_of_body(model, model.jnt_bodyid[joints])
    nominal = data
    nominal.qpos[:] = model.qpos0
    mujoco.mj_kinematics(model, nominal)
    mujoco.mj_comPos(model, nominal)

    for link, factor in enumerate(variation.mass_scale):
        bodies = link_of_body == link
        model.body_mass[bodies] *= factor
        model.body_inertia[bodies] *= factor
    for link, factor in enumerate(variation.inertia_scale):
        model.body_inertia[link_of_body == link] *= factor
    for link, factor in enumerate(variation.com_scale):
        for body in np.flatnonzero(link_of_body == link):
            shift = (factor - 1.0) * (nominal.xipos[body] - nominal.xanchor[joints[link]])
            model.body_ipos[body] += nominal.xmat[body].reshape(3, 3).T @ shift
            model.body_sameframe[body] = 0
    for link, factor in enumerate(variation.length_scale):
        _stretch_link(model, nominal, robot, joints, link, factor)
    for joint, factor in zip(joints, variation.damping_scale, strict=False):
        model.dof_damping[model.jnt_dofadr[joint]] *= factor
        model.dof_dampingpoly[model.jnt_dofadr[joint]] *= factor
    for joint in robot.passive:
        model.jnt_stiffness[joints[joint]] *= variation.stiffness_scale
    if variation.payload > 0.0:
        site = robot.end_effector_id
        _add_point_mass(model, int(model.site_bodyid[site]), model.site_pos[site], variation.payload)

    mujoco.mj_setConst(model, nominal)


def _validate(robot: Robot, variation: PlantVariation) -> None:
    n = robot.n_joints
    for name in _SCALES:
        factors = getattr(variation, name)
        if factors and len(factors) != n:
            raise TaskError(
                f"variation.{name} has {len(factors)} factors; robot '{robot.name}' has {n} joints "
                "and needs one factor each, base to tip"
            )
        if not all(np.isfinite(factor) and factor > 0.0 for factor in factors):
            raise TaskError(f"variation.{name} is {factors}; every factor must be finite and positive")
    if not (np.isfinite(variation.stiffness_scale) and variation.stiffness_scale > 0.0):
        raise TaskError(
            f"variation.stiffness_scale is {variation.stiffness_scale}; it must be finite and positive"
        )
    for name in ("payload", "position_noise", "velocity_noise", "input_delay", "end_effector_noise"):
        value = getattr(variation, name)
        if not (np.isfinite(value) and value >= 0.0):
            raise TaskError(f"variation.{name} is {value}; it must be finite and not negative")


def _link_of_body(model: mujoco.MjModel, body_of_joint: IntArray) -> IntArray:
    """Index of the link that each body is part of (nbody,), -1 for the world and what is welded to it.

    Where several joints share a body, the body is the link of the last of them.
    """
    link_of_body = np.full(model.nbody, -1)
    for link, body in enumerate(body_of_joint):
        link_of_body[model.body_weldid == model.body_weldid[body]] = link
    return link_of_body


def _stretch_link(
    model: mujoco.MjModel,
    nominal: mujoco.MjData,
    robot: Robot,
    joints: list[int],
    link: int,
    factor: float,
) -> None:
    """Move what follows link ``link`` so that its distance to the link's joint is ``factor`` as long."""
    anchor = nominal.xanchor[joints[link]]
    if link + 1 < len(joints):
        following = joints[link + 1]
        body = int(model.jnt_bodyid[following])
        shift = (factor - 1.0) * (nominal.xanchor[following] - anchor)
        parent_rotation = nominal.xmat[model.body_parentid[body]].reshape(3, 3)
        model.body_pos[body] += parent_rotation.T @ shift
    else:
        site = robot.end_effector_id
        shift = (factor - 1.0) * (nominal.site_xpos[site] - anchor)
        model.site_pos[site] += nominal.xmat[model.site_bodyid[site]].reshape(3, 3).T @ shift
        model.site_sameframe[site] = 0


def _add_point_mass(model: mujoco.MjModel, body: int, position: FloatArray, mass: float) -> None:
    """Merge a point mass at ``position`` (3,) [m] of the body's frame into the body's inertia."""
    own_mass, own_com = float(model.body_mass[body]), model.body_ipos[body].copy()
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.body_iquat[body])
    axes = rotation.reshape(3, 3)
    total = own_mass + mass
    com = (own_mass * own_com + mass * position) / total
    inertia = (
        axes @ np.diag(model.body_inertia[body]) @ axes.T
        + _point_inertia(own_mass, own_com - com)
        + _point_inertia(mass, position - com)
    )
    moments, principal = np.linalg.eigh(inertia)
    principal[:, 2] *= np.sign(np.linalg.det(principal))
    model.body_mass[body] = total
    model.body_ipos[body] = com
    model.body_inertia[body] = moments
    mujoco.mju_mat2Quat(model.body_iquat[body], principal.ravel())
    model.body_sameframe[body] = 0


def _point_inertia(mass: float, offset: FloatArray) -> FloatArray:
    """Inertia of a point mass about a point ``offset`` (3,) [m] away (3, 3) [kg m^2]."""
    return mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))
