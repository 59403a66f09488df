"""Time of the nonlinear MPC's parts, beside HPIPM and IPOPT, at the states of recorded closed-loop episodes.

Run ``OMP_NUM_THREADS=1 python benchmarks/nonlinear_mpc.py [--quick] [--output FILE]``. Everything runs in one
process, and what is compared takes turns at the same states, so that a busy machine is busy for all.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from ampc.arrays import FloatArray
from ampc.chain import core, library
from ampc.provenance import save_result
from ampc.robots import load_robot
from ampc.solvers import real_time_iteration_library, structured_qp_library
from ampc.solvers.ipopt_nonlinear_mpc import IpoptNonlinearMPC, IpoptSettings
from ampc.solvers.optimal_control import OptimalControlProblem, Plan
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.solvers.structured_qp import QPSettings, StructuredQPSolver
from closed_loop import FILTER, FILTER_WEIGHT, Recording, problem_of, record, reduced
from hpipm import Hpipm, Mode, find_library
from linearisation import linearise

Row = dict[str, str | int | float]


@dataclass(frozen=True)
class Settings:
    """What to time."""

    episodes: int = 6
    """Recorded episodes, half of them near the wall."""
    duration: float = 1.5
    """Length of each [s]."""
    seed: int = 500
    """Seed of their tasks."""
    repeats: int = 2
    """How often the episodes are replayed."""
    programs: int = 60
    """Quadratic programs that HPIPM gets, spread over the episodes."""
    ipopt: int = 6
    """Episodes whose first problem IPOPT gets, from standing still and from our plan."""
    segments: tuple[int, ...] = (0, 1, 2, 3, 5, 10)
    """Passive joints per link, for the growth with n_seg."""
    horizons: tuple[int, ...] = (25, 50, 125, 250)
    """Numbers of steps, for the growth with N."""
    quick: bool = False
    """A hundredth of everything, to see that it works."""
    output: Path | None = None
    """JSON file to write the figures to."""


def main(settings: Settings) -> None:
    """Time everything, print tables, and write them if asked to."""
    if settings.quick:
        settings = replace(settings, episodes=2, duration=0.1, repeats=1, programs=2, ipopt=0,
                           segments=(1, 3), horizons=(25,))  # fmt: skip
    recordings = record(settings.episodes, settings.duration, settings.seed)
    tables = {
        "step": step_times(recordings, settings),
        "qp": qp_times(recordings, settings),
        "growth": growth(recordings, settings),
        "ipopt": ipopt_times(recordings, settings),
    }
    for name, rows in tables.items():
        print(f"\n{name}")
        for row in rows:
            print(
                "  ".join(
                    f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in row.items()
                )
            )
    if settings.output is not None:
        save_result(settings.output, {"unit": "ms", "tables": tables})


def step_times(recordings: list[Recording], settings: Settings) -> list[Row]:
    """Whole steps: the expert's and the filter-sized one, by each build of the library."""
    cases = {
        "expert: n_seg 3, N 125": (problem_of(3), 3),
        "filter: n_seg 1, N 25": (OptimalControlProblem(load_robot("flexible-arm-1"), FILTER), 1),
    }
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        builds = compiled(Path(folder))
        for case, (problem, n_seg) in cases.items():
            solvers = {}
            for build, path in builds.items():
                with using(path):
                    solvers[build] = RealTimeIteration(OptimalControlProblem(problem.robot, problem.settings))
            plans: dict[str, list[Plan]] = {build: [] for build in solvers}
            calls: dict[str, list[float]] = {build: [] for build in solvers}
            for recording in recordings * settings.repeats:
                for solver in solvers.values():
                    solver.reset()
                for k, query in enumerate(recording.queries):
                    query = reduced(query, n_seg)
                    if n_seg == 1:
                        proposal = recording.proposed[k]
                        query = replace(query, proposed=proposal, proposed_weight=FILTER_WEIGHT)
                    for build, solver in solvers.items():
                        if k == 0:
                            solver.converge(query)
                            continue
                        started = time.perf_counter()
                        plan = solver.step(query)
                        calls[build].append(1e3 * (time.perf_counter() - started))
                        plans[build].append(plan)
            for build, made in plans.items():
                for part, values in {
                    "whole step, called from Python": calls[build],
                    "whole step": [1e3 * plan.seconds for plan in made],
                    "linearisation": [1e3 * plan.linearisation_seconds for plan in made],
                    "QP": [1e3 * plan.qp_seconds for plan in made],
                }.items():
                    rows.append({"problem": case, "build": build, "part": part, **percentiles(values)})
                failures = sum(plan.status == "failed" for plan in made)
                iterations = float(np.mean([plan.qp_iterations for plan in made]))
                rows.append({"problem": case, "build": build, "part": "QP iterations", "mean": iterations})
                rows.append(
                    {"problem": case, "build": build, "part": "failures", "count": failures, "of": len(made)}
                )
    return rows


