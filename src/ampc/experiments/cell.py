"""Cells: pieces of work whose results are kept on disk, named by everything that they depend on."""

import dataclasses
import hashlib
import json
import re
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ampc.episodes.files import read_json, write_json
from ampc.errors import AmpcError, DatasetError
from ampc.experiments.code import code_fingerprint
from ampc.provenance import git_commit

RESULT = "cell.json"
"""Written last: a folder that has it is finished."""
LOCK = "running.lock"
"""Held, by the operating system, while a process is at work in a folder."""


class Cell(ABC):
    """Base of frozen dataclasses of plain settings, and of other cells that have to be finished before.

    A dataset, a trained policy and an evaluation are cells. One that two studies share is made once.
    """

    @abstractmethod
    def run(self, folder: Path, store: "Store") -> dict[str, Any]:
        """Do the work, in one process with one thread.

        Args:
            folder: The cell's own; what an interrupted run has left there may be gone on with.
            store: Where the results of the cells among the settings are.

        Returns:
            What the study needs of the result, as plain values without infinite numbers. Files may be left in
            the folder besides.
        """

    @property
    def key(self) -> str:
        """Hash of the settings, of the code that the cell's module depends on, and of its ingredients."""
        return _key(self)

    @property
    def ingredients(self) -> tuple["Cell", ...]:
        """Cells among the settings, however deep."""
        return tuple(_cells_in([getattr(self, field.name) for field in _fields(self)]))


@dataclass(frozen=True)
class Store:
    """A folder with a folder for every cell."""

    root: Path
    """The folder."""

    def folder(self, cell: Cell) -> Path:
        """Where a cell's files are."""
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(cell).__name__).lower()
        return self.root / f"{kind}-{cell.key[:20]}"

    def is_finished(self, cell: Cell) -> bool:
        """Whether a cell has been run."""
        return (self.folder(cell) / RESULT).exists()

    def values(self, cell: Cell) -> dict[str, Any]:
        """What a finished cell's `run` has returned.

        Raises:
            DatasetError: If it has not been run, or its file is damaged.
        """
        return dict(self._record(cell)["values"])

    def seconds(self, cell: Cell) -> float:
        """Wall time of a finished cell [s], cells among its settings not counted."""
        return float(self._record(cell)["seconds"])

    def commit(self, cell: Cell) -> str | None:
        """Commit that a finished cell was run at."""
        commit: str | None = self._record(cell)["commit"]
        return commit

    def _record(self, cell: Cell) -> dict[str, Any]:
        if not self.is_finished(cell):
            raise DatasetError(f"{self.folder(cell)} is not finished; run the study to go on")
        return read_json(self.folder(cell) / RESULT)


def run_cell(job: tuple[str, Cell, Store]) -> tuple[str, AmpcError | None]:
    """Run a named cell and write down its result; returns the name, and why it failed if it did.

    A cell that another process has finished since is left as it is, and one that another is at work on fails.
    """
    name, cell, store = job
    folder = store.folder(cell)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            if not store.is_finished(cell):
                _run(cell, store)
    except Timeout:
        return name, AmpcError(f"{name}: another process is at work on it; run again later\n{folder}")
    except AmpcError as error:
        return name, AmpcError("\n".join([f"{name}: {error}", *getattr(error, "__notes__", []), str(folder)]))
    except Exception:  # a bug that shows in one cell must not cost the hours of the others
        return name, AmpcError(f"{name}: {traceback.format_exc()}")
    return name, None


def _run(cell: Cell, store: Store) -> None:
    folder, started = store.folder(cell), time.perf_counter()
    values = cell.run(folder, store)
    record = {
        "settings": describe(cell),
        "seconds": time.perf_counter() - started,
        "commit": git_commit(),
        "values": values,
    }
    write_json(folder / RESULT, record)


def describe(value: Any) -> Any:
    """Settings as plain values; cells and other dataclasses with the name of their class."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__} | fields
    if isinstance(value, tuple):
        return [describe(item) for item in value]
    return str(value) if isinstance(value, Path) else value


@cache
def _key(cell: Cell) -> str:
    digest = hashlib.sha256(code_fingerprint(type(cell).__module__).encode())
    digest.update(json.dumps(describe(cell), sort_keys=True).encode())
    for ingredient in cell.ingredients:
        digest.update(ingredient.key.encode())
    return digest.hexdigest()


def _cells_in(values: Any) -> Iterator[Cell]:
    for value in values:
        if isinstance(value, Cell):
            yield value
        elif isinstance(value, tuple):
            yield from _cells_in(value)
        elif dataclasses.is_dataclass(value):
            yield from _cells_in([getattr(value, field.name) for field in _fields(value)])


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)
