"""From a lesson to an agent in training: what all algorithms that drive for themselves have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from ampc.environments.score import ScoreSettings
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement.agent_settings import SACSettings
from ampc.learning.reinforcement.agents import Agent, make_sac, require_plain_inputs
from ampc.learning.reinforcement.arms_env import ArmsEnv, Reward
from ampc.learning.reinforcement.judge import Judge
from ampc.learning.reinforcement.memory import MirroredBuffer
from ampc.learning.reinforcement.rounds import Between, Part, Training, train_agent
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape
from ampc.policies.policy import Policy
from ampc.settings import to_dict


class Course:
    """An environment and a judge for a lesson, and an agent that is trained on them.

    Attributes:
        env: What the agent drives.
    """

    def __init__(self, lesson: Lesson, experience: ExperienceSettings, reward: Reward | None = None) -> None:
        """Build the arms.

        Args:
            lesson: The lesson.
            experience: How much the agent drives.
            reward: What is rewarded, where it is not the distance.

        Raises:
            AmpcError: If the parts of the lesson do not fit together.
        """
        self._lesson, self._experience = lesson, experience
        self._spec = lesson.specification()
        require_plain_inputs(self._spec)
        self._held = experience.held(lesson.control_period)
        self.env = ArmsEnv(
            lesson.arms(experience.arms, experience.filtered),
            self._spec,
            lesson.drawing(),
            max(1, lesson.steps // self._held),
            self._held,
            ScoreSettings(violation_penalty=experience.violation_penalty),
            reward,
        )
        judges = lesson.arms(experience.evaluation_tasks, experience.filtered)
        self._judge = Judge(judges, self._spec, lesson.drawing(experience.evaluation_seed), lesson.steps)

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
        for unshaping in ("evaluate_every", "evaluation_tasks", "evaluation_seed", "checkpoint_seconds"):
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
        training = Training(
            agent,
            self.env,
            self._spec,
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


def train_sac(
    lesson: Lesson,
    name: str,
    settings: Any,
    folder: Path,
    console: Console | None,
    reward: Reward | None = None,
    memory: type[MirroredBuffer] = MirroredBuffer,
    prepare: Callable[[Agent, ArmsEnv], tuple[Between, dict[str, Part]]] | None = None,
    given: str = "",
) -> Policy:
    """Soft actor-critic on a reward of one's own; ``settings`` has ``experience``, ``sac`` and ``network``.

    Args:
        lesson: The lesson.
        name: Of the algorithm.
        settings: The algorithm's own, as a dataclass.
        folder: Receives checkpoint, logs and, in the end, the policy.
        console: Where progress goes; None for standard error.
        reward: What is rewarded, where it is not the distance.
        memory: What the agent remembers in.
        prepare: Makes what is done between rounds, and what else is learned, once there is an agent.
        given: Fingerprint of the demonstrations, where there are some.
    """
    experience: ExperienceSettings = settings.experience
    sac: SACSettings = settings.sac
    shape: NetworkShape = settings.network
    course = Course(lesson, experience, reward)
    agent = make_sac(course.env, sac, shape, lesson.seed, memory)
    between, parts = prepare(agent, course.env) if prepare else (None, {})
    return course.train(agent, name, settings, folder, console, between, parts, given=given)
