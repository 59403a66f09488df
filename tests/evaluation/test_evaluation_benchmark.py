"""The benchmark is paired, resumes after a kill, and runs again exactly what has changed."""

import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from toy_loop import ToySetup, toy_tasks

from ampc.errors import DatasetError, SettingsError, UnreachableGoalError
from ampc.evaluation.benchmark import Benchmark, BenchmarkSettings, code_fingerprint, setup_fingerprint
from ampc.evaluation.metrics import MetricSettings
from ampc.evaluation.results import BenchmarkResult

QUIET = Console(file=io.StringIO())
TASKS = {"interior": toy_tasks(12), "boundary": toy_tasks(7, "boundary", seed=1)}
SERIAL = BenchmarkSettings(chunk=5, workers=1, traces=6)

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def run(folder: Path, setups: dict, tasks: dict = TASKS, settings: BenchmarkSettings = SERIAL):
    return Benchmark(folder, setups, tasks, settings).run(QUIET)


def chunk_times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "chunks").iterdir()}


def test_every_controller_meets_the_same_tasks_and_noise(tmp_path):
    setups = {"expert": ToySetup(), "twin": ToySetup(name="twin"), "soft": ToySetup(stiffness=4.0)}
    result = run(tmp_path, setups)
    assert result.controllers == ("expert", "twin", "soft")
    assert result.regions == ("interior", "boundary")
    for region, tasks in TASKS.items():
        np.testing.assert_array_equal(result.goals(region), [task.goal for task in tasks])
        np.testing.assert_array_equal(result.errors("expert", region), result.errors("twin", region))
        starts = [np.linalg.norm(task.goal - [*task.start, 0, 0]) for task in tasks]
        for name in setups:
            np.testing.assert_allclose(result.errors(name, region)[:, 0], starts, rtol=1e-6)
    assert (
        result.values("soft", "interior", "rmse").mean() > result.values("expert", "interior", "rmse").mean()
    )
    assert len(result.time("expert")) == 61
    assert result.step_times("expert", "boundary").shape == (7, 60)


def test_traces_are_kept_for_the_first_tasks(tmp_path):
    result = run(tmp_path, {"expert": ToySetup()})
    traces = result.traces("expert", "interior")
    assert [trace.task for trace in traces] == [0, 1, 2, 3, 4, 5]
    trace = traces[5]
    assert trace.q.shape == trace.dq.shape == trace.torque.shape == (60, 1)
    distance = np.linalg.norm(trace.end_effector - trace.goal, axis=1)
    np.testing.assert_allclose(distance, result.errors("expert", "interior")[5, :-1], rtol=1e-6)


def test_processes_and_one_process_agree(tmp_path):
    setups = {"expert": ToySetup(), "soft": ToySetup(stiffness=4.0)}
    serial = run(tmp_path / "serial", setups)
    parallel = run(tmp_path / "parallel", setups, settings=dataclasses.replace(SERIAL, workers=2))
    for name in setups:
        for region in TASKS:
            for metric in ("rmse", "t95", "success", "torque_variation"):
                np.testing.assert_array_equal(
                    serial.values(name, region, metric), parallel.values(name, region, metric)
                )
    assert os.environ.get("OMP_NUM_THREADS") == "1"


def test_a_finished_benchmark_runs_nothing_again(tmp_path):
    run(tmp_path, {"expert": ToySetup()})
    before = chunk_times(tmp_path)
    run(tmp_path, {"expert": ToySetup()})
    assert chunk_times(tmp_path) == before


def test_a_changed_policy_file_invalidates_only_its_own_chunks(tmp_path):
    policy = tmp_path / "policy.txt"
    policy.write_text("9.0")
    setups = {"expert": ToySetup(), "policy": ToySetup(name="policy", file=policy)}
    first = run(tmp_path / "run", setups)
    before = chunk_times(tmp_path / "run")
    policy.write_text("4.0")
    second = run(tmp_path / "run", setups)
    after = chunk_times(tmp_path / "run")
    assert {name: after[name] for name in before} == before
    assert len(after) - len(before) == 3 + 2
    expert = [result.values("expert", "interior", "rmse") for result in (first, second)]
    np.testing.assert_array_equal(*expert)
    assert np.all(second.values("policy", "interior", "rmse") > first.values("policy", "interior", "rmse"))


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": dataclasses.replace(SERIAL, duration=2.0)},
        {"settings": dataclasses.replace(SERIAL, metrics=MetricSettings(success_tolerance=0.02))},
        {"tasks": {"interior": toy_tasks(12, seed=5), "boundary": toy_tasks(7, seed=6)}},
    ],
    ids=["duration", "metrics", "tasks"],
)
def test_whatever_a_figure_depends_on_invalidates_it(tmp_path, changed):
    run(tmp_path, {"expert": ToySetup()})
    before = chunk_times(tmp_path)
    run(tmp_path, {"expert": ToySetup()}, **changed)
    assert len(chunk_times(tmp_path)) == 2 * len(before)


