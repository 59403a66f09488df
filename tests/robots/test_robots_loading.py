import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose

from ampc.errors import RobotError
from ampc.robots import KinematicChain, Robot, RobotDynamics, load_robot

EXAMPLES = Path(__file__).parents[2] / "examples" / "arms"
Load = Callable[..., Robot]

# A planar-looking but sound two-link arm; each test breaks one thing.
ARM = """
<mujoco model="m">
  <option><flag contact="disable"/></option>
  <worldbody>
    <body name="one">
      <joint name="j1" axis="0 0 1" range="-90 90"/>
      <geom name="g1" size="0.05" fromto="0 0 0 0 0 0.3" type="capsule" mass="2"/>
      <body name="two" pos="0 0 0.3">
        <joint name="j2" axis="0 1 0" range="-90 90"/>
        <geom name="g2" size="0.04" fromto="0 0 0 0.3 0 0" type="capsule" mass="1"/>
        <site name="tool" pos="0.3 0 0"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="m1" joint="j1" ctrlrange="-20 20"/>
    <motor name="m2" joint="j2" ctrlrange="-30 30"/>
  </actuator>
  <custom><numeric name="ampc_velocity_limits" data="2 3"/></custom>
</mujoco>
"""


def changed(*replacements: tuple[str, str]) -> str:
    text = ARM
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


def test_the_rigid_arm_is_the_specified_one(rigid_arm: Robot) -> None:
    chain = KinematicChain.from_robot(rigid_arm)
    assert rigid_arm.joint_names == ("yaw", "shoulder", "elbow")
    assert_allclose(chain.end_effector(np.zeros(3)), [0.75, 0.0, 0.30], atol=1e-15)
    assert chain.end_effector(np.array([0.0, 0.1, 0.0]))[2] > 0.30
    assert_allclose(rigid_arm.model.body_mass[1:], [3.0, 2.0, 1.2])
    assert_allclose(rigid_arm.model.dof_armature, 0.1)
    assert rigid_arm.model.opt.timestep == 0.001
    assert rigid_arm.warnings == ()


def test_a_sound_arm_loads_without_warnings(load_text: Load) -> None:
    robot = load_text(ARM)
    assert robot.warnings == ()
    assert robot.end_effector == "tool"
    assert_allclose(robot.position_limits, np.pi / 2 * np.array([[-1, 1], [-1, 1]]))
    assert_allclose(robot.velocity_limits, [2, 3])
    assert_allclose(robot.torque_limits, [[-20, 20], [-30, 30]])
    assert np.all((robot.home > robot.position_limits[:, 0]) & (robot.home < robot.position_limits[:, 1]))


def test_torque_limits_are_what_every_stated_limit_leaves(arms: dict[str, Robot]) -> None:
    odd = arms["odd-arm"]
    assert_allclose(odd.torque_limits, [[-50, 50], [-80, 80], [-36, 27]])
    assert_allclose(odd.gear, [50, 1, -3])
    assert odd.actuated.tolist() == [0, 1, 2]
    assert odd.actuator_ids.tolist() == [1, 2, 0]


def test_actuator_force_range_of_the_joint_counts(load_text: Load) -> None:
    robot = load_text(changed(('name="j1"', 'name="j1" actuatorfrcrange="-5 7"')))
    assert_allclose(robot.torque_limits[0], [-5, 7])


def test_urdf_gets_motors_limits_and_keeps_fixed_links(arms: dict[str, Robot]) -> None:
    arm = arms["bench-arm"]
    assert arm.end_effector == "tool0"
    assert_allclose(arm.torque_limits[:, 1], [40, 60, 30, 10])
    assert_allclose(arm.velocity_limits, [3, 3, 4, 5])
    assert_allclose(arm.model.dof_damping, [0.4, 0.4, 0.2, 0.1])
    assert_allclose(RobotDynamics(arm).end_effector(np.zeros(4)), [0, 0, 0.10 + 0.12 + 0.30 + 0.25 + 0.10])


