"""The structured QP solver alone: its time, and 100,000 random and adversarial problems.

Times are of the C call on problems like those of the flexible arm's controller, by warm starts from a
solution that is a little off; the controller's own QPs are in nonlinear_mpc.py. Run with one thread:

    export OMP_NUM_THREADS=1
    python benchmarks/structured_qp.py --output results/flexible/qp_times.json
    python benchmarks/structured_qp.py --problems 100000 --output results/flexible/random_qps.json

The second tries problems 0, 1, ... of `ampc.solvers.random_qp`; what is called solved is checked by other
formulas than the solver's. Progress is saved after each thousand, and the same command goes on from there.
"""

import json
import time
from ctypes import byref, c_void_p
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ampc.provenance import save_result
from ampc.solvers.random_qp import random_qp
from ampc.solvers.structured_qp import QPSettings, StructuredQPSolver
from ampc.solvers.structured_qp_library import CResult, CSettings
from ampc.solvers.structured_qp_problem import Limits, QPStatus, StructuredQP, optimality

CHUNK = 1000
SUSPECT = 1e-5
"""Residual by other formulas and scales above which a solution is called wrong; the tolerance is 1e-8."""


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    repetitions: int = 200
    """Calls that each time is the median of."""
    problems: int = 0
    """Number of random problems to try, instead of measuring times."""
    output: Path | None = None
    """JSON file to write."""


def arm_like(n_seg: int, horizon: int, seed: int = 0) -> StructuredQP:
    """Oscillators driven by three motors, 4 ms a step, with the limits that an arm's controller has."""
    rng, joints, step = np.random.default_rng(seed), 3 + 2 * n_seg, 0.004
    n, N = 2 * joints, horizon
    mass = np.linalg.inv(np.eye(joints) + 0.01 * (M := rng.normal(size=(joints, joints))) @ M.T)
    stiffness = np.diag(np.concatenate([np.zeros(3), rng.uniform(100.0, 2000.0, size=joints - 3)]))
    A = np.eye(n)
    A[joints:, :joints] = -step * mass @ stiffness
    A[joints:, joints:] -= step * mass @ np.diag(rng.uniform(0.1, 2.0, size=joints))
    A[:joints] += step * A[joints:]
    B = np.zeros((n, 3))
    B[joints:] = 20.0 * step * mass[:, :3]
    B[:joints] = step * B[joints:]
    aim = np.concatenate([rng.normal(size=(3, joints)), np.zeros((3, joints))], axis=1)
    Q = 100.0 * aim.T @ aim + np.diag(np.repeat([0.1, 0.01], joints))
    C = 0.3 * rng.normal(size=(8, n))
    C[:4, joints:] = 0.0
    rows = np.full((N + 1, 8), -0.3)
    return StructuredQP(
        A=np.tile(A, (N, 1, 1)),
        B=np.tile(B, (N, 1, 1)),
        c=np.zeros((N, n)),
        x0=0.1 * rng.normal(size=n),
        Q=np.tile(Q, (N + 1, 1, 1)),
        R=np.tile(0.01 * np.eye(3), (N, 1, 1)),
        q=np.tile(-100.0 * aim.T @ rng.normal(size=3), (N + 1, 1)),
        r=np.zeros((N, 3)),
        input_limits=Limits(np.full((N, 3), -5.0), np.full((N, 3), 5.0)),
        bounded=(joints, joints + 1, joints + 2),
        state_limits=Limits(np.full((N, 3), -2.0), np.full((N, 3), 2.0), 50.0, 10.0),
        C=np.tile(C, (N + 1, 1, 1)),
        D=np.zeros((N, 8, 3)),
        row_limits=Limits(rows, np.full_like(rows, np.inf), 50.0, 10.0),
    )


