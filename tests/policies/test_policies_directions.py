"""Directions of obstacles as inputs: values, mirrored worlds, exports, the loop in C among other walls."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ampc.control.policy_controller import PolicyController
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.errors import PolicyError, TaskError
from ampc.export.c_code import export_c
from ampc.export.onnx import export_onnx
from ampc.export.parity import compare
from ampc.plants import PUBLISHED_NOISE
from ampc.policies import policy_loop
from ampc.policies.features import Features
from ampc.policies.law import TorchPolicy
from ampc.policies.native import NativePolicy
from ampc.policies.packing import feature_size
from ampc.policies.policy import Policy
from ampc.policies.policy_loop import CompiledPolicyController
from ampc.policies.settings import Architecture, InputSettings, NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.tasks import FlexibleTaskSampler, FlexibleTaskSettings, Task, WallSettings

ARM = RobotSettings("flexible-arm-1")
SETUP = FlexibleSetup(ARM, ARM)
MODEL = SETUP.build_model()
WALLS = FlexibleTaskSettings(walls=WallSettings((0.05, 0.3), (-np.pi, np.pi)))
DIRECTIONS = flexible_inputs(("obstacle_directions",))


def spec_of(inputs: InputSettings, architecture: Architecture = "ffn") -> PolicySpec:
    network = NetworkSettings(architecture, 16, 1)
    return PolicySpec.for_robot(MODEL, 0.004, (4.0, 3.0, 1.0), "gravity-compensation", inputs, network)


def policy_of(architecture: Architecture = "ffn", history: int = 2) -> Policy:
    """A policy that moves the arm, though not to its goal, and that reads directions."""
    torch.manual_seed(0)
    spec = spec_of(flexible_inputs(history=history, directions=True), architecture)
    policy = Policy(spec)
    states, references, goals = (torch.tensor(each, dtype=torch.float32) for each in scenes(64))
    past = torch.zeros(64, 1, spec.n_actuated)
    policy.features.fit(policy.features.raw(states, references, goals, past))
    return policy.eval()


def scenes(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (B, 1, S) among random planes, references (B, n) and goals (B, 3)."""
    rng, n = np.random.default_rng(1), MODEL.n_joints
    normals = rng.normal(size=(count, 2, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    planes = np.concatenate([normals, rng.uniform(-0.5, 0.0, (count, 2, 1))], axis=-1).reshape(count, -1)
    states = np.hstack([rng.uniform(-2.0, 2.0, (count, 2 * n)), rng.uniform(-0.1, 0.1, (count, 1)), planes])
    return states[:, None], rng.uniform(-2.0, 2.0, (count, n)), rng.uniform(-1.0, 1.0, (count, 3))


def raw(spec: PolicySpec, scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    states, references, goals = (torch.tensor(each, dtype=torch.float64) for each in scene)
    past = torch.zeros(len(states), 1, spec.n_actuated, dtype=torch.float64)
    found: np.ndarray = Features(spec).double().raw(states, references, goals, past).numpy()
    return found[:, 0]


def test_directions_are_normals_seen_from_the_arm() -> None:
    spec, scene = spec_of(DIRECTIONS), scenes(20)
    assert feature_size(spec) == 6
    assert spec.planar_chain is not None
    found = raw(spec, scene)
    for state, row in zip(scene[0][:, 0], found, strict=True):
        angle = state[0] + spec.planar_chain.heading
        ahead = np.array([np.cos(angle), np.sin(angle), 0.0])  # where the arm points, and what is left of it
        left = np.array([-np.sin(angle), np.cos(angle), 0.0])
        for place in range(2):
            normal = state[2 * MODEL.n_joints + 1 + 4 * place :][:3]
            expected = [ahead @ normal, left @ normal, normal[2]]
            np.testing.assert_allclose(row[3 * place : 3 * place + 3], expected, atol=1e-6)


def test_a_wall_beside_the_arm_is_on_one_side() -> None:
    """Distances of a resting arm are the same for a wall on its left as on its right; directions are not."""
    n, heading = MODEL.n_joints, spec_of(DIRECTIONS).planar_chain.heading  # type: ignore[union-attr]
    state = np.zeros((2, 1, 2 * n + 9))
    state[:, 0, 2 * n + 1 : 2 * n + 5] = [[0.0, 1.0, 0.0, -0.2], [0.0, -1.0, 0.0, -0.2]]
    state[:, 0, 2 * n + 7] = 1.0
    state[:, 0, 0] = -heading
    scene = state, np.zeros((2, n)), np.array([[0.5, 0.0, 0.3]] * 2)
    left, right = raw(spec_of(flexible_inputs(("obstacles",))), scene)
    np.testing.assert_allclose(left, right, atol=1e-3)
    left, right = raw(spec_of(DIRECTIONS), scene)
    np.testing.assert_allclose(left[:3], [0.0, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(right[:3], [0.0, -1.0, 0.0], atol=1e-6)


def test_a_mirrored_scene_mirrors_the_features() -> None:
    """The plane through the yaw axis and world x; the plane of the links leans by 0.8 mrad."""
    spec, n = spec_of(flexible_inputs(directions=True)), MODEL.n_joints
    features = Features(spec)
    symmetry = features.symmetry
    assert symmetry is not None
    states, references, goals = scenes(50)
    seen = raw(spec, (states, references, goals))
    mirrored = states.copy()
    mirrored[..., [0, n, 2 * n + 2, 2 * n + 6]] *= -1.0
    turned = references * np.where(np.arange(n) == 0, -1.0, 1.0), goals * np.array([1.0, -1.0, 1.0])
    found = raw(spec, (mirrored, *turned))
    visible = [each for each in range(symmetry.size) if each not in symmetry.bearing]
    np.testing.assert_allclose(found[:, visible], (seen * features.mirror.numpy())[:, visible], atol=0.02)
    assert symmetry.sideways[-2:] == [features.size - 5, features.size - 2]
    # It is a mirror: nothing is as it was that points sideways.
    assert np.abs(found[:, symmetry.sideways] - seen[:, symmetry.sideways]).max(axis=0).min() > 0.5


def test_inputs_are_as_they_were_unless_directions_are_asked_for() -> None:
    assert "obstacle_directions" not in flexible_inputs().components
    usual, more = flexible_inputs(), flexible_inputs(directions=True)
    assert more.components == (*usual.components, "obstacle_directions")
    with pytest.raises(PolicyError, match=r"'obstacle_directions' needs inputs\.estimated"):
        InputSettings(("state", "obstacle_directions"))


@pytest.mark.parametrize("architecture", ["ffn", "gru", "transformer"])
def test_exports_compute_what_the_policy_does(architecture: Architecture, tmp_path: Path) -> None:
    policy = policy_of(architecture)
    if architecture == "ffn":  # what the others do with features is not at stake, and takes 10 s each
        parity = export_onnx(policy, tmp_path / "policy.onnx")
        assert max(parity.command, parity.raw_command) <= 1e-5
    policy.save(tmp_path / "policy")
    native = compare(TorchPolicy(policy), in_c(tmp_path / "policy"), sequences=4, length=20)
    assert max(native.command, native.raw_command) <= 1e-5
    # And the directions make a difference to it.
    states, references, goals = (torch.tensor(each, dtype=torch.float32) for each in scenes(8))
    past, states = torch.zeros(8, 2, 3), states.repeat(1, 2, 1)
    turned = states.clone()
    turned[..., 2 * MODEL.n_joints + 1 : 2 * MODEL.n_joints + 4] *= -1.0
    with torch.no_grad():
        change = policy(states, references, goals, past) - policy(turned, references, goals, past)
    assert change.abs().max() > 1e-2


def test_exported_c_code_passes_its_own_check(tmp_path: Path) -> None:
    in_c_or_skip()
    parity = export_c(policy_of(), tmp_path)
    assert max(parity.command, parity.raw_command) <= 1e-5


def in_c_or_skip() -> None:
    try:
        policy_loop._library()
    except PolicyError as error:
        pytest.skip(str(error))


def in_c(folder: Path) -> NativePolicy:
    in_c_or_skip()
    return NativePolicy(folder)


def sampled(walls: bool, first: int = 0) -> Task:
    settings = WALLS if walls else FlexibleTaskSettings()
    task = FlexibleTaskSampler(MODEL, settings).sample(1, "random", 1003, first)[0]
    return replace(task, variation=PUBLISHED_NOISE)


def test_the_loop_in_c_goes_by_the_walls_of_each_task(tmp_path: Path) -> None:
    policy_of().save(tmp_path)
    guidance = SETUP.nmpc.guidance
    compiled = CompiledPolicyController(MODEL, in_c(tmp_path), guidance, 0.004)
    plain = PolicyController(MODEL, NativePolicy(tmp_path), guidance, 0.004)
    plant = SETUP.build()[0]
    for task in (sampled(True), sampled(True, 1), sampled(False, 2)):
        measurement = plant.reset(task)
        compiled.reset(task)
        plain.reset(task)
        in_c_steps = 0
        for _ in range(30):
            in_c_steps += compiled._in_c
            torque, expected = compiled.act(measurement), plain.act(measurement)
            np.testing.assert_allclose(torque, expected, atol=1e-4)
            measurement = plant.step(expected)
        assert in_c_steps >= 25
        found, record = compiled.last_step.situation, plain.last_step.situation
        assert found is not None
        assert record is not None
        seen = found.state[2 * MODEL.n_joints + 1 :]
        np.testing.assert_array_equal(seen, record.state[2 * MODEL.n_joints + 1 :])
        wall = (task.obstacles or MODEL.obstacles)[0]
        np.testing.assert_array_equal(seen[:3], wall.normal)


def test_another_number_of_obstacles_is_refused(tmp_path: Path) -> None:
    policy_of().save(tmp_path)
    controller = CompiledPolicyController(MODEL, in_c(tmp_path), SETUP.nmpc.guidance, 0.004)
    task = sampled(True)
    assert task.obstacles is not None
    with pytest.raises(TaskError, match=r"has 3 obstacles .* has 2"):
        controller.reset(replace(task, obstacles=(*task.obstacles, task.obstacles[0])))