@pytest.mark.parametrize("visual", [True, False])
def test_missing_meshes_are_left_out_where_inertia_is_explicit(load_text: Load, visual: bool) -> None:
    kind = "visual" if visual else "collision"
    mesh = f'<{kind}><geometry><mesh filename="package://nowhere/link.stl"/></geometry></{kind}>'
    text = (EXAMPLES / "bench_arm.urdf").read_text()
    robot = load_text(text.replace('<link name="forearm">', f'<link name="forearm">{mesh}'), ".urdf")
    assert any("link.stl" in warning for warning in robot.warnings)
    assert robot.fingerprint == load_robot(EXAMPLES / "bench_arm.urdf").fingerprint


def test_missing_meshes_that_carry_the_inertia_are_refused(load_text: Load) -> None:
    text = changed(
        ("<worldbody>", '<asset><mesh name="x" file="x.stl"/></asset><worldbody>'),
        ('type="capsule" mass="1"/>', 'type="capsule" mass="1"/><geom type="mesh" mesh="x" mass="1"/>'),
    )
    with pytest.raises(RobotError, match=r"x\.stl"):
        load_text(text)


@pytest.mark.parametrize("name", ["tool", "two"])
def test_end_effector_can_be_chosen(load_text: Load, name: str) -> None:
    robot = load_text(ARM, end_effector=name)
    assert robot.end_effector == name
    expected = {"tool": [0.3, 0.0, 0.3], "two": [0.0, 0.0, 0.3]}[name]
    assert_allclose(RobotDynamics(robot).end_effector(np.zeros(2)), expected, atol=1e-15)


def test_end_effector_named_in_the_model_comes_before_usual_names(load_text: Load) -> None:
    text = changed(("<custom>", '<custom><text name="ampc_end_effector" data="two"/>'))
    assert load_text(text).end_effector == "two"


def test_end_effector_falls_back_to_the_last_body(load_text: Load) -> None:
    robot = load_text(changed(('<site name="tool" pos="0.3 0 0"/>', "")))
    assert robot.end_effector == "two"
    assert any("end effector" in warning for warning in robot.warnings)


def test_home_is_the_keyframe_else_well_conditioned(load_text: Load, rigid_arm: Robot) -> None:
    keyframes = (
        '<keyframe><key name="other" qpos="0 0"/><key name="home" qpos="0.1 0.2"/></keyframe></mujoco>'
    )
    assert_allclose(load_text(changed(("</mujoco>", keyframes))).home, [0.1, 0.2])
    only_other = '<keyframe><key qpos="0.3 0.4"/></keyframe></mujoco>'
    assert_allclose(load_text(changed(("</mujoco>", only_other))).home, [0.3, 0.4])
    outside = load_text(changed(("</mujoco>", '<keyframe><key qpos="3 0"/></keyframe></mujoco>')))
    assert outside.home[0] == pytest.approx(np.pi / 2)
    assert any("j1 outside the joint limits" in warning for warning in outside.warnings)

    assets = Path(sys.modules["ampc.robots"].__file__ or "").parent / "assets"
    text = (assets / "rigid_arm.xml").read_text().replace('<key name="home" qpos="0 0.9 -1.4"/>', "")
    chosen = load_text(text)
    chain = KinematicChain.from_robot(chosen)
    assert np.linalg.svd(chain.jacobian(chosen.home), compute_uv=False)[-1] > 0.1


def test_obstacles(load_text: Load) -> None:
    text = changed(("<custom>", '<custom><numeric name="ampc_obstacle_wall" data="-2 0 0 0.5 0 0"/>'))
    (wall,) = load_text(text).obstacles
    assert wall.name == "wall"
    assert wall.distance(np.array([0.2, 1.0, 3.0])) == pytest.approx(0.3)


def test_fingerprint_tells_arms_apart_but_not_pictures(load_text: Load, arms: dict[str, Robot]) -> None:
    assert len({arm.fingerprint for arm in arms.values()}) == len(arms)
    original = load_text(ARM).fingerprint
    assert load_text(changed(('name="g1"', 'name="g1" rgba="1 0 0 1"'))).fingerprint == original
    assert load_text(changed(('mass="2"', 'mass="2.01"'))).fingerprint != original
    assert load_text(changed(('ctrlrange="-20 20"', 'ctrlrange="-21 21"'))).fingerprint != original


