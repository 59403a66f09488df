"""Robots from MuJoCo models.

An MJCF file has no place for some of what a `Robot` holds; those stand in its ``<custom>`` section::

    <custom>
      <numeric name="ampc_velocity_limits" data="2.0 2.0 3.0"/>    largest speed of each joint [rad/s]
      <numeric name="ampc_obstacle_wall" data="-1 0 0 0.6 0 0"/>   obstacle 'wall': a normal pointing into
                                                                   free space, and a point of the plane [m]
      <text name="ampc_end_effector" data="tool"/>                 site or body that is the end effector
      <text name="ampc_obstacle_points" data="tool elbow"/>        sites that obstacles hold for
    </custom>

Speeds may also be stated for the joints with motors alone.

A URDF states torque and speed limits itself; its joints get motors.
"""

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.errors import RobotError
from ampc.robots.finding import Finding
from ampc.robots.loading.end_effector import choose_end_effector
from ampc.robots.loading.home import choose_home
from ampc.robots.loading.model_file import ModelFile, read_model_file
from ampc.robots.loading.model_rules import leave_out, refuse_what_is_not_carried
from ampc.robots.robot import HalfSpace, Robot


def load_robot(source: str | Path, end_effector: str | None = None) -> Robot:
    """Read an arm.

    Args:
        source: Name of a built-in arm (``rigid-arm``, ``flexible-arm``, or ``flexible-arm-10`` for 10 passive
            joints per link), or path of an MJCF or URDF file, or of the settings of a flexible arm (TOML).
        end_effector: Site or body that is the end effector; by default the model's ``ampc_end_effector``,
            then one with a usual name (``end_effector``, ``tool0``, ``tcp``, ...), then the last body.

    Raises:
        RobotError: If the file cannot be read, or the model has something that is not carried: anything but a
            serial arm of hinge joints driven by motors with torque limits. Every reason is named.
        SettingsError: If the settings of a flexible arm are wrong.
    """
    return robot_from_file(read_model_file(source), end_effector)


def robot_from_file(file: ModelFile, end_effector: str | None = None) -> Robot:
    """`load_robot` for a model that has been read or built already."""
    robot, findings = examine_file(file, end_effector)
    if robot is None:
        errors = [str(finding) for finding in findings if finding.severity == "error"]
        raise RobotError(f"{file.source} cannot be used:\n" + "\n".join(f"  - {error}" for error in errors))
    return robot


def examine(source: str | Path, end_effector: str | None = None) -> tuple[Robot | None, list[Finding]]:
    """Read an arm and collect every remark about it; the robot is None if one of them is an error.

    Raises:
        RobotError: If there is no model to make remarks about.
        SettingsError: If the settings of a flexible arm are wrong.
    """
    return examine_file(read_model_file(source), end_effector)


def examine_file(file: ModelFile, end_effector: str | None = None) -> tuple[Robot | None, list[Finding]]:
    """`examine` for a model that has been read or built already."""
    site = choose_end_effector(file, end_effector)
    for number, joint in enumerate(file.spec.joints):
        joint.name = joint.name or f"joint{number}"
    model = file.compile()
    errors = refuse_what_is_not_carried(model, model.site(site).id)
    if errors:
        return None, [*errors, *file.findings]
    file.findings += leave_out(file.spec, model)
    model = file.compile()

    names = tuple(model.joint(i).name for i in range(model.njnt))
    actuation = _actuation(model, file)
    position_limits = _position_limits(model, file)
    velocity_limits = _velocity_limits(model, names, actuation.joints, file)
    obstacles = _obstacles(model, file)
    obstacle_points = _obstacle_points(model, file)
    if any(finding.severity == "error" for finding in file.findings):
        return None, file.findings
    home = choose_home(model, model.site(site).id, position_limits, file.findings)
    robot = Robot(
        name=file.name,
        source=file.source,
        model=model,
        joint_names=names,
        actuated=actuation.joints,
        actuator_ids=actuation.actuators,
        gear=actuation.gear,
        end_effector=site,
        position_limits=position_limits,
        velocity_limits=velocity_limits,
        torque_limits=actuation.torque_limits,
        home=home,
        obstacles=obstacles,
        obstacle_points=obstacle_points,
        warnings=tuple(str(finding) for finding in file.findings),
    )
    return robot, file.findings


@dataclass(frozen=True)
class _Actuation:
    joints: np.ndarray[tuple[int], np.dtype[np.int64]]
    actuators: np.ndarray[tuple[int], np.dtype[np.int64]]
    gear: FloatArray
    torque_limits: FloatArray


