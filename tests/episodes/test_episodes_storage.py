"""Datasets on disk: the layout, what damages them, and that nothing is lost or doubled."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampc.episodes import files, lerobot
from ampc.episodes.dataset import Dataset
from ampc.episodes.episode import Episode
from ampc.episodes.header import DatasetHeader
from ampc.episodes.storage import DatasetWriter
from ampc.episodes.summary import summarise
from ampc.errors import DatasetError
from ampc.tasks.task import PlantVariation, Task

PERIOD = 0.05


def make_header(n: int = 3, m: int | None = None, **changes) -> DatasetHeader:
    names = tuple(f"joint{i}" for i in range(n))
    header = DatasetHeader("arm", "0123456789abcdef", names, names[: m or n], PERIOD, "mpc", {"horizon": 20})
    return replace(header, **changes)


def make_episode(index: int, n: int = 3, m: int | None = None) -> Episode:
    """An episode of random numbers that depend on its index alone."""
    rng = np.random.default_rng(index)
    m = m or n
    length = int(rng.integers(1, 12))
    task = Task(
        index, ["interior", "boundary"][index % 2],
        rng.normal(size=m), rng.normal(size=3), rng.normal(size=m),
        int(rng.integers(2**31)), PlantVariation(payload=1.0) if index % 3 == 0 else PlantVariation(),
    )  # fmt: skip
    rows = [rng.normal(size=(length, size)) for size in (n, n, 3, m, m, m, m, m, m)]
    q, dq, end_effector, measured_q, measured_dq, command, corrective, compensation, applied = rows
    return Episode(
        task, "mpc", PERIOD, np.arange(length) * PERIOD, q, dq, end_effector, measured_q, measured_dq,
        rng.normal(size=n), command, corrective, compensation, applied, rng.random(length) < 0.3,
        np.zeros(length, dtype=bool), rng.random(length), ((0, "tired"),) if index == 4 else (),
        q[-1], dq[-1], end_effector[-1], None if index % 4 == 0 else 0.1,
    )  # fmt: skip


def store(folder: Path, episodes: int, shard: int = 4, **header) -> DatasetWriter:
    """Write and finish a dataset of random episodes."""
    writer = DatasetWriter(folder, make_header(**header))
    size = {key: header[key] for key in ("n", "m") if key in header}
    for run in writer.missing(episodes, shard):
        writer.write(run.start, [make_episode(index, **size) for index in run])
    writer.finish(episodes)
    return writer


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def few_rows_per_file(monkeypatch):
    """Several data files even for small datasets."""
    monkeypatch.setattr(lerobot.split_into_files, "__defaults__", (25,))


@pytest.mark.parametrize(("n", "m"), [(3, 3), (1, 1), (5, 2)])
def test_what_was_written_is_read_back(tmp_path, n, m, few_rows_per_file):
    store(tmp_path, 20, n=n, m=m)
    dataset = Dataset.open(tmp_path)
    episodes = [make_episode(index, n, m) for index in range(20)]
    assert dataset.n_episodes == 20
    assert len(dataset) == sum(map(len, episodes))
    for index, episode in enumerate(episodes):
        start, length = dataset.episode_starts[index], dataset.episode_lengths[index]
        rows = {name: column[start : start + length] for name, column in dataset.frames.items()}
        np.testing.assert_array_equal(
            rows["observation.state"], np.hstack([episode.measured_q, episode.measured_dq])
        )
        np.testing.assert_array_equal(rows["state.true"], np.hstack([episode.q, episode.dq]))
        np.testing.assert_array_equal(rows["action"], episode.command)
        np.testing.assert_array_equal(rows["torque.corrective"], episode.corrective_torque)
        np.testing.assert_array_equal(rows["torque.compensation"], episode.compensation_torque)
        np.testing.assert_array_equal(rows["torque.applied"], episode.applied_torque)
        np.testing.assert_array_equal(rows["observation.end_effector"], episode.end_effector)
        np.testing.assert_array_equal(rows["observation.goal"], np.tile(episode.task.goal, (length, 1)))
        np.testing.assert_array_equal(rows["observation.reference"], np.tile(episode.reference, (length, 1)))
        np.testing.assert_array_equal(rows["frame_index"], np.arange(length))
        np.testing.assert_allclose(rows["timestamp"], episode.time, atol=1e-6)
        assert dataset.episodes["seed"][index] == episode.task.seed
        assert dataset.episodes["region"][index] == episode.task.region
        assert dataset.episodes["settled_at"][index] == episode.settled_at
        assert dataset.episodes["start"][index] == episode.task.start.tolist()
        assert json.loads(dataset.episodes["variation"][index])["payload"] == episode.task.variation.payload


def test_layout_is_lerobots_and_readable_with_pyarrow_alone(tmp_path, few_rows_per_file):
    """What LeRobot's v3 reader asks for: info.json, declared features, episode rows, tasks, stats."""
    store(tmp_path, 20)
    info = json.loads((tmp_path / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_tasks"], info["fps"]) == (20, 1, 20)
    assert info["splits"] == {"train": "0:20"}
    paths = sorted((tmp_path / "data").glob("*/*.parquet"))
    data = pa.concat_tables(pq.ParquetFile(path).read() for path in paths)
    assert len(paths) > 2
    assert data.num_rows == info["total_frames"]
    assert data.column_names == list(info["features"])
    for name, feature in info["features"].items():
        kind = data.schema.field(name).type
        size = kind.list_size if pa.types.is_fixed_size_list(kind) else 1
        assert [size] == feature["shape"]
        assert (kind.value_type if size > 1 else kind) == pa.from_numpy_dtype(np.dtype(feature["dtype"]))
        assert feature["names"] is None or len(feature["names"]) == size
    assert data["index"].to_pylist() == list(range(data.num_rows))

    rows = [
        row
        for path in sorted((tmp_path / "meta/episodes").glob("*/*"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]
    assert [row["episode_index"] for row in rows] == list(range(20))
    for row in rows:
        start, stop = row["dataset_from_index"], row["dataset_to_index"]
        assert stop - start == row["length"]
        assert set(data["episode_index"][start:stop].to_pylist()) == {row["episode_index"]}
        path = info["data_path"].format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )
        own = pq.ParquetFile(tmp_path / path).read(["index"])["index"].to_pylist()
        assert own[0] <= start < stop <= own[-1] + 1
        action = np.array(data["action"][start:stop].to_pylist())
        np.testing.assert_allclose(row["stats/action/mean"], action.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(row["stats/action/std"], action.std(axis=0), atol=1e-12)
        np.testing.assert_allclose(row["stats/action/q10"], np.quantile(action, 0.1, axis=0), atol=1e-12)
        np.testing.assert_allclose(row["stats/action/q99"], np.quantile(action, 0.99, axis=0), atol=1e-12)
        assert row["stats/action/count"] == [stop - start]
        assert row["tasks"] == ["Move the end effector to the goal position."]
    assert json.loads(pq.read_schema(tmp_path / "meta/tasks.parquet").metadata[b"pandas"])[
        "index_columns"
    ] == ["task"]
    stats = json.loads((tmp_path / "meta/stats.json").read_text())
    assert set(stats) == set(info["features"])
    action = np.array(data["action"].to_pylist())
    np.testing.assert_allclose(stats["action"]["std"], action.std(axis=0), atol=1e-12)
    assert stats["action"]["count"] == [data.num_rows]


def test_pandas_reads_the_tables(tmp_path):
    pandas = pytest.importorskip("pandas")
    store(tmp_path, 5)
    tasks = pandas.read_parquet(tmp_path / "meta/tasks.parquet")
    assert tasks.index.name == "task"
    assert tasks.loc["Move the end effector to the goal position."].task_index == 0
    assert "action" in pandas.read_parquet(tmp_path / "data/chunk-000/file-000.parquet")


def test_result_does_not_depend_on_shards_their_order_or_extension(tmp_path, few_rows_per_file):
    store(tmp_path / "once", 30, shard=30)
    writer = DatasetWriter(tmp_path / "mixed", make_header())
    for run in reversed(writer.missing(30, 7)):
        writer.write(run.start, [make_episode(index) for index in run])
    writer.finish(30)
    for episodes in (1, 8, 9, 22, 30):
        store(tmp_path / "extended", episodes, shard=5)
        assert Dataset.open(tmp_path / "extended").n_episodes == episodes
    assert contents(tmp_path / "once") == contents(tmp_path / "mixed")
    assert contents(tmp_path / "once") == contents(tmp_path / "extended")


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=60),
    more=st.lists(st.integers(1, 40), max_size=60),
)
def test_more_episodes_change_only_the_last_file_and_only_append_to_it(lengths, more):
    before = lerobot.split_into_files(lengths, 50)
    after = lerobot.split_into_files(lengths + more, 50)
    assert [episode for part in after for episode in part] == list(range(len(lengths + more)))
    assert after[: len(before) - 1] == before[:-1]
    assert after[len(before) - 1].start == before[-1].start
    assert after[len(before) - 1].stop >= before[-1].stop


def test_overlapping_shards_double_nothing(tmp_path):
    """A worker that outlived its killed parent may have stored what its successor stored again."""
    store(tmp_path / "once", 12)
    writer = DatasetWriter(tmp_path / "twice", make_header())
    for run in (range(0, 5), range(3, 9), range(4, 6), range(6, 12)):
        writer.write(run.start, [make_episode(index) for index in run])
    writer.finish(12)
    assert contents(tmp_path / "once") == contents(tmp_path / "twice")


@pytest.mark.parametrize("killed_after", range(8))
def test_killed_while_finishing_an_extension_goes_on(tmp_path, monkeypatch, few_rows_per_file, killed_after):
    """Whatever file was the last that got written, the next run ends with the same dataset."""
    store(tmp_path / "once", 20)
    store(tmp_path / "killed", 7)
    writer = DatasetWriter(tmp_path / "killed", make_header())
    for run in writer.missing(20, 4):
        writer.write(run.start, [make_episode(index) for index in run])
    written = []

    def write_until_killed(path, write):
        if len(written) == killed_after:
            raise KeyboardInterrupt
        written.append(path)
        original(path, write)

    original = files.write_atomically
    monkeypatch.setattr(files, "write_atomically", write_until_killed)
    with pytest.raises(KeyboardInterrupt):
        writer.finish(20)
    monkeypatch.setattr(files, "write_atomically", original)
    (tmp_path / "killed/data/chunk-000/.file-000.parquet.99.tmp").write_bytes(b"PAR1 half")
    if killed_after:
        with pytest.raises(DatasetError, match="go on"):
            Dataset.open(tmp_path / "killed")
    assert DatasetWriter(tmp_path / "killed", make_header()).missing(20, 4) == []
    store(tmp_path / "killed", 20)
    assert contents(tmp_path / "once") == contents(tmp_path / "killed")


def test_half_written_shards_are_removed_and_made_again(tmp_path):
    writer = DatasetWriter(tmp_path, make_header())
    writer.write(0, [make_episode(0)])
    leftover = tmp_path / ".shards" / ".episodes-00000001-00000001.parquet.99.tmp"
    leftover.write_bytes(b"PAR1 half")
    assert writer.missing(3, 2) == [range(1, 2), range(2, 3)]
    assert not leftover.exists()


def test_unfinished_datasets_are_refused(tmp_path):
    writer = DatasetWriter(tmp_path, make_header())
    writer.write(0, [make_episode(0)])
    with pytest.raises(DatasetError, match="not finished"):
        Dataset.open(tmp_path)
    with pytest.raises(DatasetError, match="episode 1 is not stored"):
        writer.finish(2)


def test_other_settings_are_refused_by_name(tmp_path):
    store(tmp_path, 3)
    with pytest.raises(DatasetError, match=r"settings\.horizon: 20 -> 30"):
        DatasetWriter(tmp_path, make_header(settings={"horizon": 30}))
    with pytest.raises(DatasetError, match="robot_fingerprint: 0123456789abcdef -> other"):
        DatasetWriter(tmp_path, make_header(robot_fingerprint="other"))
    DatasetWriter(tmp_path, make_header(ampc_version="9.9", git_commit="abc", robot_source="/moved"))


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DatasetError, match="not empty"):
        DatasetWriter(tmp_path, make_header())
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]


