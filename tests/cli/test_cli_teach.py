"""One policy by any algorithm, from the command line."""

from pathlib import Path

import pytest
import torch

from ampc.cli.main import main
from ampc.cli.teach import is_lesson
from ampc.episodes.files import read_json
from ampc.policies.policy import Policy
from ampc.policies.runtime import OnnxPolicy
from ampc.policies.settings import NetworkSettings, flexible_inputs
from ampc.policies.spec import PolicySpec
from ampc.robots import load_robot


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["runs/a"], False),
        (["runs/a", "--algorithm", "dagger"], False),
        (["runs/a", "--algorithm=both"], False),
        (["--algorithm", "dagger", "rigid-arm", "--out", "runs/b"], True),
        (["--algorithm", "bc", "rigid-arm", "--out=runs/b"], True),
        (["rigid-arm", "--algorithm", "sac"], True),
        (["--algorithm=gail", "--help"], True),
    ],
)
def test_lessons_and_runs_are_told_apart(words: list[str], expected: bool) -> None:
    assert is_lesson(words) == expected


def test_a_policy_is_taught_and_exported(tmp_path: Path) -> None:
    words = ["train", "--algorithm", "bc", "rigid-arm", "--out", str(tmp_path), "--demonstrations", "3"]
    words += ["--workers", "1", "--duration", "0.5", "--training.epochs", "2", "--network.hidden-size", "8"]
    assert main(words) == 0
    spec = OnnxPolicy(tmp_path / "policy.onnx").spec
    spec.require(load_robot("rigid-arm"), 0.05)
    assert (spec.network.hidden_size, spec.inputs.history) == (8, 1)
    assert read_json(tmp_path / "lesson.json")["algorithm"] == "bc"


def test_an_agent_is_taught_and_exported(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    words = ["train", "--algorithm", "sac", "rigid-arm", "--out", str(tmp_path), "--duration", "0.4"]
    words += ["--experience.steps", "32", "--experience.arms", "2", "--experience.evaluation-tasks", "1"]
    words += ["--sac.learning-starts", "10", "--network.hidden-size", "32"]
    assert main(words) == 0
    assert OnnxPolicy(tmp_path / "policy.onnx").spec.training["control_steps"] == 32


def test_the_policy_of_an_agent_is_simulated_as_it_learned(tmp_path: Path) -> None:
    """It decides every 20 ms, in a loop of 4 ms."""
    torch.manual_seed(0)
    spec = PolicySpec.for_robot(
        load_robot("flexible-arm"),
        0.02,
        (20.0, 10.0, 10.0),
        "gravity-compensation",
        flexible_inputs(),
        NetworkSettings("ffn", 8, 1),
    )
    Policy(spec).save(tmp_path)
    words = ["simulate", "flexible-arm", "--policy", str(tmp_path), "--duration", "0.35"]
    assert main(words) == 0


def test_a_policy_is_taught_among_walls_behind_the_filter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arm, out = tmp_path / "arm.toml", tmp_path / "out"
    arm.write_text("n_seg = 1\n")
    small = ["--duration", "0.06", "--dagger.labels", "130", "--dagger.goals", "2", "--dagger.rounds", "1"]
    small += ["--dagger.demonstration-share", "0.5", "--dagger.epochs", "1", "--training.epochs", "1"]
    words = ["train", "--algorithm", "dagger", str(arm), "--out", str(out), "--workers", "1", *small]
    walled = [*words, "--walls.distance", "0.05", "0.3"]
    assert main([*walled, "--filtered"]) == 0
    assert OnnxPolicy(out / "policy.onnx").spec.inputs == flexible_inputs(directions=True)
    options = read_json(out / "lesson.json")["options"]
    assert options["walls"]["distance"] == [0.05, 0.3]
    assert options["filtered"] is True
    # Other settings are refused, and what is in the folder is still described.
    for others, difference in ((walled, "setup.filter"), (words, "tasks.walls")):
        assert main(others) == 2
        assert difference in capsys.readouterr().err
        assert read_json(out / "lesson.json")["options"] == options
    assert main(["simulate", str(arm), "--policy", str(out), "--duration", "0.35"]) == 0


@pytest.mark.parametrize(
    ("algorithm", "robot", "words", "reason"),
    [
        ("bc", "flexible-arm", ["--filtered"], "--filtered is for dagger"),
        ("dagger", "rigid-arm", ["--filtered"], "arms with flexible links"),
        ("bc", "rigid-arm", ["--walls.distance", "0.1", "0.2"], "arms with flexible links"),
        ("bc", "flexible-arm", ["--walls.direction", "0", "1"], "--walls.distance says how near"),
    ],
)
def test_walls_and_filter_are_refused_where_they_mean_nothing(
    algorithm: str,
    robot: str,
    words: list[str],
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main(["train", "--algorithm", algorithm, robot, "--out", str(out), *words]) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_unknown_and_missing_algorithms_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--algorithm", "trpo", "rigid-arm", "--out", str(tmp_path)]) == 2
    assert main(["train", "rigid-arm", "--out", str(tmp_path)]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "there is no algorithm 'trpo'" in shown
    assert "--algorithm is missing; choose one of airl, bc" in shown