def test_fingerprint_follows_settings_and_file_contents(tmp_path):
    policy = tmp_path / "policy.txt"
    policy.write_text("9.0")
    setup = ToySetup(file=policy)
    before = setup_fingerprint(setup)
    assert setup_fingerprint(ToySetup(file=policy)) == before
    assert setup_fingerprint(ToySetup(file=policy, stiffness=1.0)) != before
    policy.write_text("9.1")
    assert setup_fingerprint(setup) != before


def test_unreachable_goals_are_failures_with_their_reason(tmp_path):
    tasks = toy_tasks(3)
    tasks[1] = dataclasses.replace(tasks[1], goal=np.array([6.0, 0.0, 0.0]))
    result = run(tmp_path, {"expert": ToySetup()}, {"interior": tasks})
    assert result.values("expert", "interior", "success").tolist() == [1.0, 0.0, 1.0]
    assert result.values("expert", "interior", "t95")[1] == np.inf
    assert result.values("expert", "interior", "fallback_steps")[1] == 60
    assert result.fallback_reasons("expert", "interior") == ("", "unreachable", "")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_says_where_it_came_from(tmp_path, workers):
    tasks = toy_tasks(4)
    tasks[3] = dataclasses.replace(tasks[3], goal=np.zeros(3))
    settings = BenchmarkSettings(chunk=2, workers=workers)
    with pytest.raises(UnreachableGoalError, match="the origin is taken") as raised:
        run(tmp_path, {"expert": ToySetup()}, {"interior": tasks}, settings)
    assert raised.value.distance == 0.5
    assert raised.value.__notes__ == ["in the benchmark of 'pd', interior task 3"]


SLOW_RUN = """
import io, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from rich.console import Console
from toy_loop import ToySetup, toy_tasks
from ampc.evaluation.benchmark import Benchmark, BenchmarkSettings

if __name__ == "__main__":
    settings = BenchmarkSettings(chunk=2, workers=2, traces=0)
    setups = {{"expert": ToySetup(delay=0.001)}}
    benchmark = Benchmark(Path({folder!r}), setups, {{"interior": toy_tasks(30)}}, settings)
    benchmark.run(Console(file=io.StringIO()))
"""


def test_a_killed_benchmark_goes_on_where_it_was(tmp_path):
    script = tmp_path / "slow_run.py"
    folder = tmp_path / "run"
    script.write_text(SLOW_RUN.format(here=str(Path(__file__).parent), folder=str(folder)))
    process = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60.0
    while len(list(folder.glob("chunks/*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    survived = {path.name: path.read_bytes() for path in folder.glob("chunks/*.parquet")}
    assert 3 <= len(survived) < 15
    with pytest.raises(DatasetError, match="no finished benchmark"):
        BenchmarkResult.open(folder)
    settings = BenchmarkSettings(chunk=2, workers=1, traces=0)
    tasks = {"interior": toy_tasks(30)}
    result = run(folder, {"expert": ToySetup(delay=0.001)}, tasks, settings)
    for name, content in survived.items():
        assert (folder / "chunks" / name).read_bytes() == content
    whole = run(tmp_path / "whole", {"expert": ToySetup()}, tasks)
    np.testing.assert_array_equal(
        result.values("expert", "interior", "rmse"), whole.values("expert", "interior", "rmse")
    )


def test_table_is_readable_without_this_package(tmp_path):
    result = run(tmp_path, {"expert": ToySetup(), "soft": ToySetup(stiffness=4.0)})
    rows = pq.read_table(tmp_path / "episodes.parquet").to_pylist()
    assert len(rows) == 2 * (12 + 7)
    of_soft = [row["rmse"] for row in rows if row["controller"] == "soft" and row["region"] == "boundary"]
    assert of_soft == result.values("soft", "boundary", "rmse").tolist()


def test_nonsense_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="at least one controller"):
        Benchmark(tmp_path, {}, TASKS)
    with pytest.raises(SettingsError, match="none for boundary"):
        Benchmark(tmp_path, {"expert": ToySetup()}, {"interior": toy_tasks(1), "boundary": []})
    with pytest.raises(SettingsError, match="'expert' and 'other' do not"):
        run(tmp_path, {"expert": ToySetup(), "other": ToySetup(arm="another")})
    with pytest.raises(SettingsError, match=r"benchmark\.chunk"):
        BenchmarkSettings(chunk=0)
    result = run(tmp_path, {"expert": ToySetup()})
    with pytest.raises(DatasetError, match="no 'lqr' in 'interior'; controllers are expert"):
        result.values("lqr", "interior", "rmse")


def test_code_that_decides_results_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    def fingerprint(**sources: str) -> bytes:
        for name, text in sources.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "module.py").write_text(text)
        code_fingerprint.cache_clear()
        return code_fingerprint(tmp_path)

    before = fingerprint(control="a = 1", report="b = 1")
    assert fingerprint(report="b = 2") == before
    assert fingerprint(control="a = 2") != before
