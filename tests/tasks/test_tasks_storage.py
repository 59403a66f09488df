"""Task files come back as they were, and files that do not fit are refused with the reason."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ampc.errors import TaskError
from ampc.robots import Robot
from ampc.tasks import Task, TaskSampler, TaskSettings, VariationSettings, load_tasks, save_tasks


@pytest.fixture(scope="module")
def tasks(rigid_arm: Robot) -> list[Task]:
    settings = TaskSettings(variation=VariationSettings(payload=(0.0, 1.0), length_scale=(0.95, 1.05)))
    return TaskSampler(rigid_arm, settings).sample(20, "boundary", 1)


@pytest.fixture
def path(tmp_path: Path, tasks: list[Task], rigid_arm: Robot) -> Path:
    path = tmp_path / "sets" / "tasks.parquet"
    save_tasks(path, tasks, rigid_arm, TaskSettings(), seed=1)
    return path


def test_round_trip(path: Path, tasks: list[Task], rigid_arm: Robot) -> None:
    loaded = load_tasks(path, rigid_arm)
    assert len(loaded) == len(tasks)
    for before, after in zip(tasks, loaded, strict=True):
        for field in dataclasses.fields(Task):
            np.testing.assert_array_equal(getattr(before, field.name), getattr(after, field.name))
    assert [entry.name for entry in path.parent.iterdir()] == ["tasks.parquet"]


def test_another_robot_is_refused(path: Path, rigid_arm: Robot) -> None:
    other = dataclasses.replace(rigid_arm, position_limits=0.9 * rigid_arm.position_limits)
    with pytest.raises(TaskError, match="was made for robot"):
        load_tasks(path, other)


def test_truncated_files_are_refused(path: Path, rigid_arm: Robot) -> None:
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(TaskError, match="truncated or damaged"):
            load_tasks(path, rigid_arm)


def test_missing_rows_and_versions_and_foreign_files_are_refused(path: Path, rigid_arm: Robot) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 5), path)
    with pytest.raises(TaskError, match="holds 5 of 20 tasks"):
        load_tasks(path, rigid_arm)
    metadata = {b"ampc_tasks": table.schema.metadata[b"ampc_tasks"].replace(b'"version": 1', b'"version": 9')}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(TaskError, match="format version 9"):
        load_tasks(path, rigid_arm)
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(TaskError, match="not one of tasks"):
        load_tasks(path, rigid_arm)
    with pytest.raises(TaskError, match="there is no task file"):
        load_tasks(path.with_name("none.parquet"), rigid_arm)


def test_nothing_and_foreign_tasks_are_not_saved(tmp_path: Path, tasks: list[Task], rigid_arm: Robot) -> None:
    with pytest.raises(TaskError, match="no tasks"):
        save_tasks(tmp_path / "t.parquet", [], rigid_arm)
    longer = dataclasses.replace(tasks[0], start=np.zeros(5), witness=np.zeros(5))
    with pytest.raises(TaskError, match="3 joints"):
        save_tasks(tmp_path / "t.parquet", [longer], rigid_arm)
