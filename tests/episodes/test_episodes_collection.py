"""Collection: the data depend on the settings alone, whatever happens to the processes."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ampc.episodes import collection
from ampc.episodes.collection import CollectionSettings, collect, tasks_of_episodes
from ampc.episodes.dataset import Dataset
from ampc.episodes.setup import ControllerSettings, EpisodeSetup, RobotSettings
from ampc.episodes.summary import summarise
from ampc.errors import DatasetError, SettingsError
from ampc.plants import PlantSettings
from ampc.tasks import TaskSampler, TaskSettings, VariationSettings

SETUP = EpisodeSetup()
TASKS = TaskSettings()
SMALL = CollectionSettings(episodes=9, shard_episodes=2, workers=1, max_duration=0.4)


def quiet() -> Console:
    return Console(file=io.StringIO())


def contents(folder: Path) -> dict[str, bytes]:
    """Files by name, without the commit: the checkout may change while the tests run."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    header = json.loads(found["meta/ampc.json"])
    del header["git_commit"]
    return found | {"meta/ampc.json": json.dumps(header).encode()}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A small dataset that was collected without interruption by this process alone."""
    folder = tmp_path_factory.mktemp("once") / "dataset"
    collect(SETUP, TASKS, SMALL, folder, quiet())
    return folder


def test_labels_are_what_the_expert_did(small, rigid_arm):
    dataset = Dataset.open(small)
    dataset.require(rigid_arm, 0.05)
    frames = dataset.frames
    assert dataset.n_episodes == 9
    assert set(dataset.episode_lengths) == {8}
    np.testing.assert_allclose(
        frames["torque.applied"],
        np.clip(frames["torque.corrective"] + frames["torque.compensation"], *rigid_arm.torque_limits.T),
        atol=1e-12,
    )
    np.testing.assert_array_equal(frames["observation.state"], frames["state.true"])
    starts = frames["state.true"][dataset.episode_starts]
    np.testing.assert_array_equal(starts[:, :3], dataset.episodes["start"])
    np.testing.assert_array_equal(starts[:, 3:], 0.0)
    assert np.abs(frames["action"]).max() <= 10.0 + 1e-9


def test_number_of_processes_and_shards_do_not_matter(small, tmp_path):
    settings = replace(SMALL, workers=2, shard_episodes=3)
    collect(SETUP, TASKS, settings, tmp_path, quiet())
    assert contents(tmp_path) == contents(small)


def test_extending_computes_only_what_is_missing(small, tmp_path, monkeypatch):
    made = []
    run = collection._Worker.run
    monkeypatch.setattr(collection._Worker, "run", lambda self, part: made.extend(part) or run(self, part))
    collect(SETUP, TASKS, replace(SMALL, episodes=5), tmp_path, quiet())
    collect(SETUP, TASKS, SMALL, tmp_path, quiet())
    assert made == list(range(9))
    assert contents(tmp_path) == contents(small)
    collect(SETUP, TASKS, replace(SMALL, episodes=3), tmp_path, quiet())
    assert made == list(range(9))
    assert contents(tmp_path) == contents(small)


COLLECT = """
from pathlib import Path
from ampc.episodes.collection import CollectionSettings, collect
from ampc.episodes.setup import EpisodeSetup
from ampc.tasks import TaskSettings
if __name__ == "__main__":
    settings = CollectionSettings(episodes=9, shard_episodes=2, workers={workers}, max_duration=0.4)
    collect(EpisodeSetup(), TaskSettings(), settings, Path({folder!r}))
