"""Nonlinear MPC by the real-time iteration: one compiled call linearises about the plan and solves a QP."""

import math
from ctypes import byref
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SettingsError, SolverError
from ampc.solvers.optimal_control import OptimalControlProblem, Plan, PlanStatus, Query, Sensitivities
from ampc.solvers.real_time_iteration_library import CQuery, CReport, Layout, c_problem, load_solver

_STATUS: dict[int, PlanStatus] = {0: "solved", 1: "iteration limit", 2: "deadline"}
_QP_FAILURES = {
    1: "it did not converge",
    2: "a number in it is not finite",
    3: "its data are out of range",
    4: "its matrices are too badly conditioned",
    5: "its limits contradict each other",
    6: "its cost has no minimum",
}
_INTEGRATOR, _QP, _DIVERGED = 4, 5, 6


@dataclass(frozen=True)
class RealTimeIterationSettings:
    """Tolerances and bounds of the parts."""

    integrator_tolerance: float = 1e-5
    """Of the implicit integrator, see `ampc.chain.StepSettings`, in real-time steps. Its error is about the
    square, since the last of its iterations is Newton's own."""
    qp_tolerance: float = 1e-3
    """Of the residuals of the QP in real-time steps, relative to the terms that cancel in them; leaves about
    1e-3 N m in the first torque, less than an iteration does. Further iterations take a tenth of it each."""
    converged_integrator_tolerance: float = 1e-10
    """Of the integrator, where the problem is solved to convergence."""
    converged_qp_tolerance: float = 1e-10
    """Of the QP there."""
    sensitivity_qp_tolerance: float = 1e-8
    """Of the QP that sensitivities are taken at. The tighter, the less the limits' sharp corners are rounded
    off; and the worse the condition of the factorisation: beyond 1e-9 that outweighs."""
    qp_iterations: int = 60
    """Most iterations of the QP solver."""
    tolerance: float = 1e-6
    """A plan has converged when no torque [N m] and no state [rad, rad/s] changes by more."""


@dataclass(frozen=True, eq=False)
class Rollout:
    """What a sequence of torques does to the model."""

    x: FloatArray
    """States (N + 1, 2n); NaN from where the model could not be integrated."""
    limited: FloatArray
    """Values of the problem's ``stage_limits`` at all nodes (N + 1, number of limits)."""
    finished: bool
    """Whether the model could be integrated to the end."""

    def violations(self, problem: OptimalControlProblem) -> FloatArray:
        """Excess over each stage limit at each node (N + 1, number of limits), 0 where it holds."""
        lower = np.array([limit.lower for limit in problem.stage_limits])
        upper = np.array([limit.upper for limit in problem.stage_limits])
        return np.asarray(np.maximum(0.0, np.maximum(lower - self.limited, self.limited - upper)))


