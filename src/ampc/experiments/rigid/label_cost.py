"""What one label of the expert costs, by each way of solving its problem, in one process.

All solvers see the same states of an arm. How far a solver's first input is from the exact one stands beside
its time: a fast wrong answer is not a fast answer.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import casadi as ca
import numpy as np

from ampc.arrays import FloatArray
from ampc.experiments.cell import Cell, Store
from ampc.solvers import BatchJointMPC, ExactJointMPC, IpoptJointMPC, JointMPCSettings

States = Literal["closed-loop", "uniform"]


@dataclass(frozen=True)
class LabelCost(Cell):
    """Times of all solvers on the same states."""

    states: States = "closed-loop"
    """``closed-loop``: along trajectories of the expert, as in collection; ``uniform``: all over the state
    space, where limits are active in most plans and no solve helps the next."""
    joints: int = 3
    """Number of joints of the arm."""
    trajectories: int = 20
    """Number of trajectories, or of as many groups of uniform states."""
    steps: int = 30
    """States a trajectory."""
    seed: int = 0
    """Seed of the initial states."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Time every solver."""
        return {"rows": [asdict(row) for row in time_solvers(self)]}


@dataclass(frozen=True)
class Row:
    """Cost of one label (all joints) by one solver, and how wrong it is; nothing for one that fails."""

    solver: str
    """Its name."""
    p50: float | None
    """Median [us]."""
    p99: float | None
    """99th percentile [us]."""
    max: float | None
    """Longest [us]."""
    worst_error: float | None
    """Largest difference of a command from the exact one [rad/s^2]."""


def sample_states(settings: LabelCost, expert: BatchJointMPC) -> tuple[FloatArray, FloatArray]:
    """Errors and velocities (trajectories, steps, joints) [rad, rad/s]."""
    rng = np.random.default_rng(settings.seed)
    shape = (settings.trajectories, settings.steps, settings.joints)
    if settings.states == "uniform":
        return rng.uniform(-3.0, 3.0, shape), rng.uniform(-6.0, 6.0, shape)
    errors, velocities = np.zeros(shape), np.zeros(shape)
    errors[:, 0] = rng.uniform(-2.0, 2.0, (shape[0], shape[2]))
    h = JointMPCSettings().step
    for k in range(settings.steps - 1):
        u = expert.first_input(errors[:, k], velocities[:, k])
        errors[:, k + 1] = errors[:, k] + h * velocities[:, k] + h**2 / 2 * u
        velocities[:, k + 1] = velocities[:, k] + h * u
    return errors, velocities