def test_require_refuses_another_robot_and_period(tmp_path, rigid_arm):
    store(tmp_path, 3)
    dataset = Dataset.open(tmp_path)
    with pytest.raises(DatasetError, match="of robot 'arm'"):
        dataset.require(robot=rigid_arm)
    with pytest.raises(DatasetError, match=r"row every 0.05 s, but 0.002 s"):
        dataset.require(control_period=0.002)
    dataset.require(control_period=0.05)


def rewrite(path: Path, change) -> None:
    pq.write_table(change(pq.ParquetFile(path).read()), path)


def with_nan(table: pa.Table) -> pa.Table:
    values = np.array(table["action"].to_pylist())
    values[2, 1] = np.nan
    column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return table.set_column(table.column_names.index("action"), "action", column)


DATA, EPISODES = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"


@pytest.mark.parametrize(
    ("damage", "file", "message"),
    [
        (lambda path: path.unlink(), DATA, "missing"),
        (lambda path: path.unlink(), EPISODES, "missing"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), DATA, "truncated or damaged"),
        (lambda path: os.truncate(path, 0), EPISODES, "truncated or damaged"),
        (lambda path: rewrite(path, lambda t: t.slice(1)), DATA, "rows instead of"),
        (lambda path: rewrite(path, lambda t: t.slice(1)), EPISODES, "damaged"),
        (lambda path: rewrite(path, lambda t: t.drop(["action"])), DATA, "action is missing"),
        (lambda path: rewrite(path, with_nan), DATA, "action is not finite in row 2"),
        (lambda path: rewrite(path, lambda t: t.take(np.arange(t.num_rows)[::-1])), DATA, "index is wrong"),
        (lambda path: path.write_text("{"), "meta/info.json", "not valid JSON"),
        (lambda path: path.write_text("[]"), "meta/ampc.json", "damaged"),
        (lambda path: path.write_text('{"format_version": 99}'), "meta/ampc.json", "format version 99"),
        (lambda path: path.write_text('{"format_version": 2}'), "meta/ampc.json", "damaged"),
        (lambda path: path.write_text('{"codebase_version": "v2.1"}'), "meta/info.json", "v2.1"),
        (lambda path: path.write_text('{"codebase_version": "v3.0"}'), "meta/info.json", "total_episodes"),
        (lambda path: path.unlink(), "meta/ampc.json", "not a dataset"),
    ],
)
def test_damage_is_found_and_the_file_named(tmp_path, damage, file, message):
    store(tmp_path, 6)
    damage(tmp_path / file)
    with pytest.raises(DatasetError, match=message) as caught:
        Dataset.open(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_damaged_shard_is_named(tmp_path):
    writer = DatasetWriter(tmp_path, make_header())
    writer.write(0, [make_episode(0)])
    shard = next((tmp_path / ".shards").iterdir())
    os.truncate(shard, 40)
    with pytest.raises(DatasetError, match=f"{shard.name} is damaged.*delete it"):
        writer.missing(2, 1)


def test_non_finite_episodes_are_not_stored(tmp_path):
    writer = DatasetWriter(tmp_path, make_header())
    episode = make_episode(4)
    episode.dq[0, 0] = np.nan
    with pytest.raises(DatasetError, match=r"task 4 \(interior\): state.true is not finite: tired"):
        writer.write(0, [episode])
    assert writer.missing(1, 1) == [range(1)]


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path, monkeypatch):
    writer = DatasetWriter(tmp_path, make_header())
    writer.write(0, [make_episode(0)])

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.pq, "write_table", full)
    with pytest.raises(DatasetError, match=r"No space left on device.*run again to go on"):
        writer.write(1, [make_episode(1)])
    assert writer.missing(2, 1) == [range(1, 2)]
    assert not list((tmp_path / ".shards").glob(".*"))