class RealTimeIteration:
    """Solves an `OptimalControlProblem` by sequential quadratic programming with a Gauss-Newton Hessian.

    `step` is the real-time iteration (Diehl, Bock, Schloeder 2005): the plan of the last control period,
    moved on, is linearised about, and one QP gives the new plan. `converge` repeats that with a line search.
    An instance is one loop's memory and must not be used by two threads at once. The same calls give the
    same plans, bit for bit.
    """

    def __init__(
        self, problem: OptimalControlProblem, settings: RealTimeIterationSettings | None = None
    ) -> None:
        """Prepare a solver.

        Raises:
            SolverError: The compiled library is missing, or the problem exceeds its sizes.
        """
        self.problem = problem
        self.settings = settings = settings or RealTimeIterationSettings()
        self._library = load_solver()
        self._layout = layout = Layout(problem)
        self._rti, self._arrays = c_problem(problem, layout)
        N, n, m = problem.horizon, problem.n_states, problem.robot.n_actuated
        self._rti.qp_max_iterations = settings.qp_iterations
        self._x, self._u = np.zeros((N + 1, n)), np.zeros((N, m))
        self._stages = np.zeros(N * int(problem.substeps.max()) * n)
        for name, array in (("x", self._x), ("u", self._u), ("stages", self._stages)):
            setattr(self._rti, name, array.ctypes.data)
        size = int(self._library.rti_memory_size(byref(self._rti)))
        if size < 0:
            raise SolverError(f"robot {problem.robot.name!r}: the problem has too many states or limits")
        self._memory = np.zeros(size + 8)
        self._rti.memory = -(-self._memory.ctypes.data // 64) * 64  # on a cache line, for speed
        self._given = {
            "x0": np.zeros(n),
            "goal": np.zeros((N + 1, 3)),
            "x_ref": np.zeros((N + 1, n)),
            "u_ref": np.zeros((N, m)),
            "proposed": np.zeros(m),
            "proposed_weight": np.zeros(m),
        }
        self._query, self._report = CQuery(), CReport()
        for name in ("x0", "goal", "x_ref", "u_ref"):
            setattr(self._query, name, self._given[name].ctypes.data)
        self._at = byref(self._rti), byref(self._query), byref(self._report)
        self._planned = False

    def reset(self) -> None:
        """See `NonlinearMPCSolver.reset`."""
        self._planned = False
        self._rti.iteration_seconds = self._rti.qp_iteration_seconds = 0.0

    def take_up(self, x: FloatArray, u: FloatArray) -> None:
        """Go on from given states (N + 1, 2n) and torques (N, m), finite ones, at the next call.

        Raises:
            SettingsError: An array has the wrong shape.
        """
        self._x[:], self._u[:] = _checked(x, self._x, "x"), _checked(u, self._u, "u")
        self._stages[:] = 0.0
        self._rti.warm, self._planned = 0, True

    def step(
        self, query: Query, *, elapsed: float | None = None, iterations: int = 1, budget: float = math.inf
    ) -> Plan:
        """See `NonlinearMPCSolver.step`.

        A QP whose solution would take longer than the budget is given up; the plan of the iteration before
        is then returned, with the status ``deadline``.

        Raises:
            SettingsError: An array of the query has the wrong shape.
        """
        self._take(query)
        if self._planned:
            self._library.rti_shift(self._at[0], self.problem.steps[0] if elapsed is None else elapsed)
        else:
            self._start()
        self._set_tolerances(precise=False)
        self._library.rti_step(*self._at[:2], iterations, budget, self._at[2])
        return self._plan()

    def converge(self, query: Query, *, guess: Plan | None = None, max_iterations: int = 100) -> Plan:
        """See `NonlinearMPCSolver.converge`.

        Raises:
            SettingsError: An array of the query, or the guess, has the wrong shape.
        """
        self._take(query)
        if guess is not None:
            if guess.x.shape != self._x.shape or guess.u.shape != self._u.shape:
                raise SettingsError(
                    f"guess has states {guess.x.shape} and torques {guess.u.shape}; they have to be "
                    f"{self._x.shape} and {self._u.shape}"
                )
            self._x[:], self._u[:], self._stages[:] = guess.x, guess.u, 0.0
            self._rti.warm, self._planned = 0, True
        elif not self._planned:
            self._start()
        self._set_tolerances(precise=True)
        self._library.rti_converge(*self._at[:2], max_iterations, self.settings.tolerance, self._at[2])
        return self._plan()

    def sensitivities(self, query: Query, *, exact: bool = True) -> Sensitivities:
        """Derivatives of the first torque at the plan that `converge` found for the same query.

        They are those of the optimality conditions, where limits that are met stay met: at states where a
        limit is just about to be met there is no derivative, and these are one-sided.

        Args:
            query: As it was solved.
            exact: With the second derivatives of dynamics and limits, about 15 times the time of a step;
                otherwise those of the Gauss-Newton approximation, which neglects them.

        Raises:
            SettingsError: An array of the query has the wrong shape.
            SolverError: There is no plan, or it is no strict local minimum.
        """
        self._take(query)
        if not self._planned:
            raise SolverError("sensitivities need a plan; solve the problem first")
        m, n = self.problem.robot.n_actuated, self.problem.n_states
        result = Sensitivities(np.zeros((m, n)), np.zeros((m, 3)), np.zeros((m, n)), np.zeros((m, m)))
        self._set_tolerances(precise=True)
        self._rti.qp_tolerance = self.settings.sensitivity_qp_tolerance
        arrays = (result.x0, result.goal, result.x_ref, result.u_ref)
        at = [array.ctypes.data for array in arrays]
        status = self._library.rti_sensitivities(*self._at[:2], int(exact), *at, self._at[2])
        if status or not all(np.isfinite(array).all() for array in arrays):
            raise SolverError(f"no sensitivities: {self._reason() or 'they are not finite'}")
        return result

    def rollout(self, x0: FloatArray, u: FloatArray, stiffness_scale: float = 1.0) -> Rollout:
        """Integrate the model from a state under torques, and evaluate the limits on the way.

        Args:
            x0: State (2n,).
            u: Torques (N, m) [N m].
            stiffness_scale: Young's modulus relative to the robot's model.

        Raises:
            SettingsError: An array has the wrong shape.
        """
        self._set_tolerances(precise=True)
        x, limited = np.empty_like(self._x), np.empty((len(self._x), self._layout.width))
        x0, u = _checked(x0, self._x[0], "x0"), _checked(u, self._u, "u")
        status = self._library.rti_rollout(
            self._at[0], x0.ctypes.data, u.ctypes.data, stiffness_scale, x.ctypes.data, limited.ctypes.data
        )
        return Rollout(x, limited[:, self._layout.stage_columns], status == 0)

    def _set_tolerances(self, *, precise: bool) -> None:
        given, rti = self.settings, self._rti
        rti.qp_tolerance = given.converged_qp_tolerance if precise else given.qp_tolerance
        rti.integrator_tolerance = (
            given.converged_integrator_tolerance if precise else given.integrator_tolerance
        )

    def _take(self, query: Query) -> None:
        """Copy a query to where C reads it."""
        for name in ("x0", "goal", "x_ref", "u_ref"):
            value, array = np.asarray(getattr(query, name), dtype=np.float64), self._given[name]
            if value.shape == array.shape:
                array[:] = value
            elif name != "x0" and value.shape == array.shape[1:]:
                array[0] = value
            else:
                one = "" if name == "x0" else f" or {array.shape[1:]}"
                raise SettingsError(f"{name} has shape {value.shape}; it has to be {array.shape}{one}")
            if name != "x0":
                setattr(self._query, f"{name}_stride", array.shape[1] if value.ndim == 2 else 0)
        self._query.stiffness_scale = query.stiffness_scale
        self._query.proposed = self._query.proposed_weight = None
        if query.proposed is not None:
            for name in ("proposed", "proposed_weight"):
                self._given[name][:] = getattr(query, name)
                setattr(self._query, name, self._given[name].ctypes.data)

    def _start(self) -> None:
        """Begin at rest: where the arm is or, if that is not known, at home."""
        self._library.rti_start(*self._at[:2])
        robot = self.problem.robot
        if not (np.isfinite(self._x).all() and np.isfinite(self._u).all()):
            self._x[:], self._u[:] = np.concatenate([robot.home, np.zeros(robot.n_joints)]), 0.0
        self._u.clip(*robot.torque_limits.T, out=self._u)

    def _plan(self) -> Plan:
        report = self._report
        # A plan from which the model cannot be integrated would fail for ever.
        lost = report.status in (_INTEGRATOR, _DIVERGED)
        self._planned = report.status in _STATUS or (self._planned and not lost)
        return Plan(
            x=self._x.copy(),
            u=self._u.copy(),
            status=_STATUS.get(report.status, "failed"),
            reason=self._reason(),
            iterations=report.iterations,
            change=report.change,
            kkt=report.kkt,
            gap=report.gap,
            seconds=report.seconds,
            linearisation_seconds=report.linearisation_seconds,
            qp_seconds=report.qp_seconds,
            qp_iterations=report.qp_iterations,
        )

    def _reason(self) -> str:
        report = self._report
        qp = _QP_FAILURES.get(report.detail, f"status {report.detail}")
        return {
            0: "",
            1: f"not converged after {report.iterations} iterations: torques still change by "
            f"{report.change:.1e} N m",
            2: f"time was up after {report.iterations} iterations",
            3: "the state or a reference is not finite",
            _INTEGRATOR: f"the model cannot be integrated from node {report.node} of the plan",
            _QP: f"the QP was not solved: {qp}",
            _DIVERGED: "the QP's step is not finite, or enormous",
        }.get(report.status, "the problem is too large")


def _checked(value: FloatArray, like: FloatArray, name: str) -> FloatArray:
    if value.shape != like.shape:
        raise SettingsError(f"{name} has shape {value.shape}; it has to be {like.shape}")
    return np.ascontiguousarray(value, dtype=np.float64)
