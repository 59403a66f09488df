"""Quadratic programs of optimal control, solved in C by an interior-point method with Riccati recursion."""

import ctypes
from ctypes import POINTER, c_double, c_int
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.solvers.structured_qp_library import (
    RESIDUALS,
    SOLUTION,
    CProblem,
    CResult,
    CSettings,
    CSize,
    CSolution,
    load_qp,
)
from ampc.solvers.structured_qp_problem import Limits, QPSolution, QPStatus, StructuredQP


@dataclass(frozen=True)
class QPSettings:
    """Settings of the interior-point method."""

    max_iterations: int = 50
    """Largest number of factorisations."""
    tolerance: float = 1e-8
    """Of all residuals, relative to the largest terms that cancel in them."""
    negligible: float = 0.0
    """Least size of the gradients that stationarity and complementarity are relative to."""
    barrier: float = 0.0
    """Complementarity that a start aims at, in units of the cost; 0: chosen by the solver."""


def _pad(number: int) -> int:
    return (number + 3) // 4 * 4


class StructuredQPSolver:
    """Solves problems of one size; keeps the memory, the last solution for warm starts and its factorisation.

    Args:
        horizon: N >= 1.
        states: n.
        inputs: m.
        bounded: State variables with limits.
        rows: Rows of each stage.
        settings: Of the method.

    Raises:
        SolverError: Sizes are out of range, or the package was installed without a C compiler.
    """

    def __init__(
        self,
        horizon: int,
        states: int,
        inputs: int,
        bounded: tuple[int, ...] = (),
        rows: int = 0,
        settings: QPSettings | None = None,
    ) -> None:
        self._library = load_qp()
        self.settings = settings or QPSettings()
        self._size = CSize(horizon, states, inputs, len(bounded), rows, 0)
        length = self._library.qp_workspace_size(ctypes.byref(self._size))
        if length < 0:
            raise SolverError(
                f"no QP with {horizon} steps, {states} states, {inputs} inputs, {len(bounded)} bounds and "
                f"{rows} rows: sizes have to be positive and are limited, see solvers/src/qp.h"
            )
        self.horizon, self.states, self.inputs, self.bounded, self.rows = (
            horizon,
            states,
            inputs,
            bounded,
            rows,
        )
        n, m, N = states, inputs, horizon
        self._u, self._x = slice(0, m), slice(_pad(m), _pad(m) + n)
        bounds = _pad(m) + _pad(len(bounded))
        self._limits = slice(0, m), slice(_pad(m), _pad(m) + len(bounded)), slice(bounds, bounds + rows)
        W, X, L = _pad(m) + _pad(n), _pad(n), bounds + _pad(rows)
        shapes = {
            "x0": (n,), "dynamics": (N, n, W), "offset": (N, X), "hessian": (N + 1, W, W),
            "gradient": (N + 1, W), "matrix": (N + 1, _pad(rows), W), "z": (N + 1, W), "costate": (N + 1, X),
            "multiplier": (N + 1, 2, L), "slack": (N + 1, 2, L),
            **dict.fromkeys(("lower", "upper", "l1", "l2"), (N + 1, L)),
        }  # fmt: skip
        self._arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
        self._work = np.zeros(length)
        self._bounded = np.array(bounded, dtype=np.intc)
        self._problem = CProblem(size=self._size, bounded=self._bounded.ctypes.data_as(POINTER(c_int)))
        self._solution = CSolution()
        for name, array in self._arrays.items():
            target = self._solution if name in SOLUTION else self._problem
            setattr(target, name, array.ctypes.data_as(POINTER(c_double)))

    def solve(self, problem: StructuredQP, warm: bool = False) -> QPSolution:
        """Solve.

        Args:
            problem: Of this solver's size.
            warm: Whether to start from the last solution, multipliers included.

        Raises:
            SolverError: Arrays have other shapes.
        """
        self._fill(problem)
        settings = CSettings(
            self.settings.max_iterations,
            2 if warm else 0,
            self.settings.tolerance,
            self.settings.negligible,
            self.settings.barrier,
        )
        result = CResult()
        status = self._library.qp_solve(
            ctypes.byref(self._problem),
            ctypes.byref(settings),
            ctypes.byref(self._solution),
            ctypes.byref(result),
            self._work.ctypes.data,
        )
        arrays = self._arrays
        with np.errstate(invalid="ignore"):  # what is left of data that are not finite
            multiplier = arrays["multiplier"][:, 0] - arrays["multiplier"][:, 1]
        of_inputs, of_states, of_rows = (multiplier[:, part] for part in self._limits)
        return QPSolution(
            status=QPStatus(status),
            iterations=result.iterations,
            x=arrays["z"][:, self._x].copy(),
            u=arrays["z"][:-1, self._u].copy(),
            costate=arrays["costate"][:, : self.states].copy(),
            input_multiplier=of_inputs[:-1].copy(),
            state_multiplier=of_states[1:].copy(),
            row_multiplier=of_rows.copy(),
            row_slack=arrays["slack"].sum(axis=1)[:, self._limits[2]],
            residuals={name: getattr(result, name) for name in RESIDUALS},
        )

    def factorise(self) -> None:
        """Factorise at the last solution, for exact derivatives; otherwise they are those one iterate before.

        Raises:
            SolverError: A pivot vanished: the solution is not unique.
        """
        status = self._library.qp_factorise(ctypes.byref(self._problem), self._work.ctypes.data)
        if status != QPStatus.OK:
            raise SolverError(
                "the QP's solution is not unique, or the last solve failed: it has no derivative"
            )

    def derivative(
        self,
        x0: FloatArray | None = None,
        c: FloatArray | None = None,
        q: FloatArray | None = None,
        r: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Derivative of the solution (x, u) in a direction of the data, from the factorisation at hand.

        Args:
            x0: Direction (n,).
            c: (N, n).
            q: (N + 1, n).
            r: (N, m).
        """
        start = None if x0 is None else np.array(x0, dtype=np.float64)
        offset = None if c is None else np.zeros_like(self._arrays["offset"])
        gradient = None if q is None and r is None else np.zeros_like(self._arrays["gradient"])
        if offset is not None:
            offset[:, : self.states] = c
        if gradient is not None:
            gradient[:, self._x] = 0.0 if q is None else q
            gradient[:-1, self._u] = 0.0 if r is None else r
        dz = np.zeros_like(self._arrays["z"])
        data = [None if a is None else a.ctypes.data for a in (start, offset, gradient, dz, None)]
        self._library.qp_perturb(ctypes.byref(self._problem), *data, self._work.ctypes.data)
        return dz[:, self._x], dz[:-1, self._u]

    def first_gain(self) -> FloatArray:
        """du_0/dx_0 (m, n) by the factorisation at hand."""
        gain = np.zeros((self.inputs, self.states))
        self._library.qp_first_gain(ctypes.byref(self._problem), gain.ctypes.data, self._work.ctypes.data)
        return gain

    def _fill(self, problem: StructuredQP) -> None:
        """Write the data into the arrays that C reads."""
        arrays, u, x, N = self._arrays, self._u, self._x, self.horizon
        if tuple(problem.bounded) != tuple(self.bounded):
            raise SolverError(f"the QP bounds the states {problem.bounded}, this solver {self.bounded}")
        try:
            arrays["x0"][:] = _like(arrays["x0"], problem.x0, "x0")
            dynamics, hessian, gradient = arrays["dynamics"], arrays["hessian"], arrays["gradient"]
            dynamics[:, :, u] = _like(dynamics[:, :, u], problem.B, "B")
            dynamics[:, :, x] = _like(dynamics[:, :, x], problem.A, "A")
            arrays["offset"][:, : self.states] = _like(arrays["offset"][:, : self.states], problem.c, "c")
            hessian[:, x, x] = _like(hessian[:, x, x], problem.Q, "Q")
            hessian[:N, u, u] = _like(hessian[:N, u, u], problem.R, "R")
            cross = np.zeros((N, self.inputs, self.states)) if problem.S is None else problem.S
            hessian[:N, u, x] = _like(hessian[:N, u, x], cross, "S")
            hessian[:N, x, u] = np.swapaxes(cross, 1, 2)
            gradient[:, x] = _like(gradient[:, x], problem.q, "q")
            gradient[:N, u] = _like(gradient[:N, u], problem.r, "r")
            if self.rows:
                C = np.zeros((N + 1, self.rows, self.states)) if problem.C is None else problem.C
                D = np.zeros((N, self.rows, self.inputs)) if problem.D is None else problem.D
                matrix = arrays["matrix"][:, : self.rows]
                matrix[:, :, x] = _like(matrix[:, :, x], C, "C")
                matrix[:N, :, u] = _like(matrix[:N, :, u], D, "D")
        except ValueError as error:
            raise SolverError(str(error)) from error
        of_inputs, of_states, of_rows = self._limits
        self._fill_limits(problem.input_limits, slice(0, N), of_inputs)
        self._fill_limits(problem.state_limits, slice(1, N + 1), of_states)
        self._fill_limits(problem.row_limits, slice(0, N + 1), of_rows)

    def _fill_limits(self, limits: Limits | None, stages: slice, part: slice) -> None:
        arrays = self._arrays
        values = Limits(np.array(-np.inf), np.array(np.inf)) if limits is None else limits
        for name in ("lower", "upper", "l1", "l2"):
            arrays[name][stages, part] = getattr(values, name)


def _like(target: FloatArray, value: FloatArray, name: str) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != target.shape:
        raise ValueError(f"{name} of the QP has the shape {array.shape} instead of {target.shape}")
    return array
