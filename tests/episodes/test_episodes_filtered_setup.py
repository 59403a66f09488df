"""Loops with a safety filter, from settings."""

from dataclasses import replace

import numpy as np
import pytest

from ampc.control.hostile import HostileController, SignFlipped
from ampc.control.safety_filter import SafetyFilter
from ampc.episodes.filtered_setup import FilteredSetup
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import RobotSettings
from ampc.settings import from_dict, to_dict
from ampc.tasks.flexible import FlexibleTaskSampler

RIGID = RobotSettings("flexible-arm-0")


def test_proposers_with_and_without_a_filter() -> None:
    rest = FilteredSetup(FlexibleSetup(kind="rest"))
    _, controller = rest.build()
    assert isinstance(controller, SafetyFilter)
    assert controller.name.endswith("filter")
    _, flipped = replace(rest, proposer="sign-flipped", filtered=False).build()
    assert isinstance(flipped, SignFlipped)
    _, hostile = replace(rest, proposer="bang-bang", filtered=False).build()
    assert isinstance(hostile, HostileController)


def test_settings_survive_a_file() -> None:
    setup = FilteredSetup(proposer="random", filtered=False)
    assert from_dict(FilteredSetup, to_dict(setup)) == setup


@pytest.mark.parametrize("proposer", ["random", "obstacles"])
def test_a_rigid_arm_at_the_wall_is_protected_too(proposer: str) -> None:
    setup = FilteredSetup(FlexibleSetup(RIGID, RIGID), proposer=proposer, filter_robot=RIGID)  # type: ignore[arg-type]
    plant, controller = setup.build()
    robot = setup.build_robot()
    task = FlexibleTaskSampler(robot).sample(1, "near-wall", 1000)[0]
    episode = run_episode(plant, controller, task, 0.4)
    tips = np.vstack((episode.end_effector, episode.final_end_effector))
    for obstacle in robot.obstacles:
        assert (obstacle.distance(tips) > 0.0).all()
    assert (np.abs(episode.dq) <= 1.05 * robot.velocity_limits).all()
