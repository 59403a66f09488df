"""What README and examples/ show is run here, at a tiny budget."""

import dataclasses
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from ampc import ControllerSettings, EpisodeSetup
from ampc.control.controller import Controller
from ampc.episodes.collection import CollectionSettings
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import Plant, run_episode
from ampc.evaluation import BenchmarkSettings
from ampc.experiments import PRESETS, preset
from ampc.experiments.flexible.trial import FlexibleTasks
from ampc.learning import TrainingSettings
from ampc.runs import EvaluationSettings, LearningSettings
from ampc.tasks import Task, TaskSampler, TaskSettings

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
RESULTS = ROOT / "results"


def test_the_readme_shows_the_example() -> None:
    assert (EXAMPLES / "distill.py").read_text() in (ROOT / "README.md").read_text()


def test_distill_and_control_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = dataclasses.replace(
        preset("quick"),
        collection=CollectionSettings(episodes=40, workers=1),
        learning=LearningSettings(training=TrainingSettings(epochs=3)),
        evaluation=EvaluationSettings(
            tasks_per_region=2, latency_tasks=1, benchmark=BenchmarkSettings(workers=1, traces=0)
        ),
    )
    monkeypatch.setitem(PRESETS, "quick", tiny)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "distill.py"), run_name="__main__")
    assert (tmp_path / "runs" / "example" / "report.html").exists()

    policy = tmp_path / "runs" / "example" / "policies" / "ffn-0" / "policy.onnx"
    monkeypatch.setattr(sys, "argv", ["control_loop.py", str(policy)])
    runpy.run_path(str(EXAMPLES / "control_loop.py"), run_name="__main__")
    assert "distance to the goal" in capsys.readouterr().out


def test_the_policies_in_the_repository_reach_their_goals() -> None:
    rigid, rigid_controller = EpisodeSetup(
        controller=ControllerSettings(kind="policy", policy=RESULTS / "rigid/distill/policy/policy.onnx")
    ).build()
    (task,) = TaskSampler(rigid.robot, TaskSettings()).sample(1, "interior", seed=1700)
    _assert_arrives(rigid, rigid_controller, task)
    for policy in ("policy", "policy/policy.onnx"):
        flexible, controller = FlexibleSetup(
            kind="policy", policy=RESULTS / "flexible/distillation" / policy
        ).build()
        (task,) = FlexibleTasks("near-wall", 1700, 0, 1).sample(flexible.robot)
        _assert_arrives(flexible, controller, task)


def _assert_arrives(plant: Plant, controller: Controller, task: Task) -> None:
    episode = run_episode(plant, controller, task, 3.0)
    assert np.linalg.norm(episode.end_effector[-1] - task.goal) < 0.01
