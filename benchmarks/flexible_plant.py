"""The fast flexible plant beside CVODES: how accurate, how fast, and how both grow with the segments.

Both plants run the same episode in the same process. A PD law with static feed-forward moves the arm
between two poses (`controlled`), the same with a kick every 0.1 s (`kicked`); each plant under its own
feedback, as in the episodes that they are for. Without feedback a difference grows as the arm falls:
`replayed` gives both plants the torques of `controlled`, `noise` random ones of a tenth of the limits.

Times are those of one control step of 4 ms, in this thread's processor time, so that other programs count
less.

    OMP_NUM_THREADS=1 python benchmarks/flexible_plant.py [--output FILE]
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.statics import rest_shapes
from ampc.plants import FlexiblePlant, FlexiblePlantSettings, Measurement
from ampc.plants.chain_plant import ChainPlant
from ampc.plants.cvodes_plant import CvodesPlant
from ampc.provenance import save_result
from ampc.robots import Robot, flexible_arm
from ampc.tasks import Task

SEGMENTS = (1, 2, 3, 5, 10)
PERIOD = 0.004
START, GOAL = np.array([0.3, 0.8, -0.6]), np.array([1.4, 1.5, -1.2])
STIFFNESS, DAMPING = np.array([20.0, 20.0, 6.0]), np.array([2.5, 0.3, 0.1])

ACCURACY, SPEED_UP, RATE = 3e-6, 40.0, 8000.0
"""Wanted of the fast plant at ten segments: rad over 1.5 s, times CVODES, control steps per second."""


@dataclass(frozen=True)
class Options:
    """What to measure."""

    duration: float = 1.5
    """Length of the episodes that are compared [s]."""
    calls: int = 5000
    """Timed control steps of the fast plant."""
    reference_calls: int = 100
    """Timed control steps of CVODES."""
    output: Path | None = None
    """File to write the figures to as JSON."""


def main(options: Options) -> None:
    """Measure, print, and write the figures if asked to."""
    arm = flexible_arm(10)
    steps = round(options.duration / PERIOD)
    law = PoseLaw(arm, steps)
    rng = np.random.default_rng(0)
    limits = arm.torque_limits[:, 1]
    kicks = np.repeat(rng.uniform(-0.05, 0.05, (steps // 25 + 1, 3)) * limits, 25, axis=0)
    noise = rng.uniform(-0.1, 0.1, (steps, 3)) * limits
    recorded = law.record(FlexiblePlant(arm))
    episodes: dict[str, Law] = {
        "controlled": law,
        "kicked": lambda k, measured: law(k, measured) + kicks[k],
        "replayed": lambda k, measured: recorded[k],
        "noise": lambda k, measured: noise[k],
    }
    accuracy = [
        {"motion": name, **compare(arm, episode, steps, physics_step)}
        for name, episode in episodes.items()
        for physics_step in (1e-3, 2.5e-4)
    ]
    print(f"{arm.name}: fast plant beside CVODES, largest difference in {options.duration} s")
    print(f"{'motion':12}{'physics step':>14}{'q [rad]':>12}{'dq [rad/s]':>13}{'fastest motor [rad/s]':>23}")
    for row in accuracy:
        print(
            f"{row['motion']:12}{1e3 * row['physics_step']:11.2f} ms{row['error_q']:12.1e}"
            f"{row['error_dq']:13.1e}{row['fastest']:23.1f}"
        )

    print(f"\ncontrol steps of {1e3 * PERIOD:g} ms, microseconds of processor time")
    print(f"{'n_seg':>6}{'by':>14}{'p50':>10}{'p99':>10}{'max':>10}{'steps/s':>10}{'ratio':>8}")
    growth = []
    for n_seg in SEGMENTS:
        robot = flexible_arm(n_seg)
        torques = PoseLaw(robot, max(options.calls, options.reference_calls)).record(FlexiblePlant(robot))
        reference = time_plant(CvodesPlant(robot), torques[: options.reference_calls])
        for by, durations in (
            ("CVODES", reference),
            ("FlexiblePlant", time_plant(FlexiblePlant(robot), torques)),
            ("chain alone", time_chain(robot, torques)),
        ):
            row = {"n_seg": n_seg, "by": by, **summary(durations)}
            row["ratio"] = float(reference.mean() / durations.mean())
            growth.append(row)
            print(
                f"{n_seg:6}{by:>14}{row['p50']:10.1f}{row['p99']:10.1f}{row['max']:10.1f}"
                f"{row['per_second']:10.0f}{row['ratio']:8.1f}"
            )

    plant = next(row for row in growth if row["n_seg"] == 10 and row["by"] == "FlexiblePlant")
    error = next(row["error_q"] for row in accuracy if row["motion"] == "controlled")
    verdicts = {
        f"error <= {ACCURACY:g} rad": bool(error <= ACCURACY),
        f">= {SPEED_UP:g} x CVODES": bool(plant["ratio"] >= SPEED_UP),
        f">= {RATE:g} control steps/s": bool(plant["per_second"] >= RATE),
    }
    print("\n" + "\n".join(f"{wanted}: {'met' if met else 'NOT met'}" for wanted, met in verdicts.items()))
    if options.output is not None:
        figures = {"unit": "us", "accuracy": accuracy, "growth": growth, "verdicts": verdicts}
        save_result(options.output, figures)


Law = Callable[[int, Measurement], FloatArray]
"""Torque (3,) [N m] of a control step."""


def task() -> Task:
    """The task whose start all episodes share."""
    return Task(0, "random", START, np.zeros(3), START, 0)


class PoseLaw:
    """A PD law with static feed-forward that swings between two poses every 0.8 s."""

    def __init__(self, robot: Robot, steps: int) -> None:
        """Plan the motion of an arm over so many control steps."""
        chain = YawChain.from_robot(robot)
        part = 0.5 - 0.5 * np.cos(np.pi * PERIOD / 0.8 * np.arange(steps))
        self._motors = START + part[:, None] * (GOAL - START)
        self._rates = np.gradient(part, PERIOD)[:, None] * (GOAL - START)
        states = np.pad(rest_shapes(chain, self._motors), ((0, 0), (0, robot.n_joints)))
        self._holding = np.array(
            [
                np.linalg.lstsq(chain.derivatives(x, np.zeros(3))[1], -chain.acceleration(x, np.zeros(3)))[0]
                for x in states
            ]
        )

    def __call__(self, k: int, measured: Measurement) -> FloatArray:
        """Torque (3,) [N m] of control step k."""
        pull = STIFFNESS * (self._motors[k] - measured.q) + DAMPING * (self._rates[k] - measured.dq)
        return self._holding[k] + pull

    def record(self, plant: ChainPlant) -> FloatArray:
        """Torques (steps, 3) [N m] that it takes on a plant."""
        torques = np.empty_like(self._motors)
        measured = plant.reset(task())
        for k in range(len(torques)):
            torques[k] = self(k, measured)
            measured = plant.step(torques[k])
        return torques


def compare(robot: Robot, law: Law, steps: int, physics_step: float) -> dict[str, float]:
    """Largest differences between fast plant and reference, each under the law."""
    fast = FlexiblePlant(robot, FlexiblePlantSettings(physics_step=physics_step))
    reference = CvodesPlant(robot)
    measured, expected = fast.reset(task()), reference.reset(task())
    error_q = error_dq = fastest = 0.0
    for k in range(steps):
        measured, expected = fast.step(law(k, measured)), reference.step(law(k, expected))
        error_q = max(error_q, float(np.abs(fast.q - reference.q).max()))
        error_dq = max(error_dq, float(np.abs(fast.dq - reference.dq).max()))
        fastest = max(fastest, float(np.abs(expected.dq).max()))
    return {"physics_step": physics_step, "error_q": error_q, "error_dq": error_dq, "fastest": fastest}


def time_plant(plant: ChainPlant, torques: FloatArray) -> FloatArray:
    """Durations of the plant's control steps (T,) [us]."""
    plant.reset(task())
    return time_each(plant.step, torques)


