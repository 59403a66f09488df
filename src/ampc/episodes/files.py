"""Files that are either there in full or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ampc.errors import DatasetError

TEMPORARY_SUFFIX = ".tmp"
"""Ending of files that are being written; what a killed process leaves behind."""


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under a temporary name, flush it to disk and move it into place.

    Args:
        path: Where the file is to appear; missing folders are made.
        write: Writes the content to the path it is given.

    Raises:
        DatasetError: If the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            _flush(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush(path.parent)
    except OSError as error:
        raise DatasetError(
            f"cannot write {path}: {error.strerror or error}. What was stored before is intact; "
            "make room or choose another folder, then run again to go on"
        ) from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a dict as JSON, atomically."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as parquet, atomically."""
    write_atomically(
        path, lambda temporary: pq.write_table(table, temporary, compression="zstd", use_dictionary=False)
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DatasetError: If the file is missing or damaged.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{path} is damaged (not valid JSON: {error}); restore it from a copy") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is damaged: it holds a {type(content).__name__}, not an object")
    return content


def read_table(path: Path, mend: str, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file.

    Args:
        path: The file.
        mend: What the user can do about a missing or damaged file.
        columns: Names of the columns to read; None for all.

    Raises:
        DatasetError: If the file is missing, truncated or otherwise not parquet.
    """
    try:
        return pq.ParquetFile(path).read(columns)
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; {mend}") from error
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path} is truncated or damaged ({error}); {mend}") from error


def _write_text(path: Path, text: str) -> None:
    path.write_text(text)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
