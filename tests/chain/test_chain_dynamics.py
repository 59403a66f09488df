"""Equations of motion and points of a yaw-carried chain against MuJoCo, Pinocchio and finite differences."""

from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.backend import BACKEND_VARIABLE
from ampc.errors import RobotError, SettingsError, SolverError
from ampc.robots import Robot, RobotDynamics, load_robot

EXAMPLES = Path(__file__).parents[2] / "examples" / "arms"

# Whatever a planar chain on a yaw joint may have beyond the arms that are built in: a base turned about z,
# tilted joints, bent rest shape, springs with a reference and armature on every joint, merged bodies, masses
# of the yaw off its axis, five joints, two motors, reference angles, a point beside its link's line.
ODD_CHAIN = """
<mujoco model="odd-chain">
  <compiler angle="radian"/>
  <option gravity="0 0 -7"><flag contact="disable"/></option>
  <worldbody><body name="foot" pos="0.2 -0.1 0.3" euler="0 0 0.7">
    <body name="mast" pos="0.1 0 0">
      <joint name="yaw" axis="0 0 1" ref="0.2" armature="0.02" damping="0.1" stiffness="2" springref="0.3"/>
      <geom type="box" size="0.1 0.05 0.02" pos="0.07 0.02 0" mass="1.5"/>
      <body name="a" pos="0 0 0.25" euler="1.2 0 0">
        <joint name="a" axis="0 0 1" armature="0.01" damping="0.2" stiffness="3" springref="0.1"/>
        <geom type="box" size="0.15 0.02 0.01" pos="0.15 0 0" mass="0.8"/>
        <body name="ballast" pos="0.1 0 0"><geom type="sphere" size="0.03" mass="0.2"/></body>
        <body name="b" pos="0.3 0 0" euler="0 0 0.4">
          <joint name="b" axis="0 0 2" ref="-0.1" armature="0.005" damping="0.05" stiffness="8"
                 springref="-0.2"/>
          <geom type="box" size="0.1 0.02 0.01" pos="-0.03 0 0" mass="0.5"/>
          <body name="c" pos="0.25 0 0" euler="0 0 -0.3">
            <joint name="c" axis="0 0 1" armature="0.003" damping="0.02" stiffness="5"/>
            <geom type="capsule" fromto="0 0 0 0 0.2 0" size="0.01" mass="0.3"/>
            <body name="d" pos="0 0.2 0"><joint name="d" axis="0 0 1" damping="0.01" stiffness="1"/>
              <geom type="box" size="0.06 0.01 0.03" pos="0.06 0 0" mass="0.1"/>
              <site name="tip" pos="0.12 0.03 0"/>
            </body>
          </body>
        </body>
      </body>
    </body>
  </body></worldbody>
  <actuator>
    <motor joint="yaw" ctrlrange="-5 5"/><motor joint="b" ctrlrange="-5 5"/>
  </actuator>
  <custom><text name="ampc_end_effector" data="tip"/></custom>
</mujoco>
"""
PLAIN = """
<mujoco model="plain"><option gravity="{gravity}"><flag contact="disable"/></option>
  <worldbody><body name="yaw" {base}><joint name="yaw" axis="{yaw}"/><geom type="sphere" size="0.1" mass="1"/>
    <body name="arm" pos="{shoulder}"><joint name="lift" axis="{lift}"/>
      <geom type="box" size="0.2 0.03 0.02" pos="{centre}" mass="1"/>
      <body name="fore" pos="0.4 0 0"><joint name="bend" axis="{bend}"/>
        <geom type="box" size="0.2 0.03 0.02" pos="0.2 0 0" euler="{turned}" mass="1"/>
        <site name="tip" pos="{tip}"/>
  </body></body></body></worldbody>
  <actuator><motor joint="yaw" ctrlrange="-5 5"/><motor joint="lift" ctrlrange="-5 5"/>
    <motor joint="bend" ctrlrange="-5 5"/></actuator>
  <custom><text name="ampc_end_effector" data="tip"/></custom>
</mujoco>
"""
FITTING = {
    "gravity": "0 0 -9.81", "base": "", "yaw": "0 0 1", "shoulder": "0 0 0.2", "lift": "0 1 0",
    "bend": "0 1 0", "centre": "0.2 0 0", "turned": "0 0 0", "tip": "0.4 0 0",
}  # fmt: skip


@pytest.fixture(scope="module")
def load_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Robot]:
    def load(text: str) -> Robot:
        path = tmp_path_factory.mktemp("chain") / "arm.xml"
        path.write_text(text)
        return load_robot(path)

    return load


@pytest.fixture(
    scope="module", params=["rigid-arm", *(f"flexible-arm-{n}" for n in (0, 1, 2, 3, 4, 5, 10)), "odd-chain"]
)
def robot(request: pytest.FixtureRequest, load_text: Callable[[str], Robot]) -> Robot:
    return load_text(ODD_CHAIN) if request.param == "odd-chain" else load_robot(request.param)


