"""Figures of episodes of the flexible arm, and that its studies judge on tasks that nothing was tuned on."""

import numpy as np
import pytest
from imagined_trials import ImaginedTrials

from ampc.chain import YawChain, rest_shapes
from ampc.episodes.episode import Episode
from ampc.experiments.flexible import expert, models
from ampc.experiments.flexible.motion import measure_motion, traces
from ampc.experiments.flexible.trial import FlexibleTrial
from ampc.robots import load_robot
from ampc.tasks import Task

PERIOD = 0.004


@pytest.fixture(scope="module")
def robot():
    return load_robot("flexible-arm-1")


def episode(robot, motors, dq=None, torque=None) -> Episode:
    """An arm that takes on shapes at rest, one after the other, with motors at given positions (T + 1, 3)."""
    chain, T, n = YawChain.from_robot(robot), len(motors) - 1, robot.n_joints
    q = rest_shapes(robot, np.asarray(motors, dtype=float))
    tip = np.array([chain.points(np.append(row, np.zeros(n)))[0][0] for row in q])
    speeds = np.zeros((T + 1, n)) if dq is None else dq
    torques = np.zeros((T, 3)) if torque is None else torque
    return Episode(
        task=Task(0, "random", np.asarray(motors[0]), tip[-1], np.asarray(motors[-1]), 0),
        controller="", control_period=PERIOD, time=PERIOD * np.arange(T), q=q[:-1], dq=speeds[:-1],
        end_effector=tip[:-1], measured_q=q[:-1, :3], measured_dq=speeds[:-1, :3], reference=q[-1],
        command=torques, corrective_torque=torques, compensation_torque=torques, applied_torque=torques,
        torque_saturated=np.zeros(T, bool), command_saturated=np.zeros(T, bool), step_time=np.zeros(T),
        fallbacks=((3, "first"), (5, "second"), (5, "third")), final_q=q[-1], final_dq=speeds[-1],
        final_end_effector=tip[-1], settled_at=None,
    )  # fmt: skip


def test_time_and_path_are_those_until_the_arm_stays_near_its_goal(robot):
    sweep = np.linspace(0.0, 1.0, 201)[:, None] * [0.5, 0.0, 0.0] + [0.0, 0.9, -0.5]
    figures = measure_motion(episode(robot, sweep), robot)
    path = episode(robot, sweep).end_effector
    radius = np.hypot(*path[0, :2])
    for name, ball in (("5 cm", 0.05), ("1 cm", 0.01)):
        angle = 0.5 - 2.0 * np.arcsin(0.5 * ball / radius)
        assert figures[f"d {name}"] == pytest.approx(angle * radius, abs=0.003)
        assert figures[f"t {name}"] == pytest.approx(angle / 0.5 * 200 * PERIOD, abs=1.01 * PERIOD)
    assert figures["distance"] == 0.0
    assert figures["distance 1.5 s"] is None
    assert not figures["settled"]


def test_an_arm_that_leaves_again_has_not_arrived(robot):
    there = np.tile([0.3, 0.9, -0.5], (20, 1))
    away = np.tile([1.3, 0.9, -0.5], (5, 1))
    assert measure_motion(episode(robot, np.vstack((away, there))), robot)["t 1 cm"] == 5 * PERIOD
    left = episode(robot, np.vstack((there, away, there)))
    assert measure_motion(left, robot)["t 5 cm"] == 25 * PERIOD


def test_every_point_is_held_against_every_obstacle(robot):
    above, below = [0.0, 1.2, -0.9], [0.0, -0.9, 1.2]
    figures = measure_motion(episode(robot, [above] * 10 + [below] * 3), robot)
    elbow = YawChain.from_robot(robot)
    lowest = elbow.points(np.append(rest_shapes(robot, np.array([below]))[0], np.zeros(robot.n_joints)))[0]
    name = robot.obstacle_points[1]
    assert figures[f"{name} in ground"] == 3
    assert figures[f"{name} in ground, depth"] == pytest.approx(-lowest[1, 2])
    assert figures[f"{robot.end_effector} in wall"] == 0
    assert figures["violating samples"] == 3
    assert figures["depth"] >= figures[f"{name} in ground, depth"]


def test_speeds_and_torques_are_shares_of_their_limits(robot):
    still = np.tile([0.3, 0.9, -0.5], (11, 1))
    dq, torque = np.zeros((11, robot.n_joints)), np.zeros((10, 3))
    motors = robot.actuated
    dq[4, motors[1]] = -1.01 * robot.velocity_limits[motors[1]]
    dq[7, motors[2]] = 1.5 * robot.velocity_limits[motors[2]]
    torque[2] = robot.torque_limits[:, 1]
    record = episode(robot, still, dq, torque)
    figures = measure_motion(record, robot)
    assert figures["fast samples"] == 1  # 1 % above the limit is forgiven
    assert figures["largest speed"] == pytest.approx(1.5)
    assert figures["torque at limit"] == pytest.approx(0.1)
    assert figures["fallback steps"] == 2
    assert figures["first fallback"] == "first"
    assert traces(record, robot).torque.max() == pytest.approx(1.0)


@pytest.mark.parametrize("study", [expert, models])
@pytest.mark.parametrize("quick", [False, True])
def test_tasks_are_fresh_and_each_is_run_once(study, quick):
    trials = [cell for cell in study.cells(quick).values() if isinstance(cell, FlexibleTrial)]
    seen = set()
    for trial in trials:
        tasks = trial.tasks
        assert not 1000 <= tasks.seed < 2000
        for index in range(tasks.first, tasks.first + tasks.count):
            key = tasks.region, tasks.stiffness_scale, index
            assert key not in seen
            seen.add(key)
    if not quick:
        assert len(seen) == {"expert": 400, "models": 40}[study.STUDY.name]


@pytest.mark.parametrize("study", [expert, models])
def test_tables_and_figures_of_trials_that_were_never_run(study, tmp_path):
    found = study.findings(study.cells(True), ImaginedTrials(tmp_path))
    for rows in found.tables.values():
        assert len({tuple(row) for row in rows}) == 1
    assert all(image.startswith(b"\x89PNG") for image in found.figures.values())


def test_the_expert_is_judged_on_each_plant_and_in_each_region(tmp_path):
    found = expert.findings(expert.cells(True), ImaginedTrials(tmp_path))
    rows = {(row["plant"], row["goals"], row["controller"]): row for row in found.tables["accuracy"]}
    assert len(rows) == 2 * 3 * 3
    assert rows["nominal", "all", "ours"]["tasks"] == 4
    assert rows["softer", "random", "ours"]["median at 3 s [mm]"] == pytest.approx(
        2.0 * rows["nominal", "random", "ours"]["median at 3 s [mm]"]
    )
    assert any("no film: nobody was there" in note for note in found.notes)
    assert not found.films


def test_models_are_held_against_the_one_with_two_segments(tmp_path):
    rows = models.findings(models.cells(True), ImaginedTrials(tmp_path)).tables["table_2"]
    assert [row["segments"] for row in rows] == list(models.SEGMENTS)
    for row in rows:
        assert row["d / 2 segments"] == row["t / 2 segments"] == row["mean time / 2 segments"] == 1.0
        assert row["both arrive [%]"] == 100.0
    assert {row["segments"]: row["published d"] for row in rows}[3] == 1.008
