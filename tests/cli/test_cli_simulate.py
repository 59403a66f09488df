from pathlib import Path

import numpy as np
import pytest

from ampc.cli import main
from ampc.cli.options import Simulate
from ampc.cli.simulate import _task
from ampc.policies import NetworkSettings, PolicySpec
from ampc.policies.policy import Policy
from ampc.policies.settings import flexible_inputs
from ampc.report import RenderingUnavailableError
from ampc.robots import Robot, RobotDynamics, load_robot
from ampc.robots.rest import find_rest


def test_flexible_arm_reaches_its_goal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "flexible-arm", "--task", "1"]) == 0
    shown = capsys.readouterr().out
    assert "within 10 mm at the end  yes" in shown
    assert "fallbacks                0" in shown


def test_softer_links_and_goals_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    goal = ["--goal", "0.5", "0.3", "0.5"]
    assert main(["simulate", "flexible-arm", "--stiffness-scale", "0.9", *goal]) == 0
    shown = capsys.readouterr().out
    assert "(0.500, 0.300, 0.500) m" in shown
    assert "within 10 mm at the end  yes" in shown


def test_a_goal_of_the_user_has_a_witness_of_its_own() -> None:
    robot = load_robot("flexible-arm")
    goal = (0.5, 0.3, 0.5)
    task = _task(Simulate("flexible-arm", goal=goal), robot, flexible=True)
    at_rest = find_rest(RobotDynamics(robot), task.witness)
    np.testing.assert_allclose(RobotDynamics(robot).end_effector(at_rest), goal, atol=1e-3)
    unreachable = _task(Simulate("flexible-arm", goal=(3.0, 0.0, 0.0)), robot, flexible=True)
    np.testing.assert_array_equal(unreachable.witness, unreachable.start)


def test_goal_in_the_wall_holds_the_arm_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "flexible-arm", "--goal", "0.5", "-0.4", "0.5", "--duration", "1"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "within 10 mm at the end no" in shown
    assert shown.count("inside 'wall'") == 1


def test_rigid_arm_with_a_payload_that_the_expert_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "rigid-arm"]) == 0
    assert "within 10 mm at the end  yes" in capsys.readouterr().out
    assert main(["simulate", "rigid-arm", "--payload", "2"]) == 0
    assert "within 10 mm at the end  no" in capsys.readouterr().out


def test_film_and_picture_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("film.mp4", "picture.png", "page.html"):
        arguments = ["simulate", "flexible-arm", "--duration", "0.4", "--out", str(tmp_path / name)]
        assert main(arguments) == 0
    page = (tmp_path / "page.html").read_text()
    assert "flexible-arm-10: one episode" in page
    assert "Joint torques" in page
    assert "Inverse kinematics" not in page
    if "no picture" in capsys.readouterr().out:
        pytest.skip("no off-screen OpenGL library here")
    assert (tmp_path / "film.mp4").stat().st_size > 5_000
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_library_to_draw_the_episode_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RenderingUnavailableError("egl: none")

    monkeypatch.setattr("ampc.report.episode.render_robot", fail)
    assert main(["simulate", "rigid-arm", "--duration", "0.5", "--out", str(tmp_path / "a.png")]) == 0
    assert "no picture: egl: none" in capsys.readouterr().out


def test_unknown_kind_of_picture_is_refused_before_the_episode(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "rigid-arm", "--out", "episode.gif"]) == 2
    assert "ends in .mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--duration", "nan"], "an episode of nan s has no end"),
        (["--duration", "inf"], "an episode of inf s has no end"),
        (["--task", "-1"], "counted from 0"),
        (["--plant", "flexible-arm-10"], "has a motor at every joint"),
        (["--walls.distance", "0.1", "0.1"], "has a motor at every joint"),
        (["--duration", "0.1"], "error: --duration 0.1: give at least 0.3 s"),
        (["--duration", "-1"], "error: --duration -1: give at least 0.3 s"),
    ],
)
def test_options_that_make_no_episode_are_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "rigid-arm", *arguments]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("arm", ["rigid-arm", "flexible-arm"])
def test_a_policy_drives(arm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    robot, flexible = load_robot(arm), arm == "flexible-arm"
    spec = PolicySpec.for_robot(
        robot,
        0.004 if flexible else 0.05,
        (10.0,) * 3,
        "gravity-compensation" if flexible else "computed-torque",
        flexible_inputs() if flexible else None,
        NetworkSettings("ffn", 8, 1),
    )
    policy = Policy(spec).eval()
    for weight in policy.parameters():  # what a random network does to the arm is chance
        weight.data.zero_()
    policy.save(tmp_path)
    assert main(["simulate", arm, "--policy", str(tmp_path), "--duration", "0.4"]) == 0
    assert "controller               ffn" in capsys.readouterr().out
    assert main(["simulate", "flexible-arm", "--policy", str(tmp_path), "--controller", "rest"]) == 2


def test_a_wall_of_the_tasks_own_is_obeyed_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[Robot] = []

    def render(robot: Robot, *_: object) -> None:
        drawn.append(robot)
        raise RenderingUnavailableError("not here")

    monkeypatch.setattr("ampc.report.episode.render_robot", render)
    walls = ["--walls.distance", "0.3", "0.3", "--walls.direction", "0", "0"]
    short = ["--duration", "0.3", "--controller", "rest"]
    free = ["--goal", "0.2", "-0.4", "0.5"]  # behind the robot's wall
    assert main(["simulate", "flexible-arm", *short, *walls, *free, "--out", str(tmp_path / "a.png")]) == 0
    assert drawn[0].obstacles[0].point[0] == pytest.approx(0.3)
    assert main(["simulate", "flexible-arm", *short, *walls, "--goal", "0.5", "0.3", "0.5"]) == 1
    assert "inside 'wall'" in " ".join(capsys.readouterr().out.split())
