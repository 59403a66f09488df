"""The MuJoCo model of an arm with flexible links, by lumped parameters (a pseudo-rigid-body model).

A flexible link of length L with n passive joints is n + 1 rigid boxes of lengths L/(2n), L/n, ..., L/n,
L/(2n). Each passive joint has the stiffness E I / (L/n) and the damping eta I / (L/n) of the piece of strip
around it, with I = width thickness^3 / 12.
"""

from importlib import resources

import mujoco
import numpy as np

from ampc.robots.flexible_arm.settings import FlexibleArmSettings, ObstacleSettings

_HINGE, _BOX = mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtGeom.mjGEOM_BOX
_CYLINDER, _SPHERE = mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_SPHERE
_VISUAL = {"contype": 0, "conaffinity": 0, "mass": 0.0}


def flexible_arm_spec(settings: FlexibleArmSettings) -> mujoco.MjSpec:
    """Editable MuJoCo model of the arm, its obstacles and what is around it.

    Joints from base to tip: ``joint1``, ``joint2``, ``link2_flex1`` to ``link2_flexN``, ``joint3``,
    ``link3_flex1`` to ``link3_flexN``. Sites: ``end_effector`` and ``elbow``, the origin of joint 3.
    """
    scene = resources.files("ampc.robots") / "assets" / "flexible_scene.xml"
    spec = mujoco.MjSpec.from_string(scene.read_text())
    spec.modelname = f"{settings.name}-{settings.n_seg}"
    spec.option.gravity = [0.0, 0.0, -settings.gravity]

    reach = sum(settings.link_length)
    for obstacle in settings.obstacles:
        _add_obstacle(spec, obstacle, 1.2 * reach)
    base = _add_base(spec, settings)
    elbow_body, elbow = _add_link(base, settings, 2, np.array([0.0, 0.0, settings.base_height]))
    elbow_body.add_site(name="elbow", pos=elbow, size=[0.012, 0.012, 0.012], group=3)
    tip_body, tip = _add_link(elbow_body, settings, 3, elbow)
    tip_body.add_site(name="end_effector", pos=tip, size=[0.012, 0.012, 0.012], group=3)
    tip_body.add_geom(type=_SPHERE, pos=tip, size=[0.014, 0.0, 0.0], material="accent", **_VISUAL)

    _add_motors(spec, settings)
    _describe(spec, settings)
    _add_camera(spec, reach, settings.base_height)
    return spec


def _add_base(spec: mujoco.MjSpec, settings: FlexibleArmSettings) -> mujoco.MjsBody:
    body = spec.worldbody.add_body(name="base", explicitinertial=True)
    body.mass, body.ipos, body.inertia = settings.base_mass, settings.base_com, settings.base_inertia
    body.add_joint(name="joint1", type=_HINGE, axis=[0.0, 0.0, 1.0])
    height = settings.base_height
    body.add_geom(
        type=_CYLINDER,
        fromto=[0, 0, 0, 0, 0, 0.25 * height],
        size=[0.06, 0, 0],
        material="pedestal",
        **_VISUAL,
    )
    body.add_geom(
        type=_CYLINDER, fromto=[0, 0, 0, 0, 0, height], size=[0.028, 0, 0], material="housing", **_VISUAL
    )
    return body


def _add_link(
    parent: mujoco.MjsBody, settings: FlexibleArmSettings, number: int, position: np.ndarray
) -> tuple[mujoco.MjsBody, np.ndarray]:
    """Add a flexible link with its active joint; return its last body and the link's end in that body."""
    length, n = settings.link_length[number - 2], settings.n_seg
    pieces = np.full(n + 1, length / max(n, 1))
    if n:
        pieces[[0, -1]] /= 2.0
    name = f"link{number}"
    body = parent.add_body(name=name, pos=position)
    if number == 2:
        body.quat = [np.cos(settings.roll / 2.0), np.sin(settings.roll / 2.0), 0.0, 0.0]
    body.add_joint(name=f"joint{number}", type=_HINGE, axis=[0.0, 0.0, 1.0])
    half = 0.5 * settings.width
    body.add_geom(
        type=_CYLINDER,
        fromto=[0, 0, -1.2 * half, 0, 0, 1.2 * half],
        size=[0.6 * half, 0, 0],
        material="housing",
        **_VISUAL,
    )
    _make_piece(body, settings, pieces[0])
    for k, piece in enumerate(pieces[1:], start=1):
        body = body.add_body(name=f"{name}_flex{k}", pos=[pieces[k - 1], 0.0, 0.0])
        joint = body.add_joint(name=f"{name}_flex{k}", type=_HINGE, axis=[0.0, 0.0, 1.0])
        joint.stiffness = [settings.bending_stiffness * n / length, 0.0, 0.0]
        joint.damping = [settings.normal_damping * settings.second_moment * n / length, 0.0, 0.0]
        body.add_geom(
            type=_CYLINDER,
            fromto=[0, 0, -1.02 * half, 0, 0, 1.02 * half],
            size=[1.2 * settings.thickness, 0, 0],
            material="housing",
            **_VISUAL,
        )
        _make_piece(body, settings, piece)
    return body, np.array([pieces[-1], 0.0, 0.0])


