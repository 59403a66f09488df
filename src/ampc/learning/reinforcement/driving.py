"""From a lesson to an agent in training: what all algorithms that drive for themselves have in common."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ampc.arrays import FloatArray
from ampc.environments.expert_cost import ExpertCost
from ampc.environments.loops import Views
from ampc.environments.score import ScoreSettings
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.errors import SettingsError
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement.agents import Agent, make_sac, require_plain_inputs
from ampc.learning.reinforcement.arms_env import ArmsEnv, Cost, Reward
from ampc.learning.reinforcement.judge import Judge
from ampc.learning.reinforcement.memory import MirroredBuffer
from ampc.learning.reinforcement.rounds import Between, Part, Training, train_agent
from ampc.learning.reinforcement.sac_settings import DrivingSettings
from ampc.learning.reinforcement.settings import ExperienceSettings
from ampc.learning.reinforcement.shaping import Shaping
from ampc.policies.policy import Policy
from ampc.settings import to_dict

COST_UNIT = 1000.0
"""Cost per second that a reward of -1 stands for: about that of an arm at rest a metre from its goal."""
LARGEST_COST = 2.0
"""Cost in these units at which rewards are cut: a speed limit exceeded by 0.1 rad/s costs five, by 1 rad/s
500, and a critic would learn of nothing else."""

_UNSHAPING = ("steps", "evaluate_every", "evaluation_tasks", "evaluation_seed", "checkpoint_seconds")
"""Settings that do not change what is learned up to a round: a training may go on with others."""


class Course:
    """An environment and a judge for a lesson, and an agent that is trained on them.

    Attributes:
        env: What the agent drives.
        control_period: Time between two decisions of the agent, and of the policy that comes of it [s].
    """

    def __init__(
        self, lesson: Lesson, experience: ExperienceSettings, discount: float, reward: Reward | None = None
    ) -> None:
        """Build the arms.

        Args:
            lesson: The lesson.
            experience: How much the agent drives.
            discount: The agent's, from one action to the next.
            reward: What is rewarded, where it is not the distance.

        Raises:
            AmpcError: If the parts of the lesson do not fit together.
        """
        self._lesson, self._experience = lesson, experience
        self._spec = lesson.specification()
        require_plain_inputs(self._spec)
        self._held = experience.held(lesson.control_period)
        self.control_period = self._held * lesson.control_period
        cost = expert_cost(lesson) if experience.reward == "expert-cost" else None
        self.env = ArmsEnv(
            lesson.arms(experience.arms, experience.filtered),
            self._spec,
            lesson.drawing(),
            max(1, lesson.steps // self._held),
            self._held,
            ScoreSettings(violation_penalty=experience.violation_penalty),
            reward,
            cost,
            None if cost else self._shaping(discount),
        )
        judges = lesson.arms(experience.evaluation_tasks, experience.filtered)
        tasks = lesson.drawing(experience.evaluation_seed)
        self._judge = Judge(judges, self._spec, tasks, self.env.decisions, self._held, cost)

    def _shaping(self, discount: float) -> Shaping | None:
        weight = self._experience.shaping
        return Shaping.of(self._spec, weight, discount) if weight else None

    def train(
        self,
        agent: Agent,
        name: str,
        settings: Any,
        folder: Path,
        console: Console | None = None,
        between: Between | None = None,
        parts: dict[str, Part] | None = None,
        normalise: bool = True,
        given: str = "",
    ) -> Policy:
        """Train, or go on with it, and save the policy.

        Args:
            agent: The agent, made for `env`.
            name: Of the algorithm.
            settings: The algorithm's own, as a dataclass.
            folder: Receives checkpoint, logs and, in the end, the policy.
            console: Where progress goes; None for standard error.
            between: What is done between rounds besides.
            parts: What else is learned.
            normalise: Whether observations are normalised by what was seen so far.
            given: Fingerprint of what else it is given: demonstrations, or a policy to begin with.

        Returns:
            The policy, in evaluation mode.
        """
        lesson = self._lesson
        collection = to_dict(lesson.teaching.collection)
        for unshaping in ("episodes", "workers", "shard_episodes", "max_labels"):
            del collection[unshaping]
        shaping = to_dict(settings)
        for unshaping in _UNSHAPING:
            del shaping["experience"][unshaping]
        identity = {
            "algorithm": name,
            "settings": shaping,
            "seed": lesson.seed,
            "demonstrations": lesson.demonstrations,
            "collection": collection,
            "tasks": to_dict(lesson.teaching.tasks),
            "robot": self._spec.robot_fingerprint,
            "given": given,
        }
        spec = dataclasses.replace(self._spec, control_period=self.control_period)
        training = Training(
            agent,
            self.env,
            spec,
            self._judge,
            self._experience,
            self._held,
            between,
            parts or {},
            normalise,
        )
        try:
            policy = train_agent(training, folder, identity, console)
        finally:
            self.env.close()
            self._judge.close()
        provenance = {
            "learner": name,
            "settings": to_dict(settings),
            "control_steps": agent.num_timesteps * self._held,
            "seed": lesson.seed,
        }
        policy.spec.training.update(provenance)
        policy.save(folder)
        return policy


def expert_cost(lesson: Lesson) -> Cost:
    """What the lesson's expert minimises, in units of `COST_UNIT` and cut at `LARGEST_COST`.

    Raises:
        SettingsError: If the expert is not the nonlinear MPC.
    """
    setup = lesson.teaching.setup
    if not isinstance(setup, FlexibleSetup):
        raise SettingsError(
            "the expert's own cost is known of arms with flexible links; set experience.reward to 'distance'"
        )
    own = ExpertCost(setup.build_model(), setup.nmpc)

    def cost(views: Views, torque: FloatArray) -> FloatArray:
        return np.minimum(own.rate(views, torque) / COST_UNIT, LARGEST_COST)

    return cost


def train_sac(
    lesson: Lesson,
    name: str,
    settings: DrivingSettings,
    folder: Path,
    console: Console | None,
    reward: Reward | None = None,
    memory: type[MirroredBuffer] = MirroredBuffer,
    prepare: Callable[[Agent, ArmsEnv], tuple[Between, dict[str, Part]]] | None = None,
    given: str = "",
) -> Policy:
    """Soft actor-critic, on a reward of one's own or on that of `ExperienceSettings`.

    Args:
        lesson: The lesson.
        name: Of the algorithm.
        settings: The algorithm's own.
        folder: Receives checkpoint, logs and, in the end, the policy.
        console: Where progress goes; None for standard error.
        reward: What is rewarded, where it is not the distance.
        memory: What the agent remembers in.
        prepare: Makes what is done between rounds, and what else is learned, once there is an agent.
        given: Fingerprint of the demonstrations, where there are some.
    """
    course = Course(lesson, settings.experience, settings.sac.gamma, reward)
    agent = make_sac(course.env, settings.sac, settings.network, lesson.seed, memory)
    between, parts = prepare(agent, course.env) if prepare else (None, {})
    return course.train(agent, name, settings, folder, console, between, parts, given=given)
