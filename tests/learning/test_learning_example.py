"""The worked example of docs/reinforcement.md is an algorithm."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from rich.console import Console

from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.setup import EpisodeSetup
from ampc.learning.algorithms import Algorithm
from ampc.learning.dagger import Teaching
from ampc.learning.lesson import Lesson
from ampc.learning.reinforcement.agent_settings import SACSettings
from ampc.learning.reinforcement.settings import ExperienceSettings, NetworkShape
from ampc.tasks import TaskSettings

PAGE = Path(__file__).parents[2] / "docs" / "reinforcement.md"


def test_the_algorithm_of_the_page_learns(tmp_path, monkeypatch):
    pytest.importorskip("stable_baselines3")
    code = next(
        part for part in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "ALGORITHM" in part
    )
    (tmp_path / "nearest.py").write_text(code)
    spec = spec_from_file_location("nearest", tmp_path / "nearest.py")
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "nearest", module)
    spec.loader.exec_module(module)
    algorithm = module.ALGORITHM
    assert isinstance(algorithm, Algorithm)
    collection = CollectionSettings(seed=1000, max_duration=0.3, fixed_length=True, workers=1)
    lesson = Lesson(Teaching(EpisodeSetup(), TaskSettings(), collection), demonstrations=2)
    experience = ExperienceSettings(steps=24, arms=2, evaluate_every=1, evaluation_tasks=1)
    agent = SACSettings(batch_size=8, learning_starts=6)
    settings = algorithm.settings(experience, agent, NetworkShape(16, 1))
    policy = algorithm.learn(lesson, settings, tmp_path / "lesson", Console(quiet=True))
    assert policy.spec.training["learner"] == "nearest"
