"""Recipes of closed loops: every kind of controller, at both rates, on arms with other motors."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import ControllerKind, ControllerSettings, EpisodeSetup, RobotSettings
from ampc.errors import SettingsError
from ampc.export.onnx import export_onnx
from ampc.plants import PlantSettings
from ampc.policies import NetworkSettings, PolicySpec
from ampc.policies.policy import Policy
from ampc.robots import Robot, RobotDynamics
from ampc.settings import from_dict, to_dict
from ampc.tasks import TaskSampler

KINDS = [kind for kind in get_args(ControllerKind) if kind != "policy"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [0.05, 0.002])
def test_every_kind_runs_at_every_rate_and_survives_its_file(
    rigid_arm: Robot, kind: ControllerKind, period: float
) -> None:
    setup = EpisodeSetup(controller=ControllerSettings(kind=kind), plant=PlantSettings(control_period=period))
    assert from_dict(EpisodeSetup, to_dict(setup)) == setup
    task = TaskSampler(rigid_arm).sample(1, "interior", 1400)[0]
    plant, controller = setup.build()
    assert controller.control_period == plant.control_period == period
    episode = run_episode(plant, controller, task, 0.2)
    assert not episode.fallbacks
    assert episode.error[-1] < episode.error[0]
    assert np.abs(episode.command).max() <= setup.controller.command_limit


def test_all_kinds_command_the_same_on_the_nominal_arm_at_rest(rigid_arm: Robot) -> None:
    """They share the optimal control problem; LQR and table are near it, the rest are it."""
    task = TaskSampler(rigid_arm).sample(1, "interior", 1401)[0]
    commands = {}
    for kind in KINDS:
        plant, controller = EpisodeSetup(controller=ControllerSettings(kind=kind)).build()
        measurement = plant.reset(task)
        controller.reset(task)
        controller.act(measurement)
        commands[kind] = controller.last_step.command
    for kind in ("mpc-limits", "mpc-observer", "mpc-informed", "mpc-ipopt", "table"):
        np.testing.assert_allclose(commands[kind], commands["mpc"], atol=2e-2)


def test_controller_and_plant_share_the_motors_inertia(rigid_arm: Robot) -> None:
    geared = RobotSettings(armature=1.0)
    robot = geared.load()
    assert robot.fingerprint != rigid_arm.fingerprint
    difference = RobotDynamics(robot).mass_matrix(robot.home) - RobotDynamics(rigid_arm).mass_matrix(
        robot.home
    )
    np.testing.assert_allclose(difference, 0.9 * np.eye(3), atol=1e-12)
    assert (rigid_arm.model.dof_armature == 0.1).all()
    literal = ControllerSettings(torque_law="gravity-compensation")
    plant, controller = EpisodeSetup(geared, literal).build()
    assert (plant.model.dof_armature == 1.0).all()
    task = TaskSampler(robot).sample(1, "interior", 1402)[0]
    assert run_episode(plant, controller, task, 3.0).error[-1] < 0.01


def test_an_armature_that_is_none_is_refused() -> None:
    for value in (-0.1, float("nan")):
        with pytest.raises(SettingsError, match="armature"):
            RobotSettings(armature=value).load()


def test_a_policy_is_the_same_by_onnx_runtime_and_in_c(rigid_arm: Robot, tmp_path: Path) -> None:
    policy = Policy(PolicySpec.for_robot(rigid_arm, 0.05, (10.0,) * 3, network=NetworkSettings("gru", 8, 1)))
    policy.eval().save(tmp_path)
    export_onnx(policy, tmp_path / "policy.onnx")
    task = TaskSampler(rigid_arm).sample(1, "interior", 1403)[0]
    by_onnx, in_c = (
        run_episode(*EpisodeSetup(controller=ControllerSettings("policy", policy=path)).build(), task, 0.5)
        for path in (tmp_path / "policy.onnx", tmp_path)
    )
    assert not in_c.fallbacks
    np.testing.assert_allclose(in_c.command, by_onnx.command, atol=1e-3)
    np.testing.assert_allclose(in_c.q, by_onnx.q, atol=1e-4)


def test_a_policy_needs_a_path(rigid_arm: Robot) -> None:
    with pytest.raises(SettingsError, match="in `policy`"):
        EpisodeSetup(controller=ControllerSettings("policy")).build()
