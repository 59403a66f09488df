"""What README and examples/ show is run here, at a tiny budget."""

import dataclasses
import runpy
import sys
from pathlib import Path

import pytest

from ampc.episodes.collection import CollectionSettings
from ampc.evaluation import BenchmarkSettings
from ampc.experiments import PRESETS, preset
from ampc.learning import TrainingSettings
from ampc.runs import EvaluationSettings, LearningSettings

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


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
