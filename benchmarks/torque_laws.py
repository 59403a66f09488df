"""How a command becomes a torque, and what that does to the expert, by arm, armature and control rate.

    python benchmarks/torque_laws.py [--tasks 200] [--output FILE]

``start of period`` takes computed torque where the arm is, ``middle of period`` where it will be halfway
through the time for which the torque is held, ``direct`` applies the command as a torque on top of gravity,
the specification's literal variant, which presumes unit inertia.
"""

import argparse
import copy
import dataclasses
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ampc.control.arm_controller import ArmController
from ampc.control.joint_mpc import JointMPC
from ampc.control.torque_laws import ComputedTorque, GravityCompensation, TorqueLaw
from ampc.episodes.rollout import run_episode
from ampc.plants import MujocoPlant, PlantSettings
from ampc.provenance import save_result
from ampc.robots import InverseKinematics, Robot, RobotDynamics, load_robot
from ampc.solvers import JointMPCSettings
from ampc.tasks import Task, TaskSampler

ARMS = Path(__file__).parent.parent / "examples" / "arms"
DURATION, WINDOW, TOLERANCE = 3.0, 0.3, 0.01


def with_armature(robot: Robot, armature: float) -> Robot:
    """The same arm with another motor inertia at every joint [kg m2]."""
    model = copy.copy(robot.model)
    model.dof_armature[:] = armature
    return dataclasses.replace(robot, model=model)


def torque_law(name: str, robot: Robot, period: float) -> TorqueLaw:
    """A law by its name in the tables."""
    dynamics = RobotDynamics(robot)
    if name == "direct":
        return GravityCompensation(dynamics)
    return ComputedTorque(dynamics, period if name == "middle of period" else 0.0)


def measure(robot: Robot, law: str, period: float, tasks: list[Task]) -> dict[str, float]:
    """Success and mean RMSE [m] of the expert, and samples beyond a position limit per episode."""
    controller = ArmController(
        robot,
        JointMPC(JointMPCSettings(), robot.n_joints),
        torque_law(law, robot, period),
        InverseKinematics(robot),
        period,
    )
    plant = MujocoPlant(robot, PlantSettings(control_period=period))
    lower, upper = robot.position_limits.T
    success, rmse, beyond = [], [], []
    for task in tasks:
        episode = run_episode(plant, controller, task, DURATION)
        success.append((episode.error[-round(WINDOW / period) :] < TOLERANCE).all())
        rmse.append(np.sqrt(np.mean(episode.error**2)))
        beyond.append(np.any((episode.q < lower - 1e-3) | (episode.q > upper + 1e-3), axis=1).sum())
    return {
        "success": float(np.mean(success)),
        "rmse": float(np.mean(rmse)),
        "beyond_position_limits": float(np.mean(beyond)),
    }


def main() -> None:
    """Run, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()

    rigid = load_robot("rigid-arm")
    computed = ("start of period", "middle of period")
    cases = [
        (robot, robot.name, law, period)
        for robot in (rigid, load_robot(ARMS / "bench_arm.urdf"), load_robot(ARMS / "ceiling_arm.xml"))
        for period in (0.05, 0.002)
        for law in computed
    ]
    cases += [
        (with_armature(rigid, armature), f"rigid-arm, armature {armature:g}", law, period)
        for armature in (0.02, 0.1, 0.3, 1.0)
        for period in (0.05, 0.002)
        for law in ("direct", "middle of period")
    ]
    rows = []
    for robot, name, law, period in track(cases, "torque laws", console=Console(stderr=True)):
        tasks = TaskSampler(robot).sample(arguments.tasks, "interior", seed=2)
        rows.append({"arm": name, "law": law, "period": period} | measure(robot, law, period, tasks))

    table = Table("arm", "torque law", "rate [Hz]", "success [%]", "RMSE [mm]", "beyond limits / episode")
    for row in rows:
        table.add_row(
            row["arm"],
            row["law"],
            f"{1 / row['period']:.0f}",
            f"{100 * row['success']:.1f}",
            f"{1000 * row['rmse']:.1f}",
            f"{row['beyond_position_limits']:.2f}",
        )
    Console().print(table)
    if arguments.output:
        record = {"tasks": arguments.tasks, "rows": rows}
        save_result(arguments.output, record)


if __name__ == "__main__":
    main()
