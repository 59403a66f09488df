"""Advice to the author of a robot model, in plain words."""

from pathlib import Path

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import RobotError, SettingsError
from ampc.robots.capability import USUAL_COMMAND_LIMIT, Capability, round_down
from ampc.robots.finding import Finding
from ampc.robots.loading import examine
from ampc.robots.robot import Robot


def check_robot(source: str | Path, end_effector: str | None = None) -> list[Finding]:
    """Everything that is wrong, doubtful or good to know about a robot model, most severe first.

    Args:
        source: What `ampc.robots.load_robot` takes: name of a built-in arm, or path of a file.
        end_effector: Site or body that is the end effector, as for `ampc.robots.load_robot`.

    Returns:
        Findings; the arm can be used if none of them is an error.
    """
    try:
        robot, findings = examine(source, end_effector)
    except (RobotError, SettingsError) as error:
        return [Finding("error", "model", str(error))]
    if robot is not None:
        capability = Capability.of(robot)
        findings = [
            *findings,
            *_angle_units(robot),
            *_mass_and_length_units(robot, capability),
            *_gears(robot),
            *_strength(robot, capability),
            *_dexterity(robot, capability),
        ]
    return sorted(findings, key=lambda finding: ("error", "warning", "info").index(finding.severity))


def _angle_units(robot: Robot) -> list[Finding]:
    findings = []
    for name, (lower, upper) in zip(robot.joint_names, robot.position_limits, strict=True):
        finite = np.abs(np.array([lower, upper])[np.isfinite([lower, upper])])
        if np.any(finite > 4.0 * np.pi):
            findings.append(
                Finding(
                    "warning",
                    f"joint '{name}'",
                    f"its range is [{lower:g}, {upper:g}] rad, more than two turns. Degrees read as "
                    "radians? URDF "
                    'angles are radians; MJCF angles are degrees unless <compiler angle="radian"/>',
                )
            )
        elif upper - lower < 0.15:
            findings.append(
                Finding(
                    "warning",
                    f"joint '{name}'",
                    f"its range is [{lower:.4g}, {upper:.4g}] rad, only {np.degrees(upper - lower):.2g} "
                    "degrees wide. "
                    'Radians read as degrees? If the file is in radians, it needs <compiler angle="radian"/>',
                )
            )
    return findings


def _mass_and_length_units(robot: Robot, capability: Capability) -> list[Finding]:
    findings = []
    if not 0.02 <= capability.reach <= 20.0:
        findings.append(
            Finding(
                "warning",
                "lengths",
                f"the end effector gets {capability.reach:.3g} m away from the first joint. Lengths are "
                "in metres; "
                "were they written in millimetres (or scaled twice)?",
            )
        )
    model = robot.model
    for body in range(1, model.nbody):
        mass = float(model.body_mass[body])
        subject = f"body '{model.body(body).name}'"
        if mass == 0.0 and model.body_jntnum[body] > 0:
            findings.append(
                Finding(
                    "warning",
                    subject,
                    "it has a joint but no mass of its own; give it a mass in kg and an inertia in kg "
                    "m2, unless it "
                    "only joins two others",
                )
            )
        if mass == 0.0 or model.body_weldid[body] == 0:
            continue
        if not 1e-3 <= mass <= 500.0:
            findings.append(
                Finding(
                    "warning",
                    subject,
                    f"its mass is {mass:.3g} kg; masses are in kg. Written in grams or tonnes?",
                )
            )
        gyration = float(np.sqrt(np.max(model.body_inertia[body]) / mass))
        if gyration > 2.0 * capability.reach:
            findings.append(
                Finding(
                    "warning",
                    subject,
                    f"its inertia of {np.max(model.body_inertia[body]):.3g} kg m2 with a mass of "
                    f"{mass:.3g} kg means "
                    f"that it extends over {gyration:.3g} m, beyond the arm's reach of "
                    f"{capability.reach:.3g} m. Is "
                    "the inertia in kg m2, about the centre of mass?",
                )
            )
    for joint in robot.actuated:
        name, inertia = robot.joint_names[joint], capability.least_inertia[joint]
        if inertia < 1e-4:
            findings.append(
                Finding(
                    "warning",
                    f"joint '{name}'",
                    f"the inertia it moves falls to {inertia:.2g} kg m2, which makes a simulation in "
                    "steps of 1 ms "
                    "stiff; a geared motor adds its rotor's inertia times the squared ratio: write it "
                    "as armature",
                )
            )
    return findings