def _actuation(model: mujoco.MjModel, file: ModelFile) -> _Actuation:
    """Motors in the order of the joints, with the torque that every limit of theirs leaves."""
    driven = model.actuator_trnid[:, 0].astype(np.int64)
    actuators = np.argsort(driven)
    joints = driven[actuators]
    gear, limits = [], []
    for actuator, joint in zip(actuators, joints, strict=True):
        ratio = float(model.actuator_gear[actuator, 0])
        gain = float(model.actuator_gainprm[actuator, 0])
        intervals = []
        if model.actuator_ctrllimited[actuator]:
            intervals.append(np.sort(ratio * gain * model.actuator_ctrlrange[actuator]))
        if model.actuator_forcelimited[actuator]:
            intervals.append(np.sort(ratio * model.actuator_forcerange[actuator]))
        if model.jnt_actfrclimited[joint]:
            intervals.append(model.jnt_actfrcrange[joint])
        lower = max((float(interval[0]) for interval in intervals), default=-np.inf)
        upper = min((float(interval[1]) for interval in intervals), default=np.inf)
        subject = f"motor of joint '{model.joint(joint).name}'"
        if not np.isfinite(lower) or not np.isfinite(upper):
            file.findings.append(
                Finding(
                    "error",
                    subject,
                    'it has no torque limit; write ctrlrange="-T T" on the motor, with T its largest '
                    "torque in N m",
                )
            )
        elif not lower < 0.0 < upper:
            file.findings.append(
                Finding(
                    "error",
                    subject,
                    f"its limits leave torques from {lower:g} to {upper:g} N m; they have to allow both "
                    "directions",
                )
            )
        gear.append(ratio * gain)
        limits.append((lower, upper))
    return _Actuation(joints, actuators, np.array(gear), np.array(limits).reshape(-1, 2))


def _position_limits(model: mujoco.MjModel, file: ModelFile) -> FloatArray:
    limits = np.where(model.jnt_limited[:, None] != 0, model.jnt_range, [-np.inf, np.inf])
    for i in () if file.may_wind_up else np.flatnonzero(model.jnt_limited == 0):
        file.findings.append(
            Finding(
                "warning",
                f"joint '{model.joint(i).name}'",
                'it has no position limits and may wind up; write range="..." if it has stops or cables',
            )
        )
    return np.asarray(limits, dtype=np.float64)


def _velocity_limits(
    model: mujoco.MjModel, names: tuple[str, ...], driven: IntArray, file: ModelFile
) -> FloatArray:
    limits = np.array([file.velocity_limits.get(name, np.inf) for name in names])
    custom = _numerics(model).get("ampc_velocity_limits")
    if custom is not None:
        if len(custom) not in (len(names), len(driven)) or not np.all(custom > 0.0):
            file.findings.append(
                Finding(
                    "error",
                    "numeric 'ampc_velocity_limits'",
                    f"expected {len(names)} positive numbers [rad/s], one for each joint "
                    f"({', '.join(names)}), got "
                    f"{custom.tolist()}",
                )
            )
            return limits
        limits[driven if len(custom) == len(driven) else slice(None)] = custom
    without = [names[i] for i in driven if not np.isfinite(limits[i])]
    if without:
        file.findings.append(
            Finding(
                "warning",
                f"joint{'s' if len(without) > 1 else ''} {', '.join(repr(name) for name in without)}",
                'no velocity limit is stated; MJCF: <custom><numeric name="ampc_velocity_limits" '
                'data="..."/>, one '
                'number [rad/s] for each joint; URDF: <limit velocity="..."/>',
            )
        )
    return limits


def _obstacles(model: mujoco.MjModel, file: ModelFile) -> tuple[HalfSpace, ...]:
    obstacles = []
    for name, data in _numerics(model).items():
        if not name.startswith("ampc_obstacle_"):
            continue
        if len(data) != 6 or not np.linalg.norm(data[:3]) > 0.0:
            file.findings.append(
                Finding(
                    "error",
                    f"numeric '{name}'",
                    "expected six numbers, a normal pointing into free space and a point of the plane "
                    "[m], got "
                    f"{data.tolist()}",
                )
            )
            continue
        normal = data[:3] / np.linalg.norm(data[:3])
        obstacles.append(HalfSpace(name.removeprefix("ampc_obstacle_"), normal, data[3:]))
    return tuple(obstacles)


def _obstacle_points(model: mujoco.MjModel, file: ModelFile) -> tuple[str, ...]:
    texts = (text.data for text in file.spec.texts if text.name == "ampc_obstacle_points")
    names = tuple(next(texts, "").split())
    sites = [model.site(i).name for i in range(model.nsite)]
    unknown = [name for name in names if name not in sites]
    if unknown:
        file.findings.append(
            Finding(
                "error",
                "text 'ampc_obstacle_points'",
                f"no site is called {' or '.join(map(repr, unknown))}; there are: "
                f"{', '.join(filter(None, sites))}",
            )
        )
    return names


def _numerics(model: mujoco.MjModel) -> dict[str, FloatArray]:
    return {
        model.numeric(i).name: np.array(model.numeric(i).data, dtype=np.float64)
        for i in range(model.nnumeric)
    }
