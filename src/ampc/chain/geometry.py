"""Where the joints, masses and points of a planar chain on a yaw joint lie, and whether a robot is one."""

from dataclasses import dataclass

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import RobotError
from ampc.robots.robot import Robot

_TOLERANCE = 1e-9
"""Largest offset from axis or plane [m], and misalignment [rad], that counts as rounding."""


@dataclass(frozen=True, eq=False)
class ChainGeometry:
    """Geometry and mass of the chain, in the terms of `ampc.chain.parameters.ChainParameters`."""

    base: FloatArray
    heading: float
    sin_tilt: float
    cos_tilt: float
    yaw_inertia: float
    mass: FloatArray
    centre: FloatArray
    length: FloatArray
    inertia: FloatArray
    offset: FloatArray
    point_along: FloatArray
    point_across: FloatArray


@dataclass(frozen=True)
class _Body:
    """What moves with one joint but not with the next, at q = 0 in the frame of the chain's plane."""

    joint: str
    mass: float
    centre: FloatArray
    """Centre of mass (3,) [m]."""
    inertia: FloatArray
    """About the centre of mass (3, 3) [kg m2]."""


def chain_geometry(robot: Robot, points: tuple[str, ...]) -> ChainGeometry:
    """Read the geometry of a robot with the levers of the named sites.

    Raises:
        RobotError: The robot is not a yaw joint that carries a planar chain.
    """
    model = robot.model
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    mujoco.mj_kinematics(model, data)
    anchors: FloatArray = np.array(data.xanchor)
    plane = _plane(robot, np.array(data.xaxis))

    world_bodies = [_merge(robot, data, joint, np.eye(3)) for joint in range(robot.n_joints)]
    yaw = world_bodies[0]
    arm = yaw.centre[:2] - anchors[0, :2]
    yaw_inertia = float(yaw.inertia[2, 2] + yaw.mass * (arm @ arm))

    _on_yaw_axis(robot, anchors)
    bodies = [_merge(robot, data, joint, plane) for joint in range(1, robot.n_joints)]
    joints = (anchors[1:] - anchors[1]) @ plane
    for i, body in enumerate(bodies):
        _in_plane(robot, f"joint '{body.joint}'", float(joints[i, 2]))
        _in_plane(
            robot,
            f"the centre of mass behind joint '{body.joint}'",
            float(body.centre[2] - anchors[1] @ plane[:, 2]),
        )
    origin = anchors[1] @ plane
    sites: FloatArray = np.array([data.site_xpos[model.site(name).id] for name in points]) @ plane - origin
    holders = [_last_joint_before(model, int(model.site(name).bodyid[0])) - 1 for name in points]
    for name, site, holder in zip(points, sites, holders, strict=True):
        _in_plane(robot, f"site '{name}'", float(site[2]))
        if holder < 0:
            raise _misfit(robot, f"site '{name}' is on a body before joint '{robot.joint_names[1]}'")

    count = len(bodies)
    offset, length, centre, inertia = np.zeros(count), np.zeros(count), np.zeros(count), np.zeros((count, 3))
    for i, body in enumerate(bodies):
        link = joints[i + 1, :2] - joints[i, :2] if i + 1 < count else np.zeros(2)
        middle = (body.centre - origin)[:2] - joints[i, :2]
        length[i] = np.linalg.norm(link)
        long = next(
            (v for v in (link, middle, sites[0, :2] - joints[i, :2]) if np.linalg.norm(v) > _TOLERANCE),
            np.array([1.0, 0.0]),
        )
        offset[i] = np.arctan2(long[1], long[0])
        axes = _turn(offset[i])
        centre[i], across = middle @ axes[:2, :2]
        if body.mass > 0.0 and abs(across) > _TOLERANCE:
            raise _misfit(
                robot,
                f"the centre of mass behind joint '{body.joint}' lies {across:.3g} m beside the line to the "
                "next joint; it has to lie on it",
            )
        moments = axes.T @ body.inertia @ axes
        inertia[i] = np.diag(moments)
        mixed = np.abs(moments - np.diag(np.diag(moments))).max()
        if mixed > _TOLERANCE * float(np.trace(moments)):
            raise _misfit(
                robot,
                f"the inertia behind joint '{body.joint}' has a product of {mixed:.3g} kg m2; the link's "
                "line, its in-plane normal and the joint axis have to be principal axes",
            )

    along, across_levers = np.zeros((len(points), count)), np.zeros((len(points), count))
    for k, (site, holder) in enumerate(zip(sites, holders, strict=True)):
        along[k, :holder] = length[:holder]
        along[k, holder], across_levers[k, holder] = (site[:2] - joints[holder, :2]) @ _turn(offset[holder])[
            :2, :2
        ]
    return ChainGeometry(
        base=anchors[1].copy(),
        heading=float(np.arctan2(plane[1, 0], plane[0, 0])),
        sin_tilt=float(plane[2, 1]),
        cos_tilt=float(plane[2, 2]),
        yaw_inertia=yaw_inertia,
        mass=np.array([body.mass for body in bodies]),
        centre=centre,
        length=length,
        inertia=inertia,
        offset=offset,
        point_along=along,
        point_across=across_levers,
    )