JOINT = '<joint name="j2" axis="0 1 0" range="-90 90"/>'
MOTOR = '<motor name="m2" joint="j2" ctrlrange="-30 30"/>'
TOOL = '<site name="tool" pos="0.3 0 0"/>'
FINGERS = "".join(f'<body><joint name="{name}"/><geom size="0.1"/></body>' for name in ("f1", "f2"))
REFUSED = {
    "slide": ([(JOINT, '<joint name="j2" type="slide"/>')], "joint 'j2'.*slide joints are not carried"),
    "ball": ([(JOINT, '<joint name="j2" type="ball"/>'), (MOTOR, "")], "joint 'j2'.*ball"),
    "free object": (
        [("</worldbody>", '<body pos="1 0 0"><freejoint name="f"/><geom size="0.1"/></body></worldbody>')],
        "joint 'f'.*free joints.*remove it",
    ),
    "no joints": (
        [(JOINT, ""), ('<joint name="j1" axis="0 0 1" range="-90 90"/>', ""), (MOTOR, ""),
         ('<motor name="m1" joint="j1" ctrlrange="-20 20"/>', "")],
        "no joints",
    ),
    "gripper": (
        [(TOOL, TOOL + FINGERS)],
        "joint 'f2'.*branches",
    ),
    "equality": (
        [("<actuator>", '<equality><joint name="e" joint1="j1" joint2="j2"/></equality><actuator>')],
        "equality constraint 'e'",
    ),
    "tendon": (
        [("<actuator>", '<tendon><fixed name="t"><joint joint="j1" coef="1"/></fixed></tendon><actuator>')],
        "tendon 't'",
    ),
    "position servo": (
        [(MOTOR, '<position name="p" joint="j2" kp="9"/>')],
        "'p'.*position servo.*<motor joint=\"j2\"",
    ),
    "velocity servo": ([(MOTOR, '<velocity name="v" joint="j2" kv="9"/>')], "'v'.*velocity servo"),
    "activation": (
        [(MOTOR, '<general name="a" joint="j2" dyntype="filter" dynprm="0.1" ctrlrange="-9 9"/>')],
        "'a'.*activation dynamics",
    ),
    "site actuator": ([(MOTOR, MOTOR + '<motor name="s" site="tool"/>')], "'s'.*does not drive a joint"),
    "no motor": ([(MOTOR, "")], "joint 'j2'.*no motor and no spring"),
    "two motors": ([(MOTOR, MOTOR + '<motor name="n" joint="j2" ctrlrange="-1 1"/>')], "has another motor"),
    "no torque limit": ([(MOTOR, '<motor name="m2" joint="j2"/>')], "motor of joint 'j2'.*no torque limit"),
    "one-sided torque": ([("-30 30", "5 30")], "motor of joint 'j2'.*both directions"),
    "zero gear": ([('name="m2"', 'name="m2" gear="0"')], "gear or gain is zero"),
    "stiffness polynomial": ([('name="j2"', 'name="j2" stiffness="1 2"')], "joint 'j2'.*one number"),
    "no gravity flag": ([('contact="disable"', 'contact="disable" gravity="disable"')], 'gravity="disable"'),
    "velocity limits": ([('data="2 3"', 'data="2 3 4"')], "expected 2 positive numbers"),
    "obstacle": (
        [("<custom>", '<custom><numeric name="ampc_obstacle_w" data="1 0 0"/>')],
        "'ampc_obstacle_w'.*six numbers",
    ),
    "end effector too early": (
        [("<custom>", '<custom><text name="ampc_end_effector" data="one"/>')],
        "end effector 'one'.*not moved by joint 'j2'",
    ),
    "misspelt element": ([("<motor name=\"m2\"", "<moter name=\"m2\"")], "moter"),
    "misspelt attribute": ([('axis="0 1 0"', 'axes="0 1 0"')], "axes"),
    "no such joint": ([('joint="j2"', 'joint="j3"')], "j3"),
    "not well-formed": ([("</worldbody>", "")], "not well-formed XML"),
    "not a number": ([('mass="1"', 'mass="nan"')], "<geom> 'g2': mass=\"nan\" is not a number"),
    "no mass": ([('mass="1"', 'mass="0"')], "mass"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_by_name(load_text: Load, case: str) -> None:
    replacements, message = REFUSED[case]
    with pytest.raises(RobotError, match=f"(?s){message}"):
        load_text(changed(*replacements))


def test_reports_all_errors_at_once(load_text: Load) -> None:
    text = changed(("-20 20", "5 20"), (' ctrlrange="-30 30"', ""))
    with pytest.raises(RobotError, match=r"(?s)joint 'j1'.*joint 'j2'"):
        load_text(text)


WARNED = {
    "friction": ([('name="j2"', 'name="j2" frictionloss="0.5"')], "joint 'j2': friction loss of 0.5 N m"),
    "contacts": ([('<option><flag contact="disable"/></option>', "")], "contacts are switched off"),
    "fluid": ([("<option>", '<option density="1.2">')], "fluid"),
    "gravcomp": ([('name="two"', 'name="two" gravcomp="1"')], "body 'two': gravcomp"),
    "unlimited": ([('name="j1" axis="0 0 1" range="-90 90"', 'name="j1" axis="0 0 1"')], "joint 'j1'"),
    "velocity": ([('<numeric name="ampc_velocity_limits" data="2 3"/>', "")], "no velocity limit"),
}


@pytest.mark.parametrize("case", WARNED)
def test_warns_by_name(load_text: Load, case: str) -> None:
    replacements, message = WARNED[case]
    assert any(message in warning for warning in load_text(changed(*replacements)).warnings)


def test_what_is_left_out_does_not_act(load_text: Load) -> None:
    left_out = load_text(
        changed(
            ('<option><flag contact="disable"/></option>', '<option density="900"/>'),
            ('name="two"', 'name="two" gravcomp="1"'),
        )
    )
    q, dq, zero = np.array([0.3, 0.2]), np.array([3.0, -2.0]), np.zeros(2)
    assert_allclose(
        RobotDynamics(left_out).forward_dynamics(q, dq, zero),
        RobotDynamics(load_text(ARM)).forward_dynamics(q, dq, zero),
    )
    assert left_out.model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (' effort="30"', "", "joint 'elbow_flex' has no torque limit"),
        (' effort="30"', ' effort="strong"', "bad format in attribute 'effort'"),
        ('elbow_flex" type="revolute"', 'elbow_flex" type="prismatic"', "joint 'elbow_flex': slide joints"),
        ("</robot>", "", "not well-formed"),
        ("robot", "root", "expected <mujoco>"),
        ('<parent link="forearm"/>', '<parent link="nothing"/>', "parent or child missing"),
    ],
)  # fmt: skip
def test_refuses_broken_urdf(load_text: Load, old: str, new: str, message: str) -> None:
    text = (EXAMPLES / "bench_arm.urdf").read_text()
    assert old in text
    with pytest.raises(RobotError, match=message):
        load_text(text.replace(old, new), ".urdf")