def _make_piece(body: mujoco.MjsBody, settings: FlexibleArmSettings, length: float) -> None:
    """Give a body the inertia and the looks of a piece of strip along x that bends about z."""
    width, thickness = settings.width, settings.thickness
    mass = settings.density * width * thickness * length
    body.explicitinertial = True
    body.mass, body.ipos = mass, [length / 2.0, 0.0, 0.0]
    body.inertia = (mass / 12.0) * np.array(
        [width**2 + thickness**2, width**2 + length**2, length**2 + thickness**2]
    )
    body.add_geom(
        type=_BOX,
        pos=[length / 2.0, 0.0, 0.0],
        size=[length / 2.0, thickness / 2.0, width / 2.0],
        material="strip",
        **_VISUAL,
    )


def _add_motors(spec: mujoco.MjSpec, settings: FlexibleArmSettings) -> None:
    for number, limit in enumerate(settings.torque_limits, start=1):
        motor = spec.add_actuator(
            name=f"joint{number}", target=f"joint{number}", trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        motor.set_to_motor()
        motor.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
        motor.ctrlrange = [-limit, limit]


def _describe(spec: mujoco.MjSpec, settings: FlexibleArmSettings) -> None:
    """Write into the model what `ampc.robots.loading` reads from its custom section and keyframe."""
    spec.add_text(name="ampc_end_effector", data="end_effector")
    spec.add_text(name="ampc_obstacle_points", data="end_effector elbow")
    spec.add_numeric(name="ampc_velocity_limits", data=settings.velocity_limits, size=3)
    for obstacle in settings.obstacles:
        spec.add_numeric(
            name=f"ampc_obstacle_{obstacle.name}", data=[*obstacle.normal, *obstacle.point], size=6
        )
    yaw, shoulder, elbow = settings.home
    straight = [0.0] * settings.n_seg
    spec.add_key(name="home", qpos=[yaw, shoulder, *straight, elbow, *straight])


def _add_obstacle(spec: mujoco.MjSpec, obstacle: ObstacleSettings, size: float) -> None:
    """Draw an obstacle: a floor where it is level, else a translucent slab."""
    normal = np.array(obstacle.normal) / np.linalg.norm(obstacle.normal)
    if normal[2] > 1.0 - 1e-9:
        spec.worldbody.add_geom(
            name=obstacle.name,
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            pos=[0.0, 0.0, obstacle.point[2]],
            size=[3.0 * size, 3.0 * size, 0.1],
            material="floor",
            contype=0,
            conaffinity=0,
        )
        return
    thickness = 0.01 * size
    middle = np.array([0.0, 0.0, 0.5 * size])
    on_plane = middle + normal * (normal @ (np.array(obstacle.point) - middle))
    turn = np.empty(4)
    mujoco.mju_quatZ2Vec(turn, normal)
    upright = abs(normal[2]) < 1e-9
    # Turned from level to upright, the slab's own x or y axis becomes the vertical one.
    along_x = abs(normal[0]) > abs(normal[1])
    extent = [size, size]
    if upright:
        extent[0 if along_x else 1] = 0.5 * size
    spec.worldbody.add_geom(
        name=obstacle.name,
        type=_BOX,
        pos=on_plane - thickness * normal,
        quat=turn,
        size=[*extent, thickness],
        material="obstacle",
        **_VISUAL,
    )


def _add_camera(spec: mujoco.MjSpec, reach: float, base_height: float) -> None:
    spec.stat.center = [0.0, 0.25 * reach, base_height + 0.2 * reach]
    spec.stat.extent = 1.6 * reach
    spec.worldbody.add_camera(
        name="overview",
        pos=[1.55 * reach, 1.75 * reach, 1.0 * reach],
        xyaxes=[-0.70, 0.714, 0.0, -0.24, -0.235, 0.94],
        fovy=45.0,
    )