def measure(n_seg: int, horizon: int, repetitions: int) -> dict[str, float]:
    """Time of the C call [us] from a guess that is off by up to a hundredth, and of one iteration."""
    problem = arm_like(n_seg, horizon)
    solver = StructuredQPSolver(horizon, len(problem.x0), 3, problem.bounded, 8, QPSettings(tolerance=1e-4))
    cold = solver.solve(problem).iterations
    settings, result = CSettings(50, 2, 1e-4, 0.0, 0.0), CResult()
    arguments = byref(solver._problem), byref(settings), byref(solver._solution), byref(result)
    names = ("z", "costate", "multiplier")
    solution = {name: solver._arrays[name].copy() for name in names}
    rng, times, iterations = np.random.default_rng(1), [], []
    for _ in range(repetitions):
        for name in names:
            off = 1.0 + 0.01 * rng.uniform(-1.0, 1.0, size=solution[name].shape)
            solver._arrays[name][:] = solution[name] * off
        begun = time.perf_counter()
        status = solver._library.qp_solve(*arguments, c_void_p(solver._work.ctypes.data))
        times.append(1e6 * (time.perf_counter() - begun))
        iterations.append(result.iterations)
        if status != QPStatus.OK:
            raise RuntimeError(f"n_seg {n_seg}, N {horizon}: {QPStatus(status).name}")
    each = np.array(times) / iterations
    return {
        "n_seg": n_seg,
        "states": len(problem.x0),
        "horizon": horizon,
        "p50": float(np.median(times)),
        "p99": float(np.percentile(times, 99)),
        "least": float(np.min(times)),
        "iterations": float(np.mean(iterations)),
        "cold_iterations": cold,
        "per_iteration": float(np.median(each)),
    }


def time_sizes(settings: Settings) -> dict[str, object]:
    """Times of all sizes."""
    sizes = [(0, 125), (1, 25), (1, 125), (2, 125), (3, 30), (3, 60), (3, 125), (3, 250), (5, 125), (10, 125)]
    rows = [measure(n_seg, horizon, settings.repetitions) for n_seg, horizon in track(sizes)]
    table = Table(title="QP of an arm-like problem, warm start, tolerance 1e-4; times in us")
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" for value in row.values()))
    Console(width=130).print(table)
    return {"rows": rows}


def try_random(settings: Settings) -> dict[str, object]:
    """Outcomes of the random problems by kind, the wrong ones, and the iterations of the solved ones."""
    progress = settings.output and settings.output.with_suffix(".progress.json")
    state: dict = {"done": 0, "outcomes": {}, "wrong": [], "iterations": {}, "seconds": 0.0}
    if progress and progress.exists():
        state = json.loads(progress.read_text())
    for start in track(range(state["done"], settings.problems, CHUNK)):
        begun = time.perf_counter()
        for seed in range(start, min(start + CHUNK, settings.problems)):
            try_one(seed, state)
        state["done"] = min(start + CHUNK, settings.problems)
        state["seconds"] += time.perf_counter() - begun
        if progress:
            progress.parent.mkdir(parents=True, exist_ok=True)
            progress.write_text(json.dumps(state))
    table = Table("kind", "outcome", "problems", title=f"{settings.problems} random problems")
    for name, count in sorted(state["outcomes"].items()):
        table.add_row(*name.split("/"), str(count))
    Console().print(table)
    Console().print(f"called solved and wrong: {len(state['wrong'])}")
    if progress:
        progress.unlink(missing_ok=True)
    return state


def try_one(seed: int, state: dict) -> None:
    """Solve the problem of a seed and count what happened."""
    problem, kind = random_qp(seed)
    N, m = problem.r.shape
    rows = 0 if problem.C is None else problem.C.shape[1]
    settings = QPSettings(tolerance=1e-8, max_iterations=100)
    solution = StructuredQPSolver(N, len(problem.x0), m, problem.bounded, rows, settings).solve(problem)
    name = f"{kind}/{solution.status.name}"
    state["outcomes"][name] = state["outcomes"].get(name, 0) + 1
    if solution.status == QPStatus.OK:
        count = str(solution.iterations)
        state["iterations"][count] = state["iterations"].get(count, 0) + 1
        residuals = optimality(problem, solution)
        if kind != "solvable" or max(residuals.values()) > SUSPECT:
            state["wrong"].append({"seed": seed, "kind": str(kind), **residuals})


def main(settings: Settings) -> None:
    """Measure or try, print, write."""
    result = try_random(settings) if settings.problems else time_sizes(settings)
    if settings.output is not None:
        save_result(settings.output, result)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
