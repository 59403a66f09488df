"""Time of the chain core beside CasADi, MuJoCo and CVODES in the same process.

Run ``OMP_NUM_THREADS=1 python benchmarks/chain.py [--segments 3 10] [--output FILE]``. Everything is timed at
the states of one motion of the flexible arm: raised by 0.5 rad, gravity held, and a slow sway on top. Errors
of the plant step, and CVODES on equations made for it, are in ``flexible_plant.py``.
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import casadi as ca
import mujoco
import numpy as np
import tyro

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.fallback import NumpyKernel
from ampc.chain.library import c_model, c_step, load_library
from ampc.chain.options import StepSettings
from ampc.provenance import save_result
from ampc.robots import Robot, RobotDynamics, load_robot
from ampc.robots.symbolic import SymbolicDynamics

DT = 0.004


@dataclass(frozen=True)
class Settings:
    """What to time."""

    segments: tuple[int, ...] = (0, 1, 2, 3, 5, 10)
    """Passive joints per link of the arms."""
    steps: int = 375
    """Length of the motion, in control steps of 4 ms."""
    repeats: int = 5
    """How often each state of the motion is timed."""
    output: Path | None = None
    """File to write the figures to."""


Call = Callable[[FloatArray, FloatArray], object]


def main(settings: Settings) -> None:
    """Time everything, print a table, and write it if asked to."""
    rows: list[dict[str, str | int | float]] = []
    print(f"{'n_seg':>5} {'quantity':26}{'by':34}{'p50 us':>9}{'p99':>9}{'max':>10}{'ratio':>9}")
    for n_seg in settings.segments:
        robot = load_robot(f"flexible-arm-{n_seg}")
        for quantity, candidates in groups(robot, settings):
            first = None
            for by, (call, states, torques, repeats) in candidates.items():
                durations = time_calls(call, states, torques, repeats)
                p50, p99 = (float(value) for value in np.percentile(durations, [50, 99]))
                first = first or p50
                row: dict[str, str | int | float] = {
                    "n_seg": n_seg, "quantity": quantity, "by": by, "p50": p50, "p99": p99,
                    "max": float(durations.max()), "ratio": p50 / first,
                }  # fmt: skip
                rows.append(row)
                print(
                    f"{n_seg:5} {quantity:26}{by:34}{p50:9.2f}{p99:9.2f}{row['max']:10.1f}{row['ratio']:9.2f}"
                )
    if settings.output is not None:
        chain = YawChain.from_robot(load_robot("flexible-arm-3"))
        report = {"backend": chain.backend, "unit": "us", "control_period": DT, "rows": rows}
        save_result(settings.output, report)


Candidates = dict[str, tuple[Call, FloatArray, FloatArray, int]]


def groups(robot: Robot, settings: Settings) -> list[tuple[str, Candidates]]:
    """Each quantity with what computes it, at which states and how often."""
    chain, numpy = YawChain.from_robot(robot), NumpyKernel(YawChain.from_robot(robot).parameters)
    n, model, data = chain.n_joints, robot.model, mujoco.MjData(robot.model)
    symbolic = SymbolicDynamics(robot).forward_dynamics
    casadi_acceleration = Buffered(symbolic, [n, n, 3], n)
    casadi_step = Buffered(cvodes_step(robot, symbolic), [2 * n, 3], 2 * n)

    def mujoco_acceleration(x: FloatArray, u: FloatArray) -> None:
        data.qpos[:], data.qvel[:], data.ctrl[robot.actuator_ids] = x[:n], x[n:], u / robot.gear
        mujoco.mj_forward(model, data)

    def plant(x: FloatArray, u: FloatArray) -> FloatArray:
        return chain.step(x, u, DT, scheme="radau", substeps=4)

    states, torques = motion(robot, chain, settings.steps)
    every = (states, torques, settings.repeats)
    few = (states[:50], torques[:50], 1)
    radau, gauss = StepSettings(DT, "radau", 4), StepSettings(DT)
    bare = BareStep(chain, gauss)
    return [
        (
            "acceleration",
            {
                "YawChain": (chain.acceleration, *every),
                "CasADi, symbolic form": (lambda x, u: casadi_acceleration(x[:n], x[n:], u), *every),
                "MuJoCo mj_forward": (mujoco_acceleration, *every),
                "YawChain in NumPy": (numpy.acceleration, *few),
            },
        ),
        (
            "step, Gauss-Legendre 2x2",
            {"YawChain": (lambda x, u: chain.step(x, u, DT), *every)},
        ),
        (
            "and sensitivities",
            {
                "YawChain": (lambda x, u: chain.step_with_sensitivities(x, u, DT), *every),
                "the C call alone, warm-started": (bare, *every),
                "an empty call, to subtract": (bare.overhead, *every),
                "YawChain in NumPy": (
                    lambda x, u: numpy.step_with_sensitivities(x, u, gauss, None), *few,
                ),
            },
        ),
        (
            "plant step, Radau 2x4",
            {
                "YawChain": (plant, *every),
                "CasADi CVODES 1e-8 / 1e-10": (casadi_step, *few),
                "YawChain in NumPy": (lambda x, u: numpy.step(x, u, radau, None), *few),
            },
        ),
    ]  # fmt: skip


class BareStep:
    """`chain_step` with sensitivities as a solver in C calls it: addresses at hand, nothing copied out.

    What is left of Python is one ctypes call and two copies in; `overhead` does these for next to nothing.
    """

    def __init__(self, chain: YawChain, settings: StepSettings) -> None:
        library, n, m = load_library(), chain.n_joints, len(chain.actuated)
        model, step = c_model(chain.parameters), c_step(settings)
        work = int(library.chain_workspace_size(n - 1, m))
        self._x, self._u = np.zeros(2 * n), np.zeros(m)
        stages = np.zeros((settings.substeps, 2, n))  # of the step before, as first guess
        outputs = [stages, np.zeros(2 * n), np.zeros((2 * n, 2 * n)), np.zeros((2 * n, m)), np.zeros(work)]
        addresses = [array.ctypes.data for array in outputs]
        arguments = (ctypes.byref(model), step, self._x.ctypes.data, self._u.ctypes.data, *addresses)
        self._kept = (model, step, outputs)
        self._call = lambda: library.chain_step(*arguments)

        self._nothing = lambda: library.chain_workspace_size(n - 1, m)

    def __call__(self, x: FloatArray, u: FloatArray) -> None:
        """One step."""
        self._x[:], self._u[:] = x, u
        self._call()

    def overhead(self, x: FloatArray, u: FloatArray) -> None:
        """The same without the step."""
        self._x[:], self._u[:] = x, u
        self._nothing()


def motion(robot: Robot, chain: YawChain, steps: int) -> tuple[FloatArray, FloatArray]:
    """States (steps, 2n) and torques (steps, m) of the plant step: gravity held, and a slow sway on top."""
    dynamics, n = RobotDynamics(robot), chain.n_joints
    states, torques = np.zeros((steps, 2 * n)), np.zeros((steps, 3))
    states[0, 1] = 0.5
    for k in range(steps):
        sway = [1.0, 0.3, 0.1] * np.sin([8.0 * k * DT, 10.0 * k * DT, 12.0 * k * DT])
        torques[k] = dynamics.gravity(states[k, :n])[chain.actuated] + sway
        if k + 1 < steps:
            states[k + 1] = chain.step(states[k], torques[k], DT, scheme="radau", substeps=4)
    return states, torques


def cvodes_step(robot: Robot, forward_dynamics: ca.Function) -> ca.Function:
    """The reference integrator (BDF) over one control period."""
    n = robot.n_joints
    x, u = ca.SX.sym("x", 2 * n), ca.SX.sym("u", 3)
    ode = ca.vertcat(x[n:], forward_dynamics(x[:n], x[n:], u))
    integrator = ca.integrator(
        "cvodes", "cvodes", {"x": x, "p": u, "ode": ode}, 0.0, DT, {"reltol": 1e-8, "abstol": 1e-10}
    )
    start, torque = ca.MX.sym("x", 2 * n), ca.MX.sym("u", 3)
    return ca.Function("step", [start, torque], [integrator(x0=start, p=torque)["xf"]])


class Buffered:
    """CasADi's fastest way to call a function: into arrays that are set up once."""

    def __init__(self, function: ca.Function, sizes: list[int], size: int) -> None:
        """Vector arguments of the given sizes, and a vector result."""
        self.buffer, self.trigger = function.buffer()
        self.arguments, self.result = [np.zeros(count) for count in sizes], np.zeros(size)
        for i, argument in enumerate(self.arguments):
            self.buffer.set_arg(i, memoryview(argument))
        self.buffer.set_res(0, memoryview(self.result))

    def __call__(self, *values: FloatArray) -> FloatArray:
        """The result's array, which the next call overwrites."""
        for argument, value in zip(self.arguments, values, strict=True):
            argument[:] = value
        self.trigger()
        return self.result


def time_calls(call: Call, states: FloatArray, torques: FloatArray, repeats: int) -> FloatArray:
    """Duration of each call, after a warm-up [us]."""
    for x, u in zip(states[:20], torques, strict=False):
        call(x, u)
    durations = []
    for _ in range(repeats):
        for x, u in zip(states, torques, strict=True):
            start = time.perf_counter_ns()
            call(x, u)
            durations.append((time.perf_counter_ns() - start) / 1000.0)
    return np.array(durations)


if __name__ == "__main__":
    main(tyro.cli(Settings))