def compiled(folder: Path) -> dict[str, Path]:
    """Builds of the library: as installed, the portable one alone, and one made for this processor."""
    builds = {"installed": core.LIBRARY}
    (folder / "portable").mkdir()
    builds["portable"] = Path(shutil.copy(core.LIBRARY, folder / "portable"))
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is not None:
        root = Path(library.__file__).parents[1]
        sources = [*root.glob("chain/src/*.c"), *root.glob("solvers/src/*.c")]
        flags = [
            "-O3",
            "-march=native",
            "-std=c99",
            "-ffp-contract=fast",
            "-fno-math-errno",
            "-fno-trapping-math",
            "-shared",
            "-fPIC",
        ]
        target = folder / "native.so"
        subprocess.run([compiler, *flags, "-o", target, *sources, "-lm"], check=True)
        builds["native"] = target
    return builds


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Objects that are made meanwhile call the library at this path."""
    before = core.LIBRARY
    loaders = library.load_library, real_time_iteration_library.load_solver, structured_qp_library.load_qp
    core.LIBRARY = path
    for loader in loaders:
        loader.cache_clear()
    try:
        yield
    finally:
        core.LIBRARY = before
        for loader in loaders:
            loader.cache_clear()


def qp_times(recordings: list[Recording], settings: Settings) -> list[Row]:
    """The QP of the step, by ours and by HPIPM: time, and how far the torques are from the exact solution."""
    rows: list[Row] = []
    for case, problem, n_seg in (
        ("expert: n_seg 3, N 125", problem_of(3), 3),
        ("filter: n_seg 1, N 25", OptimalControlProblem(load_robot("flexible-arm-1"), FILTER), 1),
    ):
        times: dict[str, list[float]] = {}
        errors: dict[str, list[float]] = {}
        failures: dict[str, int] = {}
        linearisation: list[float] = []
        total = sum(len(recording.queries) for recording in recordings)
        stride = max(1, total // settings.programs)
        solver = RealTimeIteration(problem)
        for recording in recordings:
            solver.reset()
            for k, query in enumerate(recording.queries):
                query = reduced(query, n_seg)
                if n_seg == 1:
                    query = replace(query, proposed=recording.proposed[k], proposed_weight=FILTER_WEIGHT)
                if k % stride != stride // 2:
                    solver.step(query) if k else solver.converge(query)
                    continue
                before = solver.step(query, iterations=0)  # the plan moved on, which is linearised about
                plan = solver.step(query, elapsed=0.0)
                qp = linearise(problem, query, before.x, before.u)
                sizes = (
                    len(qp.A),
                    qp.A.shape[1],
                    qp.B.shape[2],
                    qp.bounded,
                    0 if qp.C is None else qp.C.shape[1],
                )
                exact = StructuredQPSolver(*sizes, QPSettings(tolerance=1e-9, max_iterations=100)).solve(qp)
                linearisation.append(1e3 * plan.linearisation_seconds)
                answers: list[tuple[str, float, FloatArray, bool]] = [
                    ("ours, warm", plan.qp_seconds, plan.u - before.u, plan.status != "failed")
                ]
                if find_library() is not None:
                    modes: tuple[Mode, ...] = ("speed", "balance")
                    for mode in modes:
                        for tolerance in (1e-4, 1e-6):
                            found = Hpipm(qp, tolerance, mode).solve(qp)
                            name = f"HPIPM, {mode}, {tolerance:g}"
                            answers.append((name, found.seconds, found.u, found.status == "ok"))
                for name, seconds, u, good in answers:
                    times.setdefault(name, []).append(1e3 * seconds)
                    errors.setdefault(name, []).append(float(np.abs(u[0] - exact.u[0]).max()))
                    failures[name] = failures.get(name, 0) + (not good)
        for name in times:
            row: Row = {"problem": case, "by": name, **percentiles(times[name])}
            spent, ours = (np.array(times[each]) for each in (name, "ours, warm"))
            row["with linearisation, p50"] = float(np.median(spent + linearisation))
            row["times ours, QP"] = float(np.median(spent / ours))
            row["times ours, with linearisation"] = float(
                np.median((spent + linearisation) / (ours + linearisation))
            )
            row["error of first torque, p50"] = float(np.median(errors[name]))
            row["error of first torque, max"] = float(np.max(errors[name]))
            rows.append({**row, "failures": failures[name]})
    return rows


def growth(recordings: list[Recording], settings: Settings) -> list[Row]:
    """Whole steps over the number of segments and of steps."""
    cases = [(n_seg, 125) for n_seg in settings.segments]
    cases += [(3, horizon) for horizon in settings.horizons if horizon != 125]
    solvers = {case: RealTimeIteration(problem_of(*case)) for case in cases}
    made: dict[tuple[int, int], list[Plan]] = {case: [] for case in cases}
    for recording in recordings:
        for solver in solvers.values():
            solver.reset()
        for k, query in enumerate(recording.queries):
            for case, solver in solvers.items():
                asked = reduced(query, case[0])
                if k == 0:
                    solver.converge(asked)
                else:
                    made[case].append(solver.step(asked))
    rows: list[Row] = []
    for (n_seg, horizon), plans in made.items():
        row: Row = {"n_seg": n_seg, "N": horizon, **percentiles([1e3 * plan.seconds for plan in plans])}
        row["linearisation p50"] = float(np.median([1e3 * plan.linearisation_seconds for plan in plans]))
        row["QP p50"] = float(np.median([1e3 * plan.qp_seconds for plan in plans]))
        rows.append({**row, "failures": sum(plan.status == "failed" for plan in plans)})
    return rows


def ipopt_times(recordings: list[Recording], settings: Settings) -> list[Row]:
    """The whole problem to convergence, by IPOPT and by ours, from standing still.

    Where the first torques differ, the two have found different local optima; IPOPT started from our plan
    then tells whether ours is one.
    """
    if not settings.ipopt:
        return []
    rows: list[Row] = []
    for n_seg, horizon in ((1, 25), (3, 125)):
        problem = problem_of(n_seg, horizon)
        exact, fast = IpoptNonlinearMPC(problem), RealTimeIteration(problem)
        careful = IpoptNonlinearMPC(problem, IpoptSettings(initial_barrier=1e-6))
        for number, recording in enumerate(recordings[: settings.ipopt]):
            query = reduced(recording.queries[0], n_seg)
            exact.reset()
            fast.reset()
            theirs, ours = exact.converge(query), fast.converge(query)
            checked = careful.converge(query, guess=ours)
            rows.append({
                "n_seg": n_seg, "N": horizon, "episode": number,
                "IPOPT": 1e3 * theirs.seconds, "its iterations": theirs.iterations,
                "its status": theirs.status,
                "ours": 1e3 * ours.seconds, "our iterations": ours.iterations, "our status": ours.status,
                "difference of first torque": float(np.abs(theirs.u[0] - ours.u[0]).max()),
                "IPOPT from our plan": 1e3 * checked.seconds,
                "difference to it": float(np.abs(checked.u[0] - ours.u[0]).max()),
            })  # fmt: skip
    return rows


def percentiles(milliseconds: list[float]) -> Row:
    """10th percentile, which a busy machine hardly disturbs, median, 99th percentile and largest."""
    p10, p50, p99 = (float(value) for value in np.percentile(milliseconds, [10, 50, 99]))
    worst = float(np.max(milliseconds))
    return {"p10": p10, "p50": p50, "p99": p99, "max": worst, "count": len(milliseconds)}


if __name__ == "__main__":
    main(tyro.cli(Settings))
