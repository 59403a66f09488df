"""Varied models equal models that were written with those values."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampc.errors import TaskError
from ampc.plants import vary
from ampc.robots import load_robot
from ampc.tasks.task import PlantVariation

# Frames, welded bodies, off-axis inertia and shifted joint anchors: everything `vary` has to get right.
ARM = """
<mujoco model="bent"><compiler angle="radian" autolimits="true"/>
<default><joint armature="0.05"/></default>
<worldbody><body name="base" pos="0.1 0 0.2" quat="0.9 0.1 0.3 0.2">
 <inertial pos="0 0 0" mass="5" diaginertia="1 1 1"/>
 <body name="a" pos="0 0 {base}">
  <joint name="j1" axis="0 0 1" range="-3 3" damping="{damping}"/>
  <inertial pos="0 0.02 {com1}" mass="{mass1}" fullinertia="{in1}"/>
  <body name="b" pos="0 0 {length1}" quat="0.7 0.7 0 0">
   <joint name="j2" axis="0 1 0" range="-2 2" damping="0.3"/>
   <inertial pos="0 0 0" mass="2" diaginertia="0.02 0.02 0.03"/>
   {payload}
   <site name="end_effector" pos="{tip}"/>
  </body></body></body></worldbody>
<actuator><motor joint="j1" gear="5" ctrlrange="-4 4"/><motor joint="j2" ctrlrange="-10 10"/></actuator>
</mujoco>
"""
NOMINAL = {
    "base": 0.1,
    "damping": 0.4,
    "com1": 0.1,
    "mass1": 3.0,
    "in1": "0.03 0.02 0.025 0.001 0 0.002",
    "length1": 0.3,
    "tip": "0.3 0 0.05",
    "payload": "",
}


@pytest.fixture
def bent(tmp_path):
    path = tmp_path / "bent.xml"
    path.write_text(ARM.format(**NOMINAL))
    return load_robot(path, end_effector="end_effector")


def written(**changes) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(ARM.format(**(NOMINAL | changes)))


def assert_same_physics(one: mujoco.MjModel, other: mujoco.MjModel, atol: float = 1e-11) -> None:
    rng = np.random.default_rng(0)
    datas = [mujoco.MjData(one), mujoco.MjData(other)]
    for _ in range(10):
        q, dq, ctrl = rng.uniform(-1.5, 1.5, (3, one.nv))
        results = []
        for model, data in zip((one, other), datas, strict=True):
            data.qpos[:], data.qvel[:], data.ctrl[:] = q, dq, ctrl
            mujoco.mj_forward(model, data)
            full = np.zeros((model.nv, model.nv))
            mujoco.mj_fullM(model, data, full)
            results.append(np.concatenate([data.qacc, data.qfrc_bias, full.ravel(), data.site_xpos.ravel()]))
        np.testing.assert_allclose(*results, rtol=1e-9, atol=atol)


def test_no_variation_is_the_nominal_model(bent):
    assert_same_physics(vary(bent, PlantVariation()), bent.model, atol=0.0)


def test_payload_equals_a_body_welded_to_the_end_effector(bent):
    body = '<body pos="0.3 0 0.05"><inertial pos="0 0 0" mass="1.5" diaginertia="1e-12 1e-12 1e-12"/></body>'
    assert_same_physics(vary(bent, PlantVariation(payload=1.5)), written(payload=body), atol=1e-9)


def test_mass_scale_scales_inertia_along(bent):
    scaled = written(mass1=6.0, in1="0.06 0.04 0.05 0.002 0 0.004")
    assert_same_physics(vary(bent, PlantVariation(mass_scale=(2.0, 1.0))), scaled)


def test_inertia_scale_leaves_the_mass(bent):
    scaled = written(in1="0.06 0.04 0.05 0.002 0 0.004")
    assert_same_physics(vary(bent, PlantVariation(inertia_scale=(2.0, 1.0))), scaled)


def test_length_scale_moves_the_next_joint_and_the_end_effector(bent):
    varied = vary(bent, PlantVariation(length_scale=(1.1, 0.5)))
    assert_same_physics(varied, written(length1=0.33, tip="0.15 0 0.025"))


def test_com_scale_moves_the_centre_of_mass(bent):
    model = vary(bent, PlantVariation(com_scale=(1.2, 1.0)))
    np.testing.assert_allclose(model.body_ipos[2], [0.0, 0.024, 0.12], atol=1e-15)


def test_damping_scale(bent):
    assert_same_physics(vary(bent, PlantVariation(damping_scale=(3.0, 1.0))), written(damping=1.2))


def test_payload_sits_where_the_varied_length_puts_the_end_effector(bent):
    body = '<body pos="0.6 0 0.1"><inertial pos="0 0 0" mass="0.7" diaginertia="1e-12 1e-12 1e-12"/></body>'
    varied = vary(bent, PlantVariation(payload=0.7, length_scale=(1.0, 2.0)))
    assert_same_physics(varied, written(payload=body, tip="0.6 0 0.1"), atol=1e-9)


def test_the_nominal_model_is_untouched(rigid_arm):
    before = [
        rigid_arm.model.body_mass.copy(),
        rigid_arm.model.body_ipos.copy(),
        rigid_arm.model.site_pos.copy(),
    ]
    n = rigid_arm.n_joints
    vary(
        rigid_arm,
        PlantVariation(payload=1.0, mass_scale=(2.0,) * n, com_scale=(1.1,) * n, length_scale=(2.0,) * n),
    )
    after = [rigid_arm.model.body_mass, rigid_arm.model.body_ipos, rigid_arm.model.site_pos]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


factors = st.floats(0.5, 2.0)


@settings(max_examples=30, deadline=None)
@given(payload=st.floats(0.0, 3.0), mass=factors, inertia=factors, com=factors, length=factors)
def test_every_variation_is_a_physical_arm(payload, mass, inertia, com, length):
    """Inertias stay positive definite and obey the triangle inequality, so MuJoCo can simulate them."""
    robot = load_robot("rigid-arm")
    n = robot.n_joints
    model = vary(
        robot,
        PlantVariation(payload, (mass,) * n, (inertia,) * n, (com,) * n, (length,) * n),
    )
    moments = np.sort(model.body_inertia[1:], axis=1)
    assert np.all(model.body_mass[1:] >= 0)
    assert np.all(moments[:, 2] <= moments[:, 0] + moments[:, 1] + 1e-12)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    assert np.all(np.linalg.eigvalsh(full) > 0)


@pytest.mark.parametrize(
    ("variation", "message"),
    [
        (PlantVariation(mass_scale=(1.0,)), "mass_scale has 1 factors"),
        (PlantVariation(length_scale=(1.0, 0.0, 1.0)), "positive"),
        (PlantVariation(damping_scale=(1.0, float("nan"), 1.0)), "positive"),
        (PlantVariation(payload=-1.0), "payload"),
        (PlantVariation(stiffness_scale=0.0), "stiffness_scale"),
        (PlantVariation(end_effector_noise=float("nan")), "end_effector_noise"),
        (PlantVariation(input_delay=-0.1), "input_delay"),
    ],
)
def test_variations_that_do_not_fit_are_refused(rigid_arm, variation, message):
    with pytest.raises(TaskError, match=message):
        vary(rigid_arm, variation)