def test_an_unwritable_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot write"):
        DatasetWriter(tmp_path / "file" / "dataset", make_header())


def test_summary(tmp_path):
    store(tmp_path, 12)
    summary = summarise(Dataset.open(tmp_path))
    episodes = [make_episode(index) for index in range(12)]
    assert summary.episodes == 12
    assert summary.rows == sum(map(len, episodes))
    assert summary.regions == {"boundary": 6, "interior": 6}
    assert summary.settled_share == pytest.approx(9 / 12)
    assert summary.varied_share == pytest.approx(4 / 12)
    assert summary.fallback_episodes == 1
    assert summary.torque_saturated_share == pytest.approx(
        sum(episode.torque_saturated.sum() for episode in episodes) / summary.rows
    )
    assert summary.duration_max == pytest.approx(max(map(len, episodes)) * PERIOD)
    actions = np.concatenate([episode.command for episode in episodes])
    column = next(
        column for column in summary.columns if (column.column, column.name) == ("action", "joint1")
    )
    assert (column.low, column.high) == (actions[:, 1].min(), actions[:, 1].max())
    assert summary.bytes == sum(map(len, contents(tmp_path).values()))


def test_moving_a_dataset_keeps_it_valid(tmp_path):
    store(tmp_path / "old", 4)
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert Dataset.open(tmp_path / "new").n_episodes == 4
