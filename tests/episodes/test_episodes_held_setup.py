"""A policy that decides less often than sensors are read is asked when it is due, and stands in between."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ampc.control.feedback import Reference
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.held_setup import HeldLaw, HeldSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import RobotSettings
from ampc.errors import PolicyError, SettingsError
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.tasks.flexible import FlexibleTaskSampler

ARMS = RobotSettings("flexible-arm-1"), RobotSettings("flexible-arm-1")


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """Folders of one policy with several control periods."""

    def save(period):
        torch.manual_seed(0)
        model = ARMS[0].load()
        network = NetworkSettings("ffn", 8, 1)
        spec = PolicySpec.for_robot(
            model, period, (20.0, 10.0, 10.0), "gravity-compensation", flexible_inputs(), network
        )
        folder = tmp_path_factory.mktemp("policy")
        Policy(spec).save(folder)
        return folder

    return save


class Counting:
    name, saturated = "counting", False
    command_limit = np.ones(1)

    def __init__(self):
        self.asked, self.resets = 0, 0

    def reset(self, reference):
        self.resets += 1

    def command(self, state):
        self.asked += 1
        return np.array([float(self.asked)])


def test_commands_stand_until_the_next_is_due():
    counting = Counting()
    law = HeldLaw(counting, 3)
    law.reset(Reference(np.zeros(3), None))
    assert [float(law.command(np.zeros(1))[0]) for _ in range(7)] == [1, 1, 1, 2, 2, 2, 3]
    law.reset(Reference(np.zeros(3), None))
    assert float(law.command(np.zeros(1))[0]) == 4.0
    assert counting.resets == 2


def test_a_loop_holds_the_commands_of_a_slow_policy(folder_of):
    setup = HeldSetup(*ARMS, kind="policy", policy=folder_of(0.02))
    plant, controller = setup.build()
    task = FlexibleTaskSampler(plant.robot).sample(1, "random", 1000)[0]
    command = run_episode(plant, controller, task, 0.08).command
    changes = np.flatnonzero(np.any(np.abs(np.diff(command, axis=0)) > 1e-9, axis=1)) + 1
    assert changes.tolist() == [5, 10, 15]


def test_the_loop_of_a_quick_policy_is_the_usual_one(folder_of):
    folder = folder_of(0.004)
    held = HeldSetup(*ARMS, kind="policy", policy=folder).build()[1]
    usual = FlexibleSetup(*ARMS, kind="policy", policy=folder).build()[1]
    assert type(held) is type(usual)


def test_slow_policies_are_refused_by_loops_that_would_not_hold_them(folder_of):
    setup = FlexibleSetup(*ARMS, kind="policy", policy=folder_of(0.02))
    with pytest.raises(PolicyError, match="control period"):
        setup.build()
    odd = HeldSetup(*ARMS, kind="policy", policy=folder_of(0.006))
    with pytest.raises(SettingsError, match="multiple"):
        odd.build()
    with pytest.raises(SettingsError, match="needs the path"):
        replace(odd, policy=None).build()


@pytest.mark.parametrize(("period", "sent_elsewhere"), [(0.02, False), (0.004, True)])
def test_an_arm_is_not_sent_another_way_by_commands_that_are_held(folder_of, period, sent_elsewhere):
    folder = folder_of(period)
    policy = Policy.load(folder, ARMS[0].load())
    with torch.no_grad():  # it holds the arm where it is
        for weights in policy.network.parameters():
            weights.zero_()
    policy.save(folder)
    plant, controller = HeldSetup(*ARMS, kind="policy", policy=folder).build()
    task = FlexibleTaskSampler(plant.robot).sample(1, "random", 1000)[0]
    controller.reset(task)
    measurement, references = plant.reset(task), []
    for _ in range(300):
        measurement = plant.step(controller.act(measurement))
        references.append(controller.reference)
    assert any(each is not references[0] for each in references) == sent_elsewhere