def _plane(robot: Robot, axes: FloatArray) -> FloatArray:
    """Axes of the chain's plane as columns (3, 3): horizontal, rising, joint axis."""
    if robot.n_joints < 2:
        raise _misfit(robot, "it has only one joint")
    if np.abs(robot.model.opt.gravity[:2]).max() > 0.0:
        raise _misfit(robot, f"gravity is {robot.model.opt.gravity}; it has to point along world -z")
    if np.abs(axes[0] - [0.0, 0.0, 1.0]).max() > _TOLERANCE:
        raise _misfit(
            robot,
            f"joint '{robot.joint_names[0]}' turns about {_vector(axes[0])} in the world; it has to be "
            "(0, 0, 1)",
        )
    for joint in range(2, robot.n_joints):
        if np.abs(axes[joint] - axes[1]).max() > _TOLERANCE:
            raise _misfit(
                robot,
                f"joint '{robot.joint_names[joint]}' turns about {_vector(axes[joint])}, joint "
                f"'{robot.joint_names[1]}' about {_vector(axes[1])}; they have to be the same",
            )
    level = np.cross([0.0, 0.0, 1.0], axes[1])
    if np.linalg.norm(level) < 1e-3:
        raise _misfit(robot, f"joint '{robot.joint_names[1]}' turns about the vertical, like the yaw joint")
    level /= np.linalg.norm(level)
    return np.column_stack([level, np.cross(axes[1], level), axes[1]])


def _on_yaw_axis(robot: Robot, anchors: FloatArray) -> None:
    beside = float(np.linalg.norm(anchors[1, :2] - anchors[0, :2]))
    if beside > _TOLERANCE:
        raise _misfit(
            robot,
            f"joint '{robot.joint_names[1]}' lies {beside:.3g} m beside the yaw axis; it has to lie on it",
        )


def _merge(robot: Robot, data: mujoco.MjData, joint: int, frame: FloatArray) -> _Body:
    """All bodies that the joint is the last to move, as one rigid body, in axes ``frame`` (columns)."""
    model = robot.model
    members = [body for body in range(1, model.nbody) if _last_joint_before(model, body) == joint]
    masses: FloatArray = model.body_mass[members]
    mass = float(masses.sum())
    centres: FloatArray = data.xipos[members]
    centre = masses @ centres / mass if mass > 0.0 else data.xanchor[joint]
    inertia: FloatArray = np.zeros((3, 3))
    for body, m, position in zip(members, masses, centres, strict=True):
        axes = data.ximat[body].reshape(3, 3)
        shift = position - centre
        inertia += axes @ np.diag(model.body_inertia[body]) @ axes.T
        inertia += m * (shift @ shift * np.eye(3) - np.outer(shift, shift))
    return _Body(robot.joint_names[joint], mass, centre @ frame, frame.T @ inertia @ frame)


def _last_joint_before(model: mujoco.MjModel, body: int) -> int:
    """The last joint that moves a body, or -1 if none does."""
    while body and model.body_jntnum[body] == 0:
        body = int(model.body_parentid[body])
    return int(model.body_jntadr[body] + model.body_jntnum[body] - 1) if body else -1


def _turn(angle: float) -> FloatArray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _in_plane(robot: Robot, what: str, beside: float) -> None:
    if abs(beside) > _TOLERANCE:
        raise _misfit(
            robot,
            f"{what} lies {beside:.3g} m beside the vertical plane through the yaw axis; it has to lie in it",
        )


def _vector(vector: FloatArray) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in vector + 0.0) + ")"


def _misfit(robot: Robot, reason: str) -> RobotError:
    return RobotError(f"robot '{robot.name}' is not a yaw joint that carries a planar chain: {reason}")
