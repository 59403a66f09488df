"""Proximal policy optimisation on the distance to the goal, from scratch or from a policy that was taught."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from ampc.errors import SettingsError
from ampc.learning.algorithms import Algorithm
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement import require_stable_baselines
from ampc.learning.reinforcement.agent_settings import PPOSettings
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape
from ampc.policies.policy import Policy


@dataclass(frozen=True)
class Settings:
    """Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347)."""

    experience: ExperienceSettings = field(default_factory=ExperienceSettings)
    """How much the agent drives."""
    ppo: PPOSettings = field(default_factory=PPOSettings)
    """The agent."""
    network: NetworkShape = field(default_factory=NetworkShape)
    """Actor and critic; of the policy to begin with, where there is one, its size is taken."""
    begin_with: Path | None = None
    """Folder of a saved policy that the agent begins with; None to begin with nothing."""


def learn(lesson: Lesson, settings: Settings, folder: Path, console: Console | None = None) -> Policy:
    """Maximise the discounted reward, see `ExperienceSettings`."""
    require_stable_baselines()
    from ampc.learning.reinforcement.agents import begin_with, fingerprint, make_ppo
    from ampc.learning.reinforcement.driving import Course

    course = Course(lesson, settings.experience, settings.ppo.gamma)
    shape, taught = settings.network, None
    if settings.begin_with is not None:
        taught = Policy.load(settings.begin_with, lesson.teaching.setup.build_model())
        shape = NetworkShape(*taught.spec.network.size)
        if abs(taught.spec.control_period - course.control_period) > 1e-9:
            raise SettingsError(
                f"the policy to begin with decides every {taught.spec.control_period:g} s; set "
                "experience.decision_time to that"
            )
    agent = make_ppo(course.env, settings.ppo, shape, course.env.decisions, lesson.seed)
    if taught is not None:
        begin_with(agent, taught)
    given = "" if taught is None else fingerprint(taught)
    return course.train(agent, "ppo", settings, folder, console, normalise=taught is None, given=given)


ALGORITHM = Algorithm(
    "ppo", "reinforcement learning, on-policy: proximal policy optimisation", Settings, learn
)
