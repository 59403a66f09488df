"""The control loop in C does what `PolicyController` does, and hands over where something is not as usual."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ampc.control.guidance import GuidanceSettings
from ampc.control.policy_controller import PolicyController
from ampc.control.stuck import StuckSettings
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.setup import RobotSettings
from ampc.errors import PolicyError
from ampc.plants import PUBLISHED_NOISE
from ampc.plants.measurement import Measurement
from ampc.policies import policy_loop
from ampc.policies.native import NativePolicy
from ampc.policies.policy import Policy
from ampc.policies.policy_loop import CompiledPolicyController
from ampc.policies.settings import Architecture, NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.tasks import Task
from ampc.tasks.flexible import FlexibleTaskSampler

ARM = RobotSettings("flexible-arm-1")
SETUP = FlexibleSetup(ARM, ARM)
MODEL = SETUP.build_model()
Disturb = Callable[[int, Measurement], Measurement]


@pytest.fixture(autouse=True)
def library() -> None:
    try:
        policy_loop._library()
    except PolicyError as error:
        pytest.skip(str(error))


def saved_policy(
    folder: Path, architecture: Architecture = "ffn", past_commands: bool = False, history: int = 3
) -> Path:
    """A policy that moves the arm, though not to its goal."""
    torch.manual_seed(0)
    inputs = replace(flexible_inputs(history=history), past_commands=past_commands)
    spec = PolicySpec.for_robot(
        MODEL, 0.004, (4.0, 3.0, 1.0), "gravity-compensation", inputs, NetworkSettings(architecture, 16, 1)
    )
    policy = Policy(spec).eval()
    policy.save(folder)
    return folder


def sampled_task(stiffness_scale: float = 0.9) -> Task:
    task = FlexibleTaskSampler(MODEL).sample(1, "random", 1003)[0]
    return replace(task, variation=replace(PUBLISHED_NOISE, stiffness_scale=stiffness_scale))


def unchanged(k: int, measurement: Measurement) -> Measurement:
    return measurement


def missing(k: int, measurement: Measurement) -> Measurement:
    """Blind for longer than is bridged, and single sensors that fail."""
    nothing = np.full(3, np.nan)
    if 20 <= k < 100:
        return replace(measurement, q=nothing, dq=nothing, end_effector=None)
    if k % 7 == 0:
        return replace(measurement, dq=nothing, end_effector=None)
    return measurement


def wrong(k: int, measurement: Measurement) -> Measurement:
    """Outliers, and a sensor that jumps for good."""
    if k % 11 == 5:
        return replace(measurement, end_effector=measurement.end_effector + 5.0)
    if k > 60:
        return replace(measurement, q=measurement.q + np.array([0.0, 0.7, 0.0]))
    return measurement


def nonsense(k: int, measurement: Measurement) -> Measurement:
    return replace(measurement, q=np.zeros(5)) if k in (10, 30) else measurement


def both(folder: Path, guidance: GuidanceSettings | None = None) -> list[PolicyController]:
    guidance = guidance or SETUP.nmpc.guidance
    return [
        CompiledPolicyController(MODEL, NativePolicy(folder), guidance, 0.004),
        PolicyController(MODEL, NativePolicy(folder), guidance, 0.004),
    ]


def compare(controllers: list[PolicyController], steps: int, disturb: Disturb = unchanged) -> list[bool]:
    """Both decide on the same measurements; whether each step of the first was made in C."""
    plant = SETUP.build()[0]
    in_c, measurement = [], plant.reset(sampled_task())
    for controller in controllers:
        controller.reset(sampled_task())
    compiled, plain = controllers
    assert isinstance(compiled, CompiledPolicyController)
    for k in range(steps):
        seen = disturb(k, measurement)
        was_in_c = compiled._in_c
        torque, expected = compiled.act(seen), plain.act(seen)
        in_c.append(was_in_c and compiled._in_c and compiled.last_step.status == "ok")
        np.testing.assert_allclose(torque, expected, atol=1e-4)
        found, record = compiled.last_step, plain.last_step
        assert (found.status, found.reason) == (record.status, record.reason)
        assert found.command_saturated == record.command_saturated
        for name in ("command", "corrective_torque", "compensation_torque"):
            np.testing.assert_allclose(getattr(found, name), getattr(record, name), atol=1e-4)
        if record.situation is None:
            assert found.situation is None
        else:
            assert found.situation is not None
            np.testing.assert_allclose(found.situation.state, record.situation.state, atol=1e-8)
            np.testing.assert_allclose(found.situation.reference, record.situation.reference, atol=1e-8)
            np.testing.assert_array_equal(found.situation.goal, record.situation.goal)
        assert compiled.estimate is not None
        assert plain.estimate is not None
        np.testing.assert_allclose(compiled.estimate.x, plain.estimate.x, atol=1e-8)
        np.testing.assert_allclose(compiled.estimate.factors, plain.estimate.factors, rtol=1e-3, atol=1e-9)
        assert (compiled.estimate.n_used, compiled.estimate.restarted) == (
            plain.estimate.n_used,
            plain.estimate.restarted,
        )
        measurement = plant.step(expected)
    return in_c


@pytest.mark.parametrize("architecture", ["ffn", "gru", "transformer"])
def test_every_step_but_the_first_is_made_in_c(architecture: Architecture, tmp_path: Path) -> None:
    made = compare(both(saved_policy(tmp_path, architecture)), 150)
    assert made == [False] + [True] * 149


@pytest.mark.parametrize(("disturb", "share"), [(missing, 0.5), (wrong, 0.2), (nonsense, 0.9)])
def test_what_is_not_as_usual_is_handed_over(disturb: Disturb, share: float, tmp_path: Path) -> None:
    made = compare(both(saved_policy(tmp_path, "gru", past_commands=True)), 200, disturb)
    assert share < np.mean(made) < 1.0


def test_an_arm_that_is_stuck_tries_another_way(tmp_path: Path) -> None:
    guidance = replace(SETUP.nmpc.guidance, stuck=StuckSettings(room=0.5, time=0.1))
    controllers = both(saved_policy(tmp_path), guidance)
    ways = set()

    def note(k: int, measurement: Measurement) -> Measurement:
        ways.update(tuple(each.reference) for each in controllers if each.reference is not None)
        return measurement

    made = compare(controllers, 100, note)
    assert len(ways) > 1
    assert np.mean(made) > 0.9


def test_a_policy_without_a_command_leaves_the_arm_braking(tmp_path: Path) -> None:
    controllers = both(saved_policy(tmp_path, history=1))

    def damage(k: int, measurement: Measurement) -> Measurement:
        for controller in controllers:
            controller._law.packed.numbers["network"][-1] = np.nan if 20 <= k < 40 else 0.0  # type: ignore[attr-defined]
        return measurement

    made = compare(controllers, 80, damage)
    assert not any(made[20:40])
    assert all(made[45:])


def test_another_torque_and_steps_that_are_watched(tmp_path: Path) -> None:
    controllers = both(saved_policy(tmp_path, "gru", past_commands=True))
    plant, rng = SETUP.build()[0], np.random.default_rng(0)
    measurement = plant.reset(sampled_task())
    for controller in controllers:
        controller.reset(sampled_task())
    for k in range(120):
        if k % 10 in (3, 4):
            for controller in controllers:
                controller.watch(measurement)
        else:
            first, second = (controller.act(measurement) for controller in controllers)
            np.testing.assert_allclose(first, second, atol=1e-4)
        sent = second + rng.normal(size=3) if k % 3 == 0 or k % 10 in (3, 4) else second
        if sent is not second:
            for controller in controllers:
                controller.observe_applied(sent, sent - second)
        measurement = plant.step(sent)
        states = [controller.estimate.x for controller in controllers if controller.estimate is not None]
        np.testing.assert_allclose(*states, atol=1e-8)


def test_goal_out_of_reach_and_a_second_task(tmp_path: Path) -> None:
    controllers = both(saved_policy(tmp_path))
    assert any(compare(controllers, 20))
    far = replace(sampled_task(), goal=np.array([3.0, 0.0, 0.3]))
    measurement = SETUP.build()[0].reset(far)
    for controller in controllers:
        controller.reset(far)
    for _ in range(5):
        first, second = (controller.act(measurement) for controller in controllers)
        np.testing.assert_allclose(first, second, atol=1e-4)
        assert controllers[0].last_step.status == "fallback"
    assert any(compare(controllers, 20))


def test_header_and_bindings_have_the_same_version() -> None:
    header = (Path(policy_loop.__file__).parent / "loop" / "policy_loop.h").read_text()
    assert f"#define POLICY_LOOP_VERSION {policy_loop.VERSION}\n" in header
