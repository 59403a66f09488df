"""Many loops side by side do what single loops do."""

from dataclasses import replace

import numpy as np
import pytest

from ampc.control.feedback import Reference
from ampc.control.safety_filter import SafetyFilter
from ampc.control.safety_settings import SafetyFilterSettings
from ampc.environments.flexible_loops import FlexibleLoops
from ampc.environments.loops import ManyLoops
from ampc.environments.rigid_loops import RigidLoops
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.episodes.setup import EpisodeSetup, RobotSettings
from ampc.errors import SettingsError
from ampc.tasks import TaskSampler
from ampc.tasks.flexible import FlexibleTaskSampler, FlexibleTaskSettings
from ampc.tasks.variation import VariationSettings

STEPS = 25
FLEXIBLE = FlexibleSetup(RobotSettings("flexible-arm-1"), RobotSettings("flexible-arm-2"))
NOISY = FlexibleTaskSettings(
    variation=VariationSettings(
        position_noise=(1.7e-3, 1.7e-3), end_effector_noise=(0.01, 0.01), stiffness_scale=(0.85, 1.1)
    )
)


class Scripted:
    """A law that gives prescribed commands and notes what it saw."""

    name, needs_reference, saturated = "scripted", True, False

    def __init__(self, commands):
        self.commands, self.command_limit = commands, np.full(3, 20.0)

    def reset(self, reference: Reference):
        self.seen, self.references, self._reference = [], [], reference.q

    def refer(self, q):
        self._reference = q

    def command(self, *state):
        self.seen.append(np.concatenate(state))
        self.references.append(self._reference)
        return self.commands[len(self.seen) - 1]


def drive(loops: ManyLoops, tasks, commands):
    """What was seen before each command, and true end effectors after each (T, B, 3)."""
    views, motion = [loops.begin(tasks)], []
    for command in commands:
        views.append(loops.step(command))
        motion.append(loops.motion().points[:, 0].copy())
    loops.close()
    return views[:-1], np.array(motion)


@pytest.mark.parametrize("arm", ["flexible", "rigid"])
def test_a_row_is_the_loop_of_a_single_arm(arm):
    rng = np.random.default_rng(0)
    commands = rng.uniform(-3.0, 3.0, (STEPS, 3, 3))
    if arm == "flexible":
        setup, loops = FLEXIBLE, FlexibleLoops(FLEXIBLE, 3, threads=1)
        tasks = FlexibleTaskSampler(setup.build_robot(), NOISY).sample(3, "random", 1000)
    else:
        setup = EpisodeSetup()
        loops = RigidLoops(setup, 3)
        tasks = TaskSampler(setup.build_robot()).sample(3, "interior", 1000)
    views, motion = drive(loops, tasks, commands)
    for row, task in enumerate(tasks):
        law = Scripted(commands[:, row])
        plant, _ = replace(setup, kind="rest").build() if arm == "flexible" else setup.build()
        episode = run_episode(plant, setup.build_learner(law), task, STEPS * plant.control_period)
        np.testing.assert_allclose([view.states[row] for view in views], law.seen, atol=1e-9)
        np.testing.assert_allclose([view.references[row] for view in views], law.references, atol=1e-9)
        ends = np.vstack([episode.end_effector[1:], episode.final_end_effector])
        np.testing.assert_allclose(motion[:, row], ends, atol=1e-9)
        np.testing.assert_array_equal(views[-1].goals[row], task.goal)


def test_a_filtered_row_is_a_filtered_loop():
    """Commands that throw the arm about, so that the filter has something to do."""
    setup, settings = FlexibleSetup(), SafetyFilterSettings()
    rng = np.random.default_rng(0)
    commands = np.repeat(rng.uniform(-1.0, 1.0, (4, 2, 3)) * [20.0, 10.0, 10.0], 10, axis=0)
    loops = FlexibleLoops(setup, 2, threads=1, safety=settings)
    tasks = FlexibleTaskSampler(setup.build_robot(), NOISY).sample(2, "near-wall", 1000)
    _, motion = drive(loops, tasks, commands)
    for row, task in enumerate(tasks):
        plant, _ = replace(setup, kind="rest").build()
        controller = SafetyFilter(
            setup.build_learner(Scripted(commands[:, row])), setup.build_model(), settings
        )
        episode = run_episode(plant, controller, task, len(commands) * plant.control_period)
        ends = np.vstack([episode.end_effector[1:], episode.final_end_effector])
        np.testing.assert_allclose(motion[:, row], ends, atol=1e-7)
        assert {step.decision for step in controller.history} != {"passed"}


def test_tasks_begin_anew():
    loops = FlexibleLoops(FLEXIBLE, 2, threads=1)
    tasks = FlexibleTaskSampler(loops.robot, NOISY).sample(2, "random", 1000)
    commands = np.random.default_rng(1).uniform(-3.0, 3.0, (10, 2, 3))

    def once():
        views = [loops.begin(tasks), *(loops.step(command) for command in commands)]
        return np.array([view.states for view in views])

    np.testing.assert_array_equal(once(), once())
    loops.close()


def test_the_reference_plant_is_refused():
    with pytest.raises(SettingsError, match="radau"):
        FlexibleLoops(replace(FLEXIBLE, integrator="cvodes"), 1)