def test_refuses_a_model_without_bodies(load_text: Load) -> None:
    with pytest.raises(RobotError, match="no bodies"):
        load_text("<mujoco/>")


def test_names_what_has_no_name(load_text: Load) -> None:
    robot = load_text(changed(('name="m1" ', ""), ('<body name="two"', "<body"), (TOOL, "")))
    assert robot.end_effector == "last_body"
    unnamed = "<mujoco><worldbody><body><joint/><geom size='.1'/></body></worldbody></mujoco>"
    with pytest.raises(RobotError, match="joint 'joint0'"):
        load_text(unnamed)


def test_refuses_what_is_not_a_model_file(tmp_path: Path) -> None:
    (tmp_path / "my_arm.xml").write_text(ARM)
    with pytest.raises(RobotError, match=r"did you mean my_arm\.xml"):
        load_robot(tmp_path / "my_arn.xml")
    with pytest.raises(RobotError, match="did you mean rigid-arm"):
        load_robot("rigid_arm")
    with pytest.raises(RobotError, match="is a folder"):
        load_robot(tmp_path)
    for name, message in (("arm.urdf.xacro", "expand it"), ("arm.sdf", "expected an MJCF file")):
        (tmp_path / name).write_text("<sdf/>")
        with pytest.raises(RobotError, match=message):
            load_robot(tmp_path / name)
    with pytest.raises(RobotError, match=r"no site and no body is called 'hand'.*tool"):
        load_robot(tmp_path / "my_arm.xml", end_effector="hand")


def test_importing_robots_is_light() -> None:
    code = "import sys, ampc.robots; print({'casadi', 'torch', 'matplotlib'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
