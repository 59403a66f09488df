"""``ampc distill``: options of the arm with flexible links, and what is refused at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ampc.cli.distill_flexible import OPTIONS_FILE, is_flexible
from ampc.cli.main import main
from ampc.episodes.files import read_json
from ampc.episodes.filtered_setup import GuardedSetup
from ampc.errors import AmpcError
from ampc.experiments.cell import Cell
from ampc.experiments.flexible.policies import FlexiblePolicy
from ampc.experiments.flexible.taught import WalledPolicy
from ampc.experiments.study import Study

WALLED = ["--walls.distance", "0.05", "0.3", "--walls.direction", "0", "1.5", "--filtered"]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[FlexiblePolicy]:
    """Policies that were to be taught; nobody teaches them."""
    found: list[FlexiblePolicy] = []

    def note(studies: Sequence[Study], *_: Any, **__: Any) -> None:
        cells: list[Cell] = [each for trial in studies[0].cells(False).values() for each in trial.ingredients]
        found.extend(each for each in cells if isinstance(each, FlexiblePolicy))
        raise AmpcError("enough")

    monkeypatch.setattr("ampc.experiments.reproduce", note)
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["flexible-arm", "--out", "a"], True),
        (["--out", "a", "--filtered", "flexible-arm-1"], True),
        (["--out", "a", "my_arm.toml"], True),
        (["arms/my_arm.toml-10", "--out", "a"], True),
        (["rigid-arm", "--out", "flexible-arm-not"], False),
        (["rigid-arm", "--settings", "mine.toml", "--out=flexible-arm"], False),
        (["my_arm.xml", "--out", "a"], False),
    ],
)
def test_the_arm_decides_wherever_it_is_named(words: list[str], expected: bool) -> None:
    assert is_flexible(words) == expected


def distill(out: Path, *words: str) -> int:
    return main(["distill", "flexible-arm", "--out", str(out), "--preset", "quick", *words])


def test_walls_and_filter_reach_the_policy_and_are_saved(tmp_path: Path, begun: list[FlexiblePolicy]) -> None:
    distill(tmp_path, *WALLED, "--seed", "4")
    policy = begun[0]
    assert isinstance(policy, WalledPolicy)
    assert (policy.seed, policy.walls.distance, policy.walls.direction) == (4, (0.05, 0.3), (0.0, 1.5))
    assert isinstance(policy.setup, GuardedSetup)
    saved = read_json(tmp_path / OPTIONS_FILE)["options"]
    assert saved["walls"] == {"distance": [0.05, 0.3], "direction": [0.0, 1.5], "name": "wall"}
    assert saved["filtered"] is True


def test_a_folder_is_for_one_policy(
    tmp_path: Path, begun: list[FlexiblePolicy], capsys: pytest.CaptureFixture[str]
) -> None:
    distill(tmp_path, *WALLED, "--workers", "2")
    distill(tmp_path, *WALLED, "--workers", "1", "--tasks", "1")
    assert begun[0].key == begun[-1].key
    count = len(begun)
    assert distill(tmp_path) == 2
    assert len(begun) == count
    shown = " ".join(capsys.readouterr().err.split())
    assert "holds another policy: filtered: True -> False walls.direction: [0.0, 1.5] -> None" in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--walls.direction", "0", "1"], "give it too, such as --walls.distance 0.05 0.3"),
        (["--walls.distance", "0.3", "0.1"], "its ends must be in ascending order"),
        (["--walls.distance", "0.1", "0.1", "--walls.name", "wal"], "are: wall, ground"),
        (["--walls.distance", "0.1", "0.1", "--walls.name", "ground"], "is not upright"),
    ],
)
def test_walls_that_cannot_be_are_refused_before_anything_is_written(
    words: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert distill(tmp_path / "run", *words) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("robot", ["rigid-arm", "flexible-arm"])
@pytest.mark.parametrize(
    ("name", "hint"), [("quik", "did you mean 'quick'?"), ("huge", "choose one of quick, full")]
)
def test_a_misspelt_preset_is_named(
    robot: str, name: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["distill", robot, "--out", str(tmp_path / "run"), "--preset", name]) == 2
    assert f"error: unknown preset '{name}'; {hint}" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
