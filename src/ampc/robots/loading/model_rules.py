"""What a model may contain: a serial arm of hinge joints that motors drive. Nothing is left out silently."""

import mujoco
import numpy as np

from ampc.robots.finding import Finding

_JOINT_KINDS = {
    int(mujoco.mjtJoint.mjJNT_FREE): "free",
    int(mujoco.mjtJoint.mjJNT_BALL): "ball",
    int(mujoco.mjtJoint.mjJNT_SLIDE): "slide",
}
_SWITCHES = {
    int(mujoco.mjtDisableBit.mjDSBL_GRAVITY): ("gravity", 'write <option gravity="0 0 0"/>'),
    int(mujoco.mjtDisableBit.mjDSBL_SPRING): ("spring", "leave out the stiffness of the joints"),
    int(mujoco.mjtDisableBit.mjDSBL_DAMPER): ("damper", "leave out the damping of the joints"),
    int(mujoco.mjtDisableBit.mjDSBL_ACTUATION): ("actuation", "remove the flag"),
    int(mujoco.mjtDisableBit.mjDSBL_CLAMPCTRL): ("clampctrl", "remove the flag; torque limits are to hold"),
}


def refuse_what_is_not_carried(model: mujoco.MjModel, site: int) -> list[Finding]:
    """Errors about everything in a model that dynamics, controllers or plants here would leave out."""
    structure = [*_joint_kinds(model), *_structure(model)]
    if structure:
        return structure
    return [*_end_effector(model, site), *_joint_forces(model), *_switches(model), *_actuators(model)]


def leave_out(spec: mujoco.MjSpec, model: mujoco.MjModel) -> list[Finding]:
    """Switch off in the specification what no controller models, and say so; warn about friction loss."""
    findings: list[Finding] = []
    if not model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT):
        spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
        if np.any((model.geom_contype != 0) & (model.geom_bodyid != 0)) or np.any(
            model.geom_conaffinity != 0
        ):
            findings.append(
                Finding(
                    "warning",
                    "contacts",
                    "the model has collision geometry; contacts are switched off, since no controller "
                    "here knows "
                    'of them. To agree, write <option><flag contact="disable"/></option>',
                )
            )
    if model.opt.density > 0.0 or model.opt.viscosity > 0.0:
        spec.option.density = spec.option.viscosity = 0.0
        findings.append(
            Finding(
                "warning",
                "option",
                "density and viscosity of a fluid are set to zero: fluid forces are not modelled",
            )
        )
    carried = [model.body(i).name for i in np.flatnonzero(model.body_gravcomp)]
    if carried:
        for body in spec.bodies:
            body.gravcomp = 0.0
        findings.append(
            Finding(
                "warning",
                _bodies(carried),
                "gravcomp is set to zero: controllers here compensate gravity themselves, within the "
                "torque limits",
            )
        )
    for joint in np.flatnonzero(model.dof_frictionloss):
        findings.append(
            Finding(
                "warning",
                _joint(model, int(joint)),
                f"friction loss of {model.dof_frictionloss[joint]:g} N m is simulated but unknown to "
                "controllers, "
                "which will stop short of the goal by what it holds; use damping if you do not mean that",
            )
        )
    return findings


def _joint_kinds(model: mujoco.MjModel) -> list[Finding]:
    if model.njnt == 0:
        return [Finding("error", "model", 'it has no joints; an arm has at least one <joint type="hinge"/>')]
    return [
        Finding(
            "error",
            _joint(model, i),
            f"{_JOINT_KINDS[int(kind)]} joints are not carried, only hinges (URDF: revolute, continuous). "
            + (
                "An object that moves freely is not part of an arm: remove it"
                if int(kind) == int(mujoco.mjtJoint.mjJNT_FREE)
                else 'Fix it, by removing the joint (URDF: type="fixed"), if the arm can do without it'
            ),
        )
        for i, kind in enumerate(model.jnt_type)
        if int(kind) in _JOINT_KINDS
    ]


def _structure(model: mujoco.MjModel) -> list[Finding]:
    findings: list[Finding] = []
    for i in range(1, model.njnt):
        if model.dof_parentid[i] != i - 1:
            findings.append(
                Finding(
                    "error",
                    _joint(model, i),
                    f"it does not follow {_joint(model, i - 1)} in one line from base to tip: the model "
                    "branches. "
                    "Only serial arms are carried; fix the joints of fingers and other branches, by "
                    "removing them "
                    '(URDF: type="fixed")',
                )
            )
    for i in range(model.neq):
        name = model.equality(i).name or f"number {i}"
        findings.append(
            Finding(
                "error",
                f"equality constraint '{name}'",
                "closed chains, coupled and mimicking joints are not carried; remove the constraint, "
                "and fix the "
                "joints that it moves",
            )
        )
    for i in range(model.ntendon):
        name = model.tendon(i).name or f"number {i}"
        findings.append(
            Finding("error", f"tendon '{name}'", "tendons are not carried; drive joints by <motor joint=...>")
        )
    return findings


