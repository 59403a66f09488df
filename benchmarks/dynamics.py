"""Time of an arm's kinematics and dynamics, beside bare MuJoCo calls in the same process.

Run ``OMP_NUM_THREADS=1 python benchmarks/dynamics.py [--robot PATH] [--json FILE]``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
import tyro

from ampc.arrays import FloatArray
from ampc.provenance import save_result
from ampc.robots import KinematicChain, RobotDynamics, load_robot
from ampc.robots.symbolic import SymbolicDynamics

BATCH = 1000


@dataclass(frozen=True)
class Settings:
    """What to time."""

    robot: str = "rigid-arm"
    """Built-in arm or model file."""
    calls: int = 10_000
    """Timed calls of each function, at random states."""
    json: Path | None = None
    """File to write the figures to."""


def time_calls(call: Callable[[FloatArray, FloatArray], object], q: FloatArray, dq: FloatArray) -> FloatArray:
    """Duration of each call at states q, dq (s, n), after a warm-up [us]."""
    for i in range(min(200, len(q))):
        call(q[i], dq[i])
    durations = np.empty(len(q))
    for i in range(len(q)):
        start = time.perf_counter_ns()
        call(q[i], dq[i])
        durations[i] = (time.perf_counter_ns() - start) / 1000.0
    return durations


def main(settings: Settings) -> None:
    """Time everything, print a table, and write it if asked to."""
    robot = load_robot(settings.robot)
    model, data, n = robot.model, mujoco.MjData(robot.model), robot.n_joints
    dynamics, symbolic = RobotDynamics(robot), SymbolicDynamics(robot)
    chain = KinematicChain.from_robot(robot)
    rng = np.random.default_rng(0)
    q, dq = rng.uniform(-2.0, 2.0, (2, settings.calls, n))
    batch = rng.uniform(-2.0, 2.0, (BATCH, n))
    torque, full = np.zeros(robot.n_actuated), np.empty((n, n))

    def mujoco_kinematics(q: FloatArray, dq: FloatArray) -> None:
        data.qpos[:] = q
        mujoco.mj_kinematics(model, data)

    def mujoco_dynamics(q: FloatArray, dq: FloatArray) -> None:
        data.qpos[:], data.qvel[:] = q, dq
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_fwdVelocity(model, data)
        mujoco.mj_fullM(model, data, full)

    def mujoco_forward(q: FloatArray, dq: FloatArray) -> None:
        data.qpos[:], data.qvel[:] = q, dq
        mujoco.mj_forward(model, data)

    groups: dict[str, dict[str, Callable[[FloatArray, FloatArray], object]]] = {
        "end effector": {
            "MuJoCo mj_kinematics": mujoco_kinematics,
            "RobotDynamics": lambda q, dq: dynamics.end_effector(q),
            "SymbolicDynamics": lambda q, dq: symbolic.end_effector(q),
            "KinematicChain": lambda q, dq: chain.end_effector(q),
        },
        "mass matrix and bias": {
            "MuJoCo mj_fwdPosition, mj_fwdVelocity, mj_fullM": mujoco_dynamics,
            "RobotDynamics": dynamics.mass_matrix_and_bias,
            "SymbolicDynamics": lambda q, dq: (symbolic.mass_matrix(q), symbolic.bias(q, dq)),
        },
        "forward dynamics": {
            "MuJoCo mj_forward": mujoco_forward,
            "RobotDynamics": lambda q, dq: dynamics.forward_dynamics(q, dq, torque),
            "SymbolicDynamics": lambda q, dq: symbolic.forward_dynamics(q, dq, torque),
        },
    }
    rows = []
    for quantity, candidates in groups.items():
        timed = {name: time_calls(call, q, dq) for name, call in candidates.items()}
        peer = float(np.median(next(iter(timed.values()))))
        rows += [row(quantity, name, durations, peer) for name, durations in timed.items()]
        if quantity == "end effector":
            few = slice(max(1, settings.calls // 100))
            whole = time_calls(lambda q, dq: chain.end_effector(batch), q[few], dq[few])
            rows.append(row(quantity, f"KinematicChain, each of {BATCH}", whole / BATCH, peer))

    print(f"{robot.name}, {n} joints, {settings.calls} calls; microseconds; ratio of medians to MuJoCo")
    print(f"{'quantity':22}{'by':50}{'p50':>8}{'p99':>8}{'max':>9}{'ratio':>8}")
    for entry in rows:
        print(
            f"{entry['quantity']:22}{entry['by']:50}{entry['p50']:8.2f}{entry['p99']:8.2f}{entry['max']:9.1f}"
            f"{entry['ratio']:8.2f}"
        )
    if settings.json is not None:
        save_result(settings.json, {"robot": robot.name, "unit": "us", "rows": rows})


def row(quantity: str, by: str, durations: FloatArray, peer: float) -> dict[str, str | float]:
    """Summary of durations [us] beside the peer's median."""
    p50, p99 = np.percentile(durations, [50, 99])
    return {
        "quantity": quantity,
        "by": by,
        "p50": float(p50),
        "p99": float(p99),
        "max": float(np.max(durations)),
        "ratio": float(p50 / peer),
    }


if __name__ == "__main__":
    main(tyro.cli(Settings))
