"""From a run's folder to the page: what is there is shown, what is missing is named."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ampc.episodes.setup import ControllerSettings, EpisodeSetup
from ampc.errors import SettingsError
from ampc.evaluation import (
    Benchmark,
    BenchmarkSettings,
    Latency,
    MetricSettings,
    judge,
    save_verdicts,
    summarise,
)
from ampc.evaluation.verdicts import STRICT
from ampc.report import html, read_run
from ampc.report.from_run import build_report, find_names
from ampc.robots import Robot
from ampc.runs import RunSettings
from ampc.settings import save_settings
from ampc.tasks import TaskSampler


@pytest.fixture(scope="module")
def run(rigid_arm: Robot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose policy is played by the saturated LQR, without dataset and training log."""
    folder = tmp_path_factory.mktemp("run")
    save_settings(RunSettings(), folder / "settings.json")
    evaluation = folder / "evaluation"
    sampler = TaskSampler(rigid_arm)
    regions = ("interior", "boundary")
    settings = BenchmarkSettings(duration=0.4, workers=1, metrics=MetricSettings(success_window=0.1))
    setups = {
        name: EpisodeSetup(controller=ControllerSettings(kind=kind, name=name))
        for name, kind in (("mpc", "mpc"), ("lqr", "lqr"), ("ffn", "lqr"))
    }
    tasks = {region: sampler.sample(3, region, seed=5) for region in regions}
    result = Benchmark(evaluation, setups, tasks, settings).run()
    summary = summarise(result, "mpc")
    summary.save(evaluation)
    save_verdicts(judge(summary, "ffn", STRICT), evaluation)
    Latency({name: np.full((2, 8), 1e-5) for name in (*setups, "mpc-ipopt")}).save(evaluation)
    return folder


def test_run_becomes_report_data(run: Path) -> None:
    data = read_run(run)
    assert (data.expert, data.policy) == ("mpc", "ffn")
    assert data.controllers == ("mpc", "ffn", "lqr", "mpc-ipopt")
    assert data.errors
    assert [curves.region for curves in data.errors] == ["interior", "boundary"]
    assert all(errors.shape == (3, 9) for curves in data.errors for errors in curves.errors.values())
    assert data.workspace
    assert [each.controller for each in data.workspace] == ["mpc", "ffn"]
    assert len(data.workspace[0].goals) == 6
    assert data.traces
    assert set(data.traces[0].q) == {"mpc", "ffn"}
    np.testing.assert_array_equal(data.traces[0].goal, data.workspace[0].goals[0])
    np.testing.assert_allclose(
        np.linalg.norm(data.traces[0].end_effector["ffn"] - data.traces[0].goal, axis=1),
        data.errors[0].errors["ffn"][0, :-1],
        rtol=1e-6,  # the benchmark stores errors in single precision
    )


def test_comparison_repeats_the_summary(run: Path) -> None:
    data = read_run(run)
    assert data.comparison
    assert [table.title for table in data.comparison] == ["interior", "boundary", "all"]
    assert [row[0] for row in data.comparison[0].rows] == ["mpc", "ffn", "lqr"]
    ffn, lqr = data.comparison[0].rows[1:]
    assert ffn[1:11] == lqr[1:11]
    assert ffn[-2:] == ("10.0", "10.0")
    rows = json.loads((run / "evaluation" / "verdicts.json").read_text())
    assert data.verdicts
    assert [verdict.measured for verdict in data.verdicts] == [row["measured"] for row in rows]


def test_what_is_missing_is_named(run: Path) -> None:
    missing = read_run(run).missing
    assert set(missing) == {"training", "dataset", "ik"}
    assert "training.csv" in missing["training"]
    assert "inverse_kinematics.json" in missing["ik"]


def test_report_is_written_into_the_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "film", lambda *_: b"mp4")
    path = build_report(run)
    assert path == run / "report.html"
    assert "rigid-arm: ffn in place of mpc" in path.read_text(encoding="utf-8")


def test_run_before_its_evaluation_has_a_report(tmp_path: Path) -> None:
    save_settings(RunSettings(), tmp_path / "settings.json")
    data = read_run(tmp_path)
    assert {"verdicts", "comparison", "errors", "workspace", "video", "torques", "latency"} <= set(
        data.missing
    )
    assert "inverse_kinematics.json" in html.render(data)


def test_folder_without_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"settings\.json"):
        build_report(tmp_path)


def test_seeds_of_one_architecture_appear_once(tmp_path: Path) -> None:
    learning = dataclasses.replace(RunSettings().learning, architectures=("ffn", "gru"), seeds=(0, 1))
    save_settings(dataclasses.replace(RunSettings(), learning=learning), tmp_path / "settings.json")
    settings = json.loads((tmp_path / "settings.json").read_text())
    names = find_names(tmp_path, settings, "mpc", None)
    assert names.policy == "ffn"
    assert names.members == {"mpc": ("mpc",), "ffn": ("ffn-0", "ffn-1"), "gru": ("gru-0", "gru-1")}
    assert [path.name for path in names.policies["gru"]] == ["gru-0", "gru-1"]