def _end_effector(model: mujoco.MjModel, site: int) -> list[Finding]:
    body, ancestors = int(model.site_bodyid[site]), set()
    while body:
        ancestors.add(body)
        body = int(model.body_parentid[body])
    beyond = [_joint(model, i) for i in range(model.njnt) if int(model.jnt_bodyid[i]) not in ancestors]
    if not beyond:
        return []
    return [
        Finding(
            "error",
            f"end effector '{model.site(site).name}'",
            f"it is not moved by {', '.join(beyond)}; choose a site or body beyond the last joint",
        )
    ]


def _joint_forces(model: mujoco.MjModel) -> list[Finding]:
    findings: list[Finding] = []
    for i in range(model.njnt):
        if np.any(model.jnt_stiffnesspoly[i]) or np.any(model.dof_dampingpoly[i]):
            findings.append(
                Finding(
                    "error",
                    _joint(model, i),
                    "stiffness and damping have to be one number each: higher-order "
                    "coefficients are not carried",
                )
            )
        if model.jnt_springyield[i] != 0.0:
            findings.append(
                Finding("error", _joint(model, i), "springyield (a plastic spring) is not carried")
            )
        moved = model.body_subtreemass[model.jnt_bodyid[i]]
        if moved <= 1e-6:
            findings.append(
                Finding(
                    "error",
                    _joint(model, i),
                    f"it moves a mass of {moved:g} kg in all; give the links behind it "
                    "masses in kg and inertias in kg m2",
                )
            )
    return findings


def _switches(model: mujoco.MjModel) -> list[Finding]:
    return [
        Finding("error", "option", f'<flag {name}="disable"/> is not carried; instead, {remedy}')
        for bit, (name, remedy) in _SWITCHES.items()
        if model.opt.disableflags & bit
    ]


def _actuators(model: mujoco.MjModel) -> list[Finding]:
    findings: list[Finding] = []
    driven: set[int] = set()
    on_joint = (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT))
    for i in range(model.nu):
        subject = f"actuator '{model.actuator(i).name or i}'"
        if int(model.actuator_trntype[i]) not in on_joint:
            findings.append(Finding("error", subject, "it does not drive a joint; use <motor joint=...>"))
            continue
        joint = int(model.actuator_trnid[i, 0])
        name = model.joint(joint).name
        remedy = f'use <motor joint="{name}" ctrlrange="-T T"/>, with T its largest torque in N m'
        kind = _actuator_kind(model, i)
        if kind is not None:
            findings.append(
                Finding("error", subject, f"{kind} is not carried, since controllers send torques; {remedy}")
            )
        elif model.actuator_gear[i, 0] * model.actuator_gainprm[i, 0] == 0.0:
            findings.append(
                Finding("error", subject, f"its gear or gain is zero, so it has no effect; {remedy}")
            )
        if joint in driven:
            findings.append(
                Finding("error", subject, f"{_joint(model, joint)} has another motor already; leave one")
            )
        driven.add(joint)
    for joint in range(model.njnt):
        if joint not in driven and model.jnt_stiffness[joint] == 0.0:
            name = model.joint(joint).name
            findings.append(
                Finding(
                    "error",
                    _joint(model, joint),
                    f'it has no motor and no spring; add <motor joint="{name}" ctrlrange="-T T"/> to '
                    "<actuator>, with T "
                    "its largest torque in N m",
                )
            )
    return findings


def _actuator_kind(model: mujoco.MjModel, i: int) -> str | None:
    """What kind of actuator it is, unless it is a plain motor."""
    if int(model.actuator_dyntype[i]) != int(mujoco.mjtDyn.mjDYN_NONE):
        return "an actuator with activation dynamics"
    if model.actuator_delay[i] != 0.0:
        return "a delayed actuator (set the delay in the task's variation instead)"
    if int(model.actuator_biastype[i]) == int(mujoco.mjtBias.mjBIAS_AFFINE):
        return "a position servo" if model.actuator_biasprm[i, 1] != 0.0 else "a velocity servo or damper"
    plain = (int(mujoco.mjtGain.mjGAIN_FIXED), int(mujoco.mjtBias.mjBIAS_NONE))
    if (int(model.actuator_gaintype[i]), int(model.actuator_biastype[i])) != plain:
        return "an actuator whose force depends on the state"
    if model.actuator_damping[i] or model.actuator_armature[i] or np.any(model.actuator_dampingpoly[i]):
        return "an actuator with damping or armature of its own (write them on the joint)"
    return None


def _joint(model: mujoco.MjModel, joint: int) -> str:
    return f"joint '{model.joint(joint).name}'"


def _bodies(names: list[str]) -> str:
    return f"bod{'y' if len(names) == 1 else 'ies'} {', '.join(repr(name) for name in names)}"
