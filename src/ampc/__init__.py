"""Approximate model predictive control: from a slow expert to a fast, measured, exported policy.

The nouns of the whole way are here as ``ampc.Run``, ``ampc.load_robot`` and so on. They are imported when
first used, so that ``import ampc`` is cheap and a deployed policy needs neither MuJoCo nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ampc.control.feedback import Reference as Reference
    from ampc.episodes.dataset import Dataset as Dataset
    from ampc.episodes.episode import Episode as Episode
    from ampc.episodes.rollout import run_episode as run_episode
    from ampc.episodes.setup import ControllerSettings as ControllerSettings
    from ampc.episodes.setup import EpisodeSetup as EpisodeSetup
    from ampc.episodes.setup import RobotSettings as RobotSettings
    from ampc.errors import AmpcError as AmpcError
    from ampc.experiments import preset as preset
    from ampc.policies import OnnxPolicy as OnnxPolicy
    from ampc.robots import InverseKinematics as InverseKinematics
    from ampc.robots import Robot as Robot
    from ampc.robots import check_robot as check_robot
    from ampc.robots import load_robot as load_robot
    from ampc.runs import Run as Run
    from ampc.runs import RunSettings as RunSettings
    from ampc.tasks import Task as Task
    from ampc.tasks import TaskSampler as TaskSampler
    from ampc.tasks import task_for_goal as task_for_goal

_HOMES = {
    "AmpcError": "ampc.errors",
    "ControllerSettings": "ampc.episodes.setup",
    "Dataset": "ampc.episodes.dataset",
    "Episode": "ampc.episodes.episode",
    "EpisodeSetup": "ampc.episodes.setup",
    "InverseKinematics": "ampc.robots",
    "OnnxPolicy": "ampc.policies",
    "Reference": "ampc.control.feedback",
    "Robot": "ampc.robots",
    "RobotSettings": "ampc.episodes.setup",
    "Run": "ampc.runs",
    "RunSettings": "ampc.runs",
    "Task": "ampc.tasks",
    "TaskSampler": "ampc.tasks",
    "check_robot": "ampc.robots",
    "load_robot": "ampc.robots",
    "preset": "ampc.experiments",
    "run_episode": "ampc.episodes.rollout",
    "task_for_goal": "ampc.tasks",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ampc' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
