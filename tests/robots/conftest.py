from collections.abc import Callable
from pathlib import Path

import pytest

from ampc.robots import Robot, load_robot

EXAMPLES = Path(__file__).parents[2] / "examples" / "arms"

# What a serial arm may have and the other models have not: two joints on one body, anchors off the body's
# origin, axes that are not units, degrees, reference angles, springs, a static base chain, a static leaf, a
# passive joint, tilted gravity, a full inertia matrix, a negative gear.
ODD_ARM = """
<mujoco model="odd-arm">
  <option gravity="1 -2 -9"><flag contact="disable"/></option>
  <worldbody>
    <body name="table" pos="0.3 -0.2 0.4" euler="10 20 30">
    <body name="flange" pos="0 0 0.1" quat="0.7 0.1 0 0.7">
      <body name="shoulder" pos="0.1 0 0.1" euler="0 30 0">
        <inertial pos="0.02 0.01 0.1" mass="2"
                  fullinertia="0.03 0.02 0.025 0.001 -0.002 0.003"/>
        <joint name="pan" axis="0 0 2" pos="0.05 0.02 0" ref="20" range="-150 150"
               armature="0.1" damping="0.3"/>
        <joint name="tilt" axis="1 1 0" pos="0 0.03 0.04" range="-80 100" armature="0.05" damping="0.2"/>
        <body name="arm" pos="0.02 0.3 0.1" quat="0.9 0.1 -0.3 0.2">
          <joint name="bend" axis="0 1 -0.5" pos="0 0 -0.1" ref="-10" range="-120 120"
                 stiffness="4" springref="15"/>
          <geom type="box" size="0.05 0.04 0.15" mass="1.3"/>
          <body name="counterweight" pos="-0.1 0 0"><geom type="sphere" size="0.05" mass="0.6"/></body>
          <body name="rod" pos="0 0 0.25" euler="5 0 0">
            <joint name="swing" axis="1 0 0" range="-90 90" stiffness="20" damping="0.5"/>
            <geom type="capsule" fromto="0 0 0 0 0.2 0.05" size="0.02" mass="0.4"/>
            <body name="cup" pos="0 0.2 0.1" euler="0 0 45"><site name="tip" pos="0.01 0.02 0.03"/></body>
          </body>
        </body>
      </body>
    </body></body>
  </worldbody>
  <actuator>
    <motor name="c" joint="bend" gear="-3" ctrlrange="-10 12" forcerange="-9 20"/>
    <motor name="a" joint="pan" gear="50" ctrlrange="-1 1"/>
    <motor name="b" joint="tilt" ctrlrange="-80 80"/>
  </actuator>
  <custom><text name="ampc_end_effector" data="tip"/></custom>
</mujoco>
"""


@pytest.fixture(scope="session")
def load_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Robot]:
    """Load a robot from the text of a model file."""

    def load(text: str, suffix: str = ".xml", end_effector: str | None = None) -> Robot:
        path = tmp_path_factory.mktemp("model") / f"arm{suffix}"
        path.write_text(text)
        return load_robot(path, end_effector)

    return load


@pytest.fixture(scope="session")
def arms(rigid_arm: Robot, load_text: Callable[..., Robot]) -> dict[str, Robot]:
    """All arms at hand, by name."""
    robots = [
        rigid_arm,
        load_robot(EXAMPLES / "ceiling_arm.xml"),
        load_robot(EXAMPLES / "bench_arm.urdf"),
        load_text(ODD_ARM),
    ]
    return {robot.name: robot for robot in robots}


@pytest.fixture(scope="session", params=["rigid-arm", "ceiling-arm", "bench-arm", "odd-arm"])
def arm(request: pytest.FixtureRequest, arms: dict[str, Robot]) -> Robot:
    """Each arm in turn."""
    return arms[request.param]