@pytest.fixture(params=["c", "numpy"])
def chain(request: pytest.FixtureRequest, robot: Robot, monkeypatch: pytest.MonkeyPatch) -> YawChain:
    monkeypatch.setenv(BACKEND_VARIABLE, request.param)
    try:
        return YawChain.from_robot(robot)
    except OSError as error:
        pytest.skip(str(error))


def states(robot: Robot, count: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Random states (count, 2n) and torques (count, m) far from rest in every joint."""
    rng = np.random.default_rng(seed)
    n = robot.n_joints
    spread = np.where(np.isin(np.arange(n), robot.actuated), 3.0, 0.3)
    return rng.uniform(-1, 1, (count, 2 * n)) * np.tile(spread, 2), rng.uniform(
        -5, 5, (count, robot.n_actuated)
    )


def assert_close(value: FloatArray, expected: FloatArray, relative: float) -> None:
    assert np.abs(value - expected).max() <= relative * max(1e-3, float(np.abs(expected).max()))


def differences(function: Callable[[FloatArray], FloatArray], at: FloatArray, h: float = 1e-6) -> FloatArray:
    """Central differences, the argument's index last."""
    columns = [(function(at + h * e) - function(at - h * e)) / (2 * h) for e in np.eye(len(at))]
    return np.stack(columns, axis=-1)


def test_acceleration_is_mujocos(robot: Robot, chain: YawChain) -> None:
    dynamics, n = RobotDynamics(robot), robot.n_joints
    for x, u in zip(*states(robot, 20), strict=True):
        assert_close(chain.acceleration(x, u), dynamics.forward_dynamics(x[:n], x[n:], u), 1e-9)


def test_points_are_mujocos(robot: Robot, chain: YawChain) -> None:
    model, data, n = robot.model, mujoco.MjData(robot.model), robot.n_joints
    for x, _ in zip(*states(robot, 10), strict=True):
        data.qpos[:], data.qvel[:] = x[:n], x[n:]
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_fwdVelocity(model, data)
        positions, velocities, d_position, _ = chain.point_jacobians(x)
        for k, name in enumerate(chain.point_names):
            jacobian = np.zeros((3, n))
            mujoco.mj_jacSite(model, data, jacobian, None, model.site(name).id)
            np.testing.assert_allclose(positions[k], data.site(name).xpos, atol=1e-12)
            np.testing.assert_allclose(d_position[k], jacobian, atol=1e-12)
            np.testing.assert_allclose(velocities[k], jacobian @ x[n:], atol=1e-11)
        np.testing.assert_array_equal(chain.points(x), (positions, velocities))


def test_the_end_effector_is_the_first_point(robot: Robot, chain: YawChain) -> None:
    assert chain.point_names[0] == robot.end_effector


def test_derivatives_are_those_of_the_acceleration(robot: Robot, chain: YawChain) -> None:
    for x, u in zip(*states(robot, 3, seed=1), strict=True):
        d_dx, d_du = chain.derivatives(x, u)
        assert_close(d_dx, differences(lambda x, u=u: chain.acceleration(x, u), x), 1e-7)
        assert_close(d_du, differences(lambda u, x=x: chain.acceleration(x, u), u), 1e-7)


def test_point_derivatives_are_those_of_the_points(robot: Robot, chain: YawChain) -> None:
    x = states(robot, 1, seed=2)[0][0]
    _, _, d_position, d_velocity = chain.point_jacobians(x)
    n = robot.n_joints
    np.testing.assert_allclose(
        d_position,
        differences(lambda x: chain.points(x)[0], x)[..., :n],
        atol=1e-7 * max(1.0, np.abs(x).max()),
    )
    np.testing.assert_allclose(d_velocity, differences(lambda x: chain.points(x)[1], x), atol=1e-7)


@pytest.mark.parametrize("n_seg", [0, 3, 10])
def test_acceleration_is_pinocchios(n_seg: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third opinion, from the fact sheet's numbers instead of the model's fields."""
    pin = pytest.importorskip("pinocchio")
    robot = load_robot(f"flexible-arm-{n_seg}")
    chain, n = YawChain.from_robot(robot), robot.n_joints
    length, width, thickness, density = 0.5, 0.05, 0.002, 7870.0
    model = pin.Model()
    joint = model.addJoint(0, pin.JointModelRZ(), pin.SE3.Identity(), "yaw")
    base = pin.Inertia(2.0, np.array([0.0, 0.0, 0.12]), np.diag([0.0061, 0.0061, 0.01125]))
    model.appendBodyToJoint(joint, base, pin.SE3.Identity())
    pieces = np.full(n_seg + 1, length / max(n_seg, 1))
    if n_seg:
        pieces[[0, -1]] /= 2.0
    place = pin.SE3(pin.utils.rotate("x", 1.57), np.array([0.0, 0.0, 0.15]))
    for _ in range(2):
        for k, piece in enumerate(pieces):
            joint = model.addJoint(joint, pin.JointModelRZ(), place, f"{model.njoints}-{k}")
            mass = density * width * thickness * piece
            moments = (
                mass / 12 * np.array([width**2 + thickness**2, width**2 + piece**2, piece**2 + thickness**2])
            )
            body = pin.Inertia(mass, np.array([piece / 2, 0.0, 0.0]), np.diag(moments))
            model.appendBodyToJoint(joint, body, pin.SE3.Identity())
            place = pin.SE3(np.eye(3), np.array([piece, 0.0, 0.0]))
    second = width * thickness**3 / 12
    flexible = ~np.isin(np.arange(n), robot.actuated)
    stiffness = np.where(flexible, 190e9 * second * n_seg / length, 0.0)
    damping = np.where(flexible, 0.8511e9 * second * n_seg / length, 0.0)
    data = model.createData()
    for x, u in zip(*states(robot, 10, seed=3), strict=True):
        q, dq = x[:n], x[n:]
        torque = -stiffness * q - damping * dq
        torque[robot.actuated] += u
        assert_close(chain.acceleration(x, u), pin.aba(model, data, q, dq, torque), 1e-9)


def test_stiffness_scale_acts_on_passive_joints_only(load_text: Callable[[str], Robot]) -> None:
    robot = load_text(ODD_CHAIN)
    model = robot.model.__copy__()
    passive = np.setdiff1d(np.arange(robot.n_joints), [0, *robot.actuated])
    model.jnt_stiffness[passive] *= 0.8
    dynamics, n = RobotDynamics(robot, model), robot.n_joints
    for chain in (YawChain.from_robot(robot, 0.8), YawChain.from_robot(robot).with_stiffness_scale(0.8)):
        for x, u in zip(*states(robot, 5), strict=True):
            assert_close(chain.acceleration(x, u), dynamics.forward_dynamics(x[:n], x[n:], u), 1e-9)
    with pytest.raises(RobotError, match="stiffness_scale"):
        YawChain.from_robot(robot, float("nan"))


def test_energy_of_the_free_arm_changes_by_the_power_of_its_motors() -> None:
    """d/dt of kinetic + potential energy, which MuJoCo computes, equals power of motors and dampers."""
    robot = load_robot("flexible-arm-2")
    chain, n, h = YawChain.from_robot(robot), robot.n_joints, 1e-6
    model = robot.model.__copy__()
    model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_ENERGY)
    data = mujoco.MjData(model)

    def energy(x: FloatArray) -> float:
        data.qpos[:], data.qvel[:] = x[:n], x[n:]
        mujoco.mj_forward(model, data)
        return float(np.sum(data.energy))

    for x, u in zip(*states(robot, 5), strict=True):
        rate = np.concatenate([x[n:], chain.acceleration(x, u)])
        # Along the field, scaled to a unit so that the step is small in every component.
        scale = np.abs(rate).max()
        change = (energy(x + h * rate / scale) - energy(x - h * rate / scale)) / (2 * h) * scale
        power = u @ x[n + robot.actuated] - model.dof_damping @ x[n:] ** 2
        assert change == pytest.approx(power, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gravity": "0 1 -9.81"}, "gravity"),
        ({"base": 'euler="20 0 0"'}, "joint 'yaw' turns about"),
        ({"yaw": "0 0 -1"}, "has to be \\(0, 0, 1\\)"),
        ({"shoulder": "0.1 0 0.2"}, "0.1 m beside the yaw axis"),
        ({"bend": "1 1 0"}, "they have to be the same"),
        ({"lift": "0 0 1", "bend": "0 0 1"}, "about the vertical"),
        ({"centre": "0.2 0 0.05"}, "0.05 m beside the line"),
        ({"centre": "0.2 0.05 0"}, "0.05 m beside the vertical plane"),
        ({"turned": "0 10 0"}, "principal axes"),
        ({"turned": "10 0 0"}, "principal axes"),
        ({"tip": "0.4 0.02 0"}, "site 'tip' lies 0.02 m"),
    ],
)
def test_what_is_not_a_planar_chain_is_refused_by_name(
    load_text: Callable[[str], Robot], change: dict[str, str], words: str
) -> None:
    YawChain.from_robot(load_text(PLAIN.format(**FITTING)))
    with pytest.raises(RobotError, match=words):
        YawChain.from_robot(load_text(PLAIN.format(**FITTING | change)))


def test_other_arms_are_refused() -> None:
    with pytest.raises(RobotError, match="ceiling-arm"):
        YawChain.from_robot(load_robot(EXAMPLES / "ceiling_arm.xml"))


def test_wrong_shapes_are_named(chain: YawChain) -> None:
    n, m = chain.n_joints, chain.n_actuated
    with pytest.raises(SettingsError, match=rf"state .*\({n},\).*\({2 * n},\)"):
        chain.acceleration(np.zeros(n), np.zeros(m))
    with pytest.raises(SettingsError, match="torque u"):
        chain.acceleration(np.zeros(2 * n), np.zeros(m + 1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(width=64), min_size=21, max_size=21))
def test_no_input_crashes(values: list[float]) -> None:
    chain = YawChain.from_robot(load_robot("flexible-arm-3"))
    x, u = np.array(values[:18]), np.array(values[18:])
    for call in (chain.acceleration, chain.derivatives, lambda x, u: chain.point_jacobians(x)):
        try:
            results = call(x, u)
        except SolverError:
            continue
        assert all(np.isfinite(result).all() for result in results)
