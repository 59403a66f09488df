"""A study on disk: tables as CSV and JSON, figures, and a page that shows both."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ampc.episodes.files import write_json
from ampc.evaluation.summary import to_plain
from ampc.experiments.cell import Cell, Store, describe
from ampc.experiments.sharing import share
from ampc.experiments.study import Findings, Row, Study, Value
from ampc.provenance import provenance


def write_study(
    folder: Path, study: Study, cells: Mapping[str, Cell], store: Store, findings: Findings, quick: bool
) -> None:
    """Write ``NAME.csv`` for every table, figures, films, ``study.json`` and ``README.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {name: [_plain(row) for row in rows] for name, rows in findings.tables.items()}
    for name, rows in tables.items():
        _write_csv(folder / f"{name}.csv", rows)
    for name, image in findings.figures.items():
        (folder / f"{name}.png").write_bytes(image)
    for name, film in findings.films.items():
        (folder / f"{name}.mp4").write_bytes(film)
    origin = provenance()
    records, parts = share(
        {
            name: {
                "key": cell.key,
                "commit": store.commit(cell),
                "seconds": round(store.seconds(cell), 1),
                "settings": describe(cell),
            }
            for name, cell in cells.items()
        }
    )
    content = {
        "provenance": origin,
        "study": study.name,
        "question": study.question,
        "quick": quick,
        "notes": list(findings.notes),
        "tables": tables,
        "cells": records,
        "shared": parts,
    }
    write_json(folder / "study.json", content)
    lines = [f"# {study.title}", "", study.question, ""]
    lines += [line for note in findings.notes for line in (note, "")]
    for name, rows in tables.items():
        lines += [f"## {name.replace('_', ' ')}", "", *markdown(rows), ""]
    for name in findings.figures:
        lines += [f"![{name.replace('_', ' ')}]({name}.png)", ""]
    for name in findings.films:
        lines += [f"[Film: {name.replace('_', ' ')}]({name}.mp4)", ""]
    minutes = sum(store.seconds(cell) for cell in cells.values()) / 60.0
    lines += [
        f"Made by `{origin['command']}` at commit {origin['commit']}: {len(cells)} cells, "
        f"{minutes:.1f} minutes of one core besides what they share with other studies. Settings, seeds and "
        "commit of every cell are in `study.json`.",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines))


def markdown(rows: Sequence[Row]) -> list[str]:
    """A table in Markdown, numbers to four significant digits."""
    if not rows:
        return ["(no rows)"]
    columns = list(rows[0])
    marks = ["---:" if isinstance(rows[0][name], int | float) else "---" for name in columns]
    lines = [columns, marks, *([_cell(row[name]) for name in columns] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return str(value)


def _plain(row: Row) -> dict[str, Value]:
    """What JSON can hold: infinite numbers as words, and nothing where there is no number."""
    return {name: None if value != value else to_plain(value) for name, value in row.items()}


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
