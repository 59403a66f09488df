from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ampc.robots import Robot, RobotDynamics, check_robot, load_robot, suggested_command_limit
from ampc.robots.capability import round_down
from ampc.robots.finding import Finding

EXAMPLES = Path(__file__).parents[2] / "examples" / "arms"
URDF = (EXAMPLES / "bench_arm.urdf").read_text()
RANGE = 'lower="-1.9" upper="1.9"'
MJCF = (EXAMPLES / "ceiling_arm.xml").read_text()


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str, str], list[Finding]]:
    def check_text(text: str, suffix: str = ".urdf") -> list[Finding]:
        path = tmp_path / f"arm{suffix}"
        path.write_text(text)
        return check_robot(path)

    return check_text


def find(findings: list[Finding], severity: str, subject: str, words: str) -> Finding:
    for finding in findings:
        if (finding.severity, finding.subject) == (severity, subject) and words in finding.message:
            return finding
    raise AssertionError(f"no {severity} about {subject} with '{words}' in: {[str(f) for f in findings]}")


@pytest.mark.parametrize("source", ["rigid-arm", EXAMPLES / "bench_arm.urdf", EXAMPLES / "ceiling_arm.xml"])
def test_sound_arms_have_nothing_to_complain_of(source: str | Path) -> None:
    assert {finding.severity for finding in check_robot(source)} == {"info"}


def test_what_the_loader_refuses_is_a_finding(check: Callable[..., list[Finding]]) -> None:
    find(check_robot("rigid-arn"), "error", "model", "did you mean rigid-arm")
    find(check("<mujoco", ".xml"), "error", "model", "not well-formed")
    servo = MJCF.replace(
        '<motor name="luff" joint="luff" gear="90"/>', '<position name="luff" joint="luff"/>'
    )
    find(check(servo, ".xml"), "error", "actuator 'luff'", "position servo")


def test_findings_come_with_the_worst_first(check: Callable[..., list[Finding]]) -> None:
    order = ["error", "warning", "info"]
    findings = check(URDF.replace('effort="60"', 'effort="3"').replace(' velocity="4.0"', ""))
    severities = [order.index(finding.severity) for finding in findings]
    assert severities == sorted(severities)
    assert set(severities) == {0, 1, 2}


def test_weak_motor_is_named_with_what_it_needs(check: Callable[..., list[Finding]]) -> None:
    finding = find(
        check(URDF.replace('effort="60"', 'effort="3"')), "error", "motor of joint 'shoulder_lift'", "3"
    )
    assert "cannot hold the arm" in finding.message
    assert "N m" in finding.message


def test_control_in_shares_without_gear_is_recognised(check: Callable[..., list[Finding]]) -> None:
    findings = check(MJCF.replace(' gear="90"', ""), ".xml")
    find(findings, "error", "motor of joint 'luff'", "write that torque as gear")


def test_slow_motor_gets_a_command_limit(check: Callable[..., list[Finding]]) -> None:
    finding = find(
        check(URDF.replace('effort="40"', 'effort="2"')), "warning", "motor of joint 'pan'", "command_limit"
    )
    assert "10 rad/s2" in finding.message


@pytest.mark.parametrize(
    ("old", "new", "subject", "words"),
    [
        (RANGE, 'lower="-109" upper="109"', "joint 'shoulder_lift'", "Degrees read as radians"),
        (RANGE, 'lower="-0.03" upper="0.03"', "joint 'shoulder_lift'", "Radians read as degrees"),
        ('<mass value="1.1"/>', '<mass value="1100"/>', "body 'forearm'", "grams"),
        ('xyz="0 0 0.3"/>\n    <axis', 'xyz="0 0 300"/>\n    <axis', "lengths", "millimetres"),
        ("9.4e-05", "94", "body 'tool0'", "inertia"),
        (' velocity="3.0"', "", "joints 'pan', 'shoulder_lift'", "no velocity limit"),
    ],
)  # fmt: skip
def test_doubtful_units(
    check: Callable[..., list[Finding]], old: str, new: str, subject: str, words: str
) -> None:
    assert old in URDF
    text = URDF.replace(old, new)
    if "94" in new:
        text = text.replace('izz="3.8e-05"', 'izz="94"')
    find(check(text), "warning", subject, words)


def test_link_without_inertia(check: Callable[..., list[Finding]]) -> None:
    start = URDF.index("<inertial>", URDF.index('<link name="wrist">'))
    end = URDF.index("</inertial>", start) + len("</inertial>")
    find(check(URDF[:start] + URDF[end:]), "warning", "body 'wrist'", "no mass of its own")


def test_dexterity(check: Callable[..., list[Finding]]) -> None:
    planar = URDF.replace('<axis xyz="0 0 1"/>', '<axis xyz="0 1 0"/>')
    find(check(planar), "warning", "end effector 'tool0'", "2 direction(s)")
    rolling = MJCF.replace('axis="1 0 0" range="-100 100"', 'axis="0 0 1" range="-100 100"')
    find(check(rolling, ".xml"), "info", "joint 'tilt'", "does not move the end effector")


def test_asymmetric_torque_limits(check: Callable[..., list[Finding]]) -> None:
    text = MJCF.replace('joint="luff" gear="90"', 'joint="luff" gear="90" ctrlrange="-0.8 1"')
    find(check(text, ".xml"), "warning", "motor of joint 'luff'", "not symmetric")


@pytest.mark.parametrize("factor", [1.0, 0.12])
def test_suggested_command_limit_saturates_no_motor_from_rest(tmp_path: Path, factor: float) -> None:
    path = tmp_path / "arm.urdf"
    path.write_text(URDF.replace('effort="40"', f'effort="{40 * factor}"'))
    robot = load_robot(path)
    limit = suggested_command_limit(robot)
    assert 0.0 < limit <= 10.0
    dynamics, rng = RobotDynamics(robot), np.random.default_rng(3)
    for _ in range(300):
        q = rng.uniform(*robot.position_limits.T)
        ddq = limit * rng.choice([-1.0, 1.0], robot.n_joints)
        torque = dynamics.inverse_dynamics(q, np.zeros(robot.n_joints), ddq)
        assert np.all(np.abs(torque) <= 1.02 * robot.torque_limits[:, 1])


def test_rigid_arm_allows_the_usual_command(rigid_arm: Robot) -> None:
    assert suggested_command_limit(rigid_arm) == 10.0


@pytest.mark.parametrize(("value", "expected"), [(3.78, 3.7), (123.0, 120.0), (0.0, 0.0), (-0.512, -0.52)])
def test_round_down(value: float, expected: float) -> None:
    assert round_down(value) == pytest.approx(expected)