def _gears(robot: Robot) -> list[Finding]:
    findings = []
    scaled = [
        f"{robot.joint_names[joint]} {robot.gear[motor]:g}"
        for motor, joint in enumerate(robot.actuated)
        if robot.gear[motor] != 1.0
    ]
    if scaled:
        findings.append(
            Finding(
                "info",
                "motors",
                f"a control signal of 1 is this torque at the joint, in N m: {', '.join(scaled)}",
            )
        )
    for motor, joint in enumerate(robot.actuated):
        lower, upper = robot.torque_limits[motor]
        if not np.isclose(-lower, upper, rtol=0.01):
            findings.append(
                Finding(
                    "warning",
                    f"motor of joint '{robot.joint_names[joint]}'",
                    f"its limits of [{lower:g}, {upper:g}] N m are not symmetric; is that meant?",
                )
            )
    return findings


def _strength(robot: Robot, capability: Capability) -> list[Finding]:
    weak = []
    for motor, joint in enumerate(robot.actuated):
        worst = int(np.argmin(capability.margin[:, motor]))
        if capability.margin[worst, motor] > 0.0:
            continue
        hold = float(capability.holding[worst, motor])
        lower, upper = robot.torque_limits[motor]
        unit = abs(float(robot.model.actuator_ctrlrange[robot.actuator_ids[motor], 1])) == 1.0
        weak.append(
            Finding(
                "error",
                f"motor of joint '{robot.joint_names[joint]}'",
                f"it cannot hold the arm: at q = {_configuration(capability.samples[worst])} gravity "
                "and springs ask "
                f"for {hold:.3g} N m, and its limits are [{lower:g}, {upper:g}] N m. Raise the limit, "
                "or narrow the "
                "joint ranges"
                + (
                    "; its ctrlrange ends at 1: if controls are shares of the largest torque, write "
                    "that torque as gear"
                    if unit
                    else ""
                ),
            )
        )
    if weak:
        return weak
    if robot.passive.size:
        return [
            Finding(
                "info",
                "joints",
                f"{robot.passive.size} of {robot.n_joints} have springs in place of motors: the arm bends "
                "and needs a controller that knows it",
            )
        ]
    limit = capability.command_limit
    sample, motor = capability.weakest
    name = robot.joint_names[robot.actuated[motor]]
    if limit >= USUAL_COMMAND_LIMIT:
        return [
            Finding(
                "info",
                "torque limits",
                f"they suffice for accelerations of {limit:.3g} rad/s2 on all joints at once, anywhere "
                "in the joint "
                f"ranges, starting from rest (the MPC asks for up to {USUAL_COMMAND_LIMIT:g} rad/s2)",
            )
        ]
    return [
        Finding(
            "warning",
            f"motor of joint '{name}'",
            f"it saturates when all joints accelerate at more than {limit:.3g} rad/s2 from rest at q = "
            f"{_configuration(capability.samples[sample])}; the MPC asks for up to "
            f"{USUAL_COMMAND_LIMIT:g} rad/s2. "
            f"Set its command_limit to {round_down(limit):g}, or raise the torque limit",
        )
    ]


def _dexterity(robot: Robot, capability: Capability) -> list[Finding]:
    findings = [
        Finding(
            "info",
            f"end effector '{robot.end_effector}'",
            f"it reaches {capability.reach:.3g} m from the first joint; at home, q = "
            f"{_configuration(robot.home)}, it is "
            f"at ({', '.join(f'{x:.3f}' for x in capability.home_position)}) m",
        )
    ]
    if capability.dimensions < 3:
        findings.append(
            Finding(
                "warning",
                f"end effector '{robot.end_effector}'",
                f"it moves in {capability.dimensions} direction(s) only, never in three; goals have to "
                "lie on what it "
                "can reach",
            )
        )
    for i in np.flatnonzero(capability.largest_lever < 1e-9):
        findings.append(
            Finding(
                "info",
                f"joint '{robot.joint_names[i]}'",
                "it does not move the end effector, which lies on its axis; it stays near its home position",
            )
        )
    return findings


def _configuration(q: FloatArray) -> str:
    return f"[{', '.join(f'{x:.2f}' for x in q)}]"