class CasadiQP:
    """The sparse QP of all joints through CasADi's interface to a QP solver."""

    def __init__(
        self, plugin: str, problem: JointMPCSettings, n: int, warm: bool, options: dict[str, Any]
    ) -> None:
        N, h = problem.horizon, problem.step
        q, dq, u = ca.SX.sym("q", n, N + 1), ca.SX.sym("dq", n, N + 1), ca.SX.sym("u", n, N)
        parameters = ca.SX.sym("x0", n, 2)
        weights = [problem.stage_weights] * N + [problem.terminal_weights]
        cost = problem.command_weight * ca.sumsqr(u)
        for k, (position, velocity) in enumerate(weights):
            cost += position * ca.sumsqr(q[:, k]) + velocity * ca.sumsqr(dq[:, k])
        initial = [q[:, 0] - parameters[:, 0], dq[:, 0] - parameters[:, 1]]
        dynamics = [q[:, 1:] - q[:, :-1] - h * dq[:, :-1], dq[:, 1:] - dq[:, :-1] - h * u]
        variables = ca.veccat(q, dq, u)
        constraints = ca.veccat(*initial, *dynamics)
        self._solver = ca.qpsol(
            "mpc", plugin, {"x": variables, "f": cost, "g": constraints, "p": ca.vec(parameters)}, options
        )
        self._upper = np.concatenate(
            [np.full(2 * n * (N + 1), np.inf), np.full(n * N, problem.command_limit)]
        )
        self._first_input = slice(2 * n * (N + 1), 2 * n * (N + 1) + n)
        self._warm = warm
        self._start: dict[str, Any] = {}

    def first_input(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """First command (n,) [rad/s^2]."""
        solution = self._solver(
            p=np.concatenate([error, dq]), lbx=-self._upper, ubx=self._upper, lbg=0.0, ubg=0.0, **self._start
        )
        if self._warm:
            self._start = {"x0": solution["x"], "lam_x0": solution["lam_x"], "lam_g0": solution["lam_g"]}
        return np.asarray(solution["x"]).ravel()[self._first_input]


def time_single(
    name: str,
    solve: Callable[[FloatArray, FloatArray], FloatArray],
    states: tuple[FloatArray, FloatArray],
    exact: FloatArray,
    new_trajectory: Callable[[], None] = lambda: None,
) -> Row:
    """Time a solver that takes one state of the arm at a time, along the trajectories."""
    errors, velocities = states
    solve(errors[0, 0], velocities[0, 0])
    times, commands = np.zeros(exact.shape[:2]), np.zeros_like(exact)
    for i, k in np.ndindex(*times.shape):
        if k == 0:
            new_trajectory()
        start = time.perf_counter()
        commands[i, k] = solve(errors[i, k], velocities[i, k])
        times[i, k] = time.perf_counter() - start
    return make_row(name, times.ravel(), commands - exact)


def time_batch(
    batch: BatchJointMPC, size: int, states: tuple[FloatArray, FloatArray], exact: FloatArray
) -> Row:
    """Time calls with `size` states of the arm at once, drawn from the same states."""
    errors, velocities, exact = (x.reshape(-1, x.shape[-1]) for x in (*states, exact))
    rng = np.random.default_rng(0)
    times, worst = [], []
    for _ in range(max(20, 600 // size)):
        chosen = rng.integers(0, len(errors), size)
        error, dq = errors[chosen], velocities[chosen]
        start = time.perf_counter()
        commands = batch.first_input(error, dq)
        times.append((time.perf_counter() - start) / size)
        worst.append(commands - exact[chosen])
    return make_row(f"batch, {size} at once", np.array(times), np.concatenate(worst))


def make_row(name: str, times: FloatArray, errors: FloatArray) -> Row:
    """Statistics of times [s] and errors [rad/s^2]."""
    p50, p99, longest = (float(1e6 * np.quantile(times, level)) for level in (0.5, 0.99, 1.0))
    return Row(name, p50, p99, longest, float(np.abs(errors).max()))


def time_solvers(settings: LabelCost) -> list[Row]:
    """Time every solver."""
    problem, n = JointMPCSettings(), settings.joints
    batch = BatchJointMPC(problem)
    states = sample_states(settings, batch)
    daqp = ExactJointMPC(problem)
    exact = daqp.first_input(*states)

    cold, warm = IpoptJointMPC(problem, n), IpoptJointMPC(problem, n, warm_start=True)
    rows = [
        time_single("IPOPT, cold", cold.first_input, states, exact),
        time_single("IPOPT, warm", warm.first_input, states, exact, warm.forget),
    ]
    quiet: dict[str, dict[str, Any]] = {
        "qrqp": {"print_iter": False, "print_header": False, "print_info": False},
        "osqp": {"osqp": {"verbose": False}},
        "piqp": {},
    }
    for plugin, is_warm in [
        ("qrqp", False),
        ("qrqp", True),
        ("osqp", False),
        ("piqp", False),
    ]:
        name = f"CasADi {plugin}, {'warm' if is_warm else 'cold'}"
        solver = CasadiQP(plugin, problem, n, is_warm, {"error_on_fail": True, **quiet[plugin]})
        try:
            rows.append(time_single(name, solver.first_input, states, exact))
        except RuntimeError:
            rows.append(Row(name, None, None, None, None))
    rows.append(time_single("DAQP, joint by joint", daqp.first_input, states, exact))
    rows += [time_batch(batch, size, states, exact) for size in (1, 64, 1024, 8192)]
    return rows