def time_chain(robot: Robot, torques: FloatArray) -> FloatArray:
    """Durations of the bare steps of the chain, without limits, sensors and points (T,) [us]."""
    plant = FlexiblePlant(robot)
    plant.reset(task())
    chain, stages = YawChain.from_robot(robot), YawChain.from_robot(robot).warm_start(4)
    state = np.concatenate([plant.q, plant.dq])

    def step(torque: FloatArray) -> None:
        nonlocal state
        state = chain.step(state, torque, PERIOD, scheme="radau", substeps=4, warm_start=stages)

    return time_each(step, torques)


def time_each(call: Callable[[FloatArray], object], arguments: FloatArray) -> FloatArray:
    """Processor time of each call (T,) [us]."""
    durations = np.empty(len(arguments))
    for i, argument in enumerate(arguments):
        start = time.thread_time_ns()
        call(argument)
        durations[i] = (time.thread_time_ns() - start) / 1000.0
    return durations


def summary(durations: FloatArray) -> dict[str, float]:
    """Percentiles and rate of durations [us]."""
    p50, p99 = np.percentile(durations, [50, 99])
    return {
        "p50": float(p50),
        "p99": float(p99),
        "max": float(durations.max()),
        "per_second": float(1e6 / durations.mean()),
    }


if __name__ == "__main__":
    main(tyro.cli(Options))
