"""The flexible arm is the published one, with any number of segments; bad settings are named."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ampc.errors import RobotError, SettingsError
from ampc.robots import (
    FlexibleArmSettings,
    ObstacleSettings,
    Robot,
    RobotDynamics,
    check_robot,
    flexible_arm,
    load_robot,
    with_segments,
)
from ampc.robots.rest import find_rest
from ampc.robots.symbolic import SymbolicDynamics

pinocchio = pytest.importorskip("pinocchio")

EXAMPLE = Path(__file__).parents[2] / "examples" / "arms" / "flexible_arm.toml"
SEGMENTS = [0, 1, 2, 3, 5, 10]
seeds = st.integers(0, 2**32 - 1)


@functools.cache
def arm(n: int) -> Robot:
    return flexible_arm(n)


@functools.cache
def pinocchio_arm(n: int) -> tuple:
    """The arm in Pinocchio, written down anew from the published numbers; frames of tip and elbow."""
    length, width, thickness, density = 0.5, 0.05, 0.002, 7870.0
    pieces = [length] if n == 0 else [length / (2 * n), *[length / n] * (n - 1), length / (2 * n)]
    model = pinocchio.Model()
    model.gravity.linear = np.array([0.0, 0.0, -9.81])
    joint = model.addJoint(0, pinocchio.JointModelRZ(), pinocchio.SE3.Identity(), "yaw")
    base = pinocchio.Inertia(2.0, np.array([0.0, 0.0, 0.12]), np.diag([0.0061, 0.0061, 0.01125]))
    model.appendBodyToJoint(joint, base, pinocchio.SE3.Identity())
    placement = pinocchio.SE3(pinocchio.utils.rotate("x", 1.57), np.array([0.0, 0.0, 0.15]))
    frames = []
    for link in (2, 3):
        for piece in pieces:
            joint = model.addJoint(joint, pinocchio.JointModelRZ(), placement, f"{link}-{model.njoints}")
            mass = density * width * thickness * piece
            moments = [width**2 + thickness**2, width**2 + piece**2, piece**2 + thickness**2]
            inertia = pinocchio.Inertia(mass, np.array([piece / 2, 0, 0]), mass / 12 * np.diag(moments))
            model.appendBodyToJoint(joint, inertia, pinocchio.SE3.Identity())
            placement = pinocchio.SE3(np.eye(3), np.array([piece, 0.0, 0.0]))
        frame = pinocchio.Frame(f"end{link}", joint, 0, placement, pinocchio.FrameType.OP_FRAME)
        frames.append(model.addFrame(frame))
    return model, model.createData(), frames[1], frames[0]


def passive_rates(n: int) -> np.ndarray:
    return np.isin(np.arange(3 + 2 * n), [0, 1, 2 + n], invert=True) * float(n)


@pytest.mark.parametrize("n", SEGMENTS)
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_agrees_with_pinocchio(n: int, seed: int) -> None:
    robot, (model, data, tip, elbow) = arm(n), pinocchio_arm(n)
    rng = np.random.default_rng(seed)
    q = rng.uniform(-np.pi, np.pi, 3 + 2 * n) * np.where(passive_rates(n) > 0, 0.1, 1.0)
    dq, torque = rng.uniform(-3, 3, 3 + 2 * n), rng.uniform(-10, 10, 3)
    joint_torque = passive_rates(n) * (-12.0 - 2.0 / 3.0) * q - passive_rates(n) * 0.8511 / 15.0 * dq
    joint_torque[[0, 1, 2 + n]] += torque
    expected = pinocchio.aba(model, data, q, dq, joint_torque)
    dynamics = RobotDynamics(robot)
    actual = dynamics.forward_dynamics(q, dq, torque)
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    symbolic = np.array(symbolic_arm(n).forward_dynamics(q, dq, torque)).ravel()
    assert_allclose(symbolic, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())

    pinocchio.framesForwardKinematics(model, data, q)
    points = [data.oMf[frame].translation for frame in (tip, elbow)]
    assert_allclose(dynamics.obstacle_points(q), points, rtol=1e-9, atol=1e-12)
    assert_allclose(dynamics.end_effector(q), points[0], rtol=1e-9, atol=1e-12)


@functools.cache
def symbolic_arm(n: int) -> SymbolicDynamics:
    return SymbolicDynamics(arm(n))


def test_joints_motors_limits_and_obstacles() -> None:
    robot = arm(2)
    flexible = [f"link2_flex{k}" for k in (1, 2)], [f"link3_flex{k}" for k in (1, 2)]
    assert robot.joint_names == ("joint1", "joint2", *flexible[0], "joint3", *flexible[1])
    assert robot.actuated.tolist() == [0, 1, 4]
    assert robot.passive.tolist() == [2, 3, 5, 6]
    assert robot.torque_limits[:, 1].tolist() == [20.0, 10.0, 10.0]
    assert robot.velocity_limits[robot.actuated].tolist() == [2.5, 3.5, 3.5]
    assert np.isinf(robot.position_limits).all()
    assert robot.obstacle_points == ("end_effector", "elbow")
    wall, ground = robot.obstacles
    assert (wall.name, ground.name) == ("wall", "ground")
    assert wall.distance(np.array([3.0, -0.15, 2.0])) == 0.0
    assert ground.distance(np.array([1.0, 2.0, 0.3])) == 0.3
    assert robot.warnings == ()


def test_places_and_holding_torque_of_the_stretched_rigid_arm() -> None:
    dynamics = RobotDynamics(arm(0))
    assert_allclose(dynamics.obstacle_points(np.zeros(3)), [[1, 0, 0.15], [0.5, 0, 0.15]], atol=1e-12)
    assert_allclose(dynamics.end_effector(np.array([0, np.pi / 2, 0]))[2], 1.15, atol=1e-6)
    assert_allclose(dynamics.gravity(np.zeros(3)), [0.0, 3.860, 0.965], atol=5e-4)


@pytest.mark.parametrize(("n", "tip", "elbow"), [(10, 149.5, 53.0), (3, 147.5, None)])
def test_sag_of_the_stretched_arm(n: int, tip: float, elbow: float | None) -> None:
    dynamics = RobotDynamics(arm(n))
    heights = dynamics.obstacle_points(find_rest(dynamics, np.zeros(3)))[:, 2]
    assert 1e3 * (0.15 - heights[0]) == pytest.approx(tip, abs=0.1)
    if elbow is not None:
        assert 1e3 * (0.15 - heights[1]) == pytest.approx(elbow, abs=0.1)


@pytest.mark.parametrize(("n", "modes"), [(10, [1.59, 9.93, 27.8, 54.6]), (3, [1.60, 10.1, 28.7, 56.7])])
def test_bending_modes_with_the_motors_locked(n: int, modes: list[float]) -> None:
    """Of the springs, about the sagging horizontal arm."""
    robot, dynamics = arm(n), RobotDynamics(arm(n))
    rest = find_rest(dynamics, np.zeros(3))
    mass = dynamics.mass_matrix(rest)[np.ix_(robot.passive, robot.passive)]
    stiffness = np.diag(robot.model.jnt_stiffness[robot.passive])
    squares = np.sort(np.linalg.eigvals(np.linalg.solve(mass, stiffness)).real)[:4]
    assert_allclose(np.sqrt(squares) / (2 * np.pi), modes, rtol=4e-3)


@pytest.mark.parametrize(("n", "fastest"), [(2, -592.0), (3, -3.9e3), (5, -2.9e4), (10, -4.5e5)])
def test_the_fastest_eigenvalue(n: int, fastest: float) -> None:
    robot = arm(n)
    mass = RobotDynamics(robot).mass_matrix(np.zeros(3 + 2 * n))
    damping, stiffness = np.diag(robot.model.dof_damping), np.diag(robot.model.jnt_stiffness)
    zero = np.zeros_like(mass)
    system = np.block([[zero, np.eye(len(mass))], [-np.linalg.solve(mass, np.hstack([stiffness, damping]))]])
    assert np.linalg.eigvals(system).real.min() == pytest.approx(fastest, rel=0.03)


def test_sources_name_the_arm_they_built() -> None:
    for source, n in (("flexible-arm", 3), ("flexible-arm-0", 0), ("flexible-arm-10", 10)):
        robot = load_robot(source)
        assert robot.n_joints == 3 + 2 * n
        assert robot.fingerprint == flexible_arm(n).fingerprint == load_robot(robot.source).fingerprint
    assert len({flexible_arm(n).fingerprint for n in SEGMENTS}) == len(SEGMENTS)
    assert with_segments(load_robot("flexible-arm"), 10).fingerprint == arm(10).fingerprint
    with pytest.raises(RobotError, match="not a flexible arm"):
        with_segments(load_robot("rigid-arm"), 3)
    with pytest.raises(RobotError, match=r"did you mean flexible-arm\?"):
        load_robot("flexible-arn")
    for wrong in ("flexible-arm-x", "flexible-arm--1"):
        with pytest.raises(RobotError, match="number of passive joints per link"):
            load_robot(wrong)


def test_another_arm_from_a_file() -> None:
    robot = load_robot(EXAMPLE)
    assert robot.name == "aluminium-arm-3"
    assert [obstacle.name for obstacle in robot.obstacles] == ["wall", "table"]
    assert_allclose(RobotDynamics(robot).end_effector(np.zeros(9)), [1.0, 0.0, 0.15], atol=1e-12)
    finer = with_segments(robot, 10)
    assert finer.name == "aluminium-arm-10"
    assert load_robot(finer.source).fingerprint == finer.fingerprint
    tips = []
    for one in (robot, finer):
        dynamics = RobotDynamics(one)
        tips.append(dynamics.end_effector(find_rest(dynamics, np.array([0.3, 0.4, -0.5]))))
    assert_allclose(*tips, atol=2e-3)
    assert {finding.severity for finding in check_robot(EXAMPLE)} == {"info"}


@pytest.mark.parametrize("source", ["flexible-arm-0", "flexible-arm", "flexible-arm-10"])
def test_the_checker_has_nothing_to_complain_of(source: str) -> None:
    assert {finding.severity for finding in check_robot(source)} == {"info"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_seg": -1}, "n_seg is -1.*from 0"),
        ({"n_seg": 51}, "n_seg is 51.*to 50"),
        ({"youngs_modulus": 0.0}, "youngs_modulus is 0.0.*positive, in Pa"),
        ({"youngs_modulus": float("nan")}, "youngs_modulus is nan"),
        ({"thickness": 0.0}, "thickness is 0.0.*positive, in m"),
        ({"thickness": 0.06}, "exceeds width"),
        ({"density": -1.0}, "density"),
        ({"link_length": (0.5, 0.0)}, r"link_length is \[0.5, 0.0\]"),
        ({"normal_damping": -1.0}, "normal_damping.*not be negative"),
        ({"torque_limits": (20.0, 10.0, 0.0)}, "torque_limits"),
        ({"velocity_limits": (2.0, float("inf"), 2.0)}, "velocity_limits"),
        ({"base_inertia": (1.0, 1.0, 3.0)}, "exceeds the sum"),
        ({"roll": 0.0}, "between 0 and pi"),
        ({"home": (0.0, float("nan"), 0.0)}, "home"),
        ({"name": ""}, "name is empty"),
        ({"obstacles": (ObstacleSettings("a", (0, 0, 1), (0, 0, 0)),) * 2}, "different names"),
    ],
)
def test_bad_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        dataclasses.replace(FlexibleArmSettings(), **wrong)


def test_bad_obstacles_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="normal that is not zero"):
        ObstacleSettings("wall", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    with pytest.raises(SettingsError, match="letters"):
        ObstacleSettings("a wall", (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    path = tmp_path / "arm.toml"
    for text, message in (
        ("thicknes = 0.001", "did you mean 'thickness'"),
        ("thickness = -0.001", "thickness is -0.001"),
        ('n_seg = "many"', "whole number"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=message):
            load_robot(path)
        assert check_robot(path)[0].severity == "error"
    with pytest.raises(SettingsError, match="cannot read"):
        load_robot(tmp_path / "none.toml")


def test_obstacles_in_any_direction_are_drawn() -> None:
    obstacles = tuple(
        ObstacleSettings(f"plane{i}", normal, (0.0, 0.0, -0.5))
        for i, normal in enumerate([(0, 0, 1.0), (0, 0, -1.0), (1.0, 0, 0), (0.3, -0.2, 0.5)])
    )
    robot = flexible_arm(1, FlexibleArmSettings(name="boxed", obstacles=obstacles))
    assert [obstacle.name for obstacle in robot.obstacles] == [f"plane{i}" for i in range(4)]
    for obstacle in robot.obstacles:
        geom = robot.model.geom(obstacle.name)
        assert geom.contype == geom.conaffinity == 0
    assert_allclose(np.linalg.norm([obstacle.normal for obstacle in robot.obstacles], axis=1), 1.0)
