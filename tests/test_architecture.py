"""The layout that docs/architecture.md describes, held against the imports."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "ampc"
ROOMS = re.findall(r"^\| `(\w+)/` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE)


def imported_rooms(path: Path) -> Iterator[str]:
    """Rooms that a module imports from, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ampc."):
            yield (node.module or "").split(".")[1]


def test_every_room_is_described() -> None:
    assert sorted(ROOMS) == sorted(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_rooms_import_only_rooms_above_them(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0]
    upwards = [
        found for found in imported_rooms(path) if found in ROOMS and ROOMS.index(found) > ROOMS.index(room)
    ]
    assert not upwards, f"{room} imports {upwards}, which stand below it in docs/architecture.md"


def test_every_room_has_tests() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert set(ROOMS) <= folders