"""


def start(tmp_path: Path, folder: Path, workers: int) -> subprocess.Popen[str]:
    script = tmp_path / "collect.py"
    script.write_text(COLLECT.format(folder=str(folder), workers=workers))
    return subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for_shards(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and len(list((folder / ".shards").glob("*.parquet"))) < count:
        time.sleep(0.002)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_loses_and_doubles_nothing(small, tmp_path, workers):
    """Killed again and again after one more shard, the collection ends with the same bytes."""
    folder = tmp_path / "dataset"
    rng = np.random.default_rng(workers)
    for shards in (1, 2):
        process = start(tmp_path, folder, workers)
        wait_for_shards(folder, shards, process)
        time.sleep(rng.uniform(0.0, 0.02))
        process.kill()
        process.wait()
        kept = len(list((folder / ".shards").glob("*.parquet")))
        assert kept >= shards or (folder / "meta/info.json").exists()
        deadline = time.monotonic() + 10.0
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not alive(process.pid), "a worker outlived its killed parent"
    collect(SETUP, TASKS, SMALL, folder, quiet())
    assert contents(folder) == contents(small)


def test_ctrl_c_says_how_to_go_on(small, tmp_path):
    folder = tmp_path / "dataset"
    process = start(tmp_path, folder, workers=2)
    wait_for_shards(folder, 1, process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    if process.returncode != 0:
        assert "Run the same command again to go on" in errors
    collect(SETUP, TASKS, SMALL, folder, quiet())
    assert contents(folder) == contents(small)


def test_a_worker_that_dies_is_a_clear_error_and_loses_nothing(small, tmp_path):
    """As if the kernel had killed it for want of memory."""
    folder = tmp_path / "dataset"
    process = start(tmp_path, folder, workers=2)
    wait_for_shards(folder, 1, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("needs /proc")
    for child in children.read_text().split():
        command = Path(f"/proc/{child}/cmdline").read_text()
        if "spawn_main" in command:
            os.kill(int(child), signal.SIGKILL)
            break
    _, errors = process.communicate(timeout=30)
    if process.returncode != 0:
        assert "a worker process died" in errors
    collect(SETUP, TASKS, SMALL, folder, quiet())
    assert contents(folder) == contents(small)


@pytest.mark.parametrize(
    ("setup", "tasks", "settings", "message"),
    [
        (SETUP, TASKS, replace(SMALL, seed=5), "collection.seed: 0 -> 5"),
        (SETUP, TASKS, replace(SMALL, hold=0.5), "collection.hold: 0.3 -> 0.5"),
        (SETUP, TaskSettings(variation=VariationSettings(payload=(0.0, 1.0))), SMALL, "variation.payload"),
        (replace(SETUP, plant=PlantSettings(physics_step=0.0005)), TASKS, SMALL, "plant.physics_step"),
        (
            replace(SETUP, controller=ControllerSettings(kind="lqr")),
            TASKS,
            SMALL,
            "controller.kind: mpc -> lqr",
        ),
    ],
)
def test_other_settings_are_refused_by_name(small, setup, tasks, settings, message):
    with pytest.raises(DatasetError, match=message):
        collect(setup, tasks, settings, small, quiet())


def test_errors_of_the_setup_come_before_any_process_starts(tmp_path):
    setup = EpisodeSetup(robot=RobotSettings(source="no-such-arm"))
    with pytest.raises(ValueError, match="no-such-arm"):
        collect(setup, TASKS, SMALL, tmp_path / "dataset", quiet())
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize("field", ["episodes", "workers", "shard_episodes"])
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(SettingsError, match=field):
        CollectionSettings(**{field: 0})


def test_regions_take_turns_and_each_keeps_its_own_tasks(rigid_arm):
    sampler = TaskSampler(rigid_arm, TASKS)
    settings = replace(SMALL, regions=("interior", "boundary", "interior"))
    tasks = tasks_of_episodes(sampler, settings, range(8))
    assert [task.region for task in tasks] == [*settings.regions, *settings.regions, "interior", "boundary"]
    interior = [task for task in tasks if task.region == "interior"]
    expected = sampler.sample(5, "interior", settings.seed)
    assert [task.index for task in interior] == [0, 1, 2, 3, 4]
    for one, other in zip(interior, expected, strict=True):
        np.testing.assert_array_equal(one.goal, other.goal)
    pieces = [
        task
        for part in (range(0, 4), range(4, 5), range(5, 8))
        for task in tasks_of_episodes(sampler, settings, part)
    ]
    for one, other in zip(tasks, pieces, strict=True):
        np.testing.assert_array_equal(one.start, other.start)
        np.testing.assert_array_equal(one.goal, other.goal)
        assert (one.index, one.seed) == (other.index, other.seed)


def test_episodes_hold_still_after_settling(tmp_path):
    settings = CollectionSettings(episodes=4, workers=1, shard_episodes=4)
    dataset = collect(SETUP, TASKS, settings, tmp_path, quiet())
    for index, settled_at in enumerate(dataset.episodes["settled_at"]):
        assert settled_at is not None
        assert dataset.episode_lengths[index] * 0.05 == pytest.approx(settled_at + 0.3)
    summary = summarise(dataset)
    assert summary.settled_share == 1.0
    assert summary.final_error_max < 0.01


def test_noise_and_payload_reach_the_data(tmp_path):
    tasks = TaskSettings(variation=VariationSettings(payload=(0.5, 1.0), position_noise=(0.01, 0.01)))
    dataset = collect(SETUP, tasks, replace(SMALL, episodes=3), tmp_path, quiet())
    difference = dataset.frames["observation.state"] - dataset.frames["state.true"]
    assert difference[:, :3].std() == pytest.approx(0.01, rel=0.3)
    assert summarise(dataset).varied_share == 1.0


def test_progress_in_a_log_is_plain_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("ampc.episodes.progress.SECONDS_BETWEEN_LINES", 0.0)
    log = io.StringIO()
    collect(SETUP, TASKS, SMALL, tmp_path, Console(file=log, width=200))
    lines = log.getvalue().splitlines()
    assert len(lines) == 6
    assert "2 of 9 episodes" in lines[0]
    assert "labels/s" in lines[0]
    assert lines[-1].startswith("collected 9 of 9 episodes")
    assert "\x1b" not in log.getvalue()


@pytest.mark.parametrize(
    ("name", "value"), [("max_duration", 0.0), ("settle_tolerance", -1.0), ("hold", -0.1)]
)
def test_times_and_tolerances_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"collection.{name}"):
        CollectionSettings(**{name: value})
