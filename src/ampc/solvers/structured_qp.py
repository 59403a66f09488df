"""Quadratic programs of optimal control, solved in C by an interior-point method with a Riccati factorisation."""

import ctypes
import functools
from ctypes import POINTER, c_double, c_int, c_long
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.library import load_library
from ampc.errors import SolverError

VERSION = 3
"""``QP_VERSION`` of src/qp.h that this module is written for."""

_SIZES = ("horizon", "states", "inputs", "bounds", "rows", "unused")
_DATA = (
    "x0", "dynamics", "offset", "hessian", "gradient", "matrix", "lower", "upper", "l1", "l2",
)  # fmt: skip
_SOLUTION = ("z", "costate", "multiplier", "slack")
_RESIDUALS = ("stationarity", "dynamics", "limits", "complementarity")


class CSize(ctypes.Structure):
    """``QPSize`` of qp.h."""

    _fields_ = tuple((name, c_int) for name in _SIZES)


class CProblem(ctypes.Structure):
    """``QPProblem`` of qp.h."""

    _fields_ = (
        ("size", CSize),
        ("bounded", POINTER(c_int)),
        ("rows_at", POINTER(c_int)),
        *((name, POINTER(c_double)) for name in _DATA),
    )


class CSolution(ctypes.Structure):
    """``QPSolution`` of qp.h."""

    _fields_ = tuple((name, POINTER(c_double)) for name in _SOLUTION)


class CSettings(ctypes.Structure):
    """``QPSettings`` of qp.h."""

    _fields_ = (
        ("max_iterations", c_int),
        ("warm", c_int),
        ("tolerance", c_double),
        ("negligible", c_double),
        ("barrier", c_double),
    )


class CResult(ctypes.Structure):
    """``QPResult`` of qp.h."""

    _fields_ = (("status", c_int), ("iterations", c_int), *((name, c_double) for name in _RESIDUALS))


class QPStatus(IntEnum):
    """How a solve ended."""

    OK = 0
    """All residuals of the problem as given are within the tolerance."""
    MAX_ITERATIONS = 1
    """They are not, after the largest number of iterations."""
    NOT_FINITE = 2
    """Data, or what became of them, are NaN or too large."""
    BAD_ARGUMENT = 3
    """Sizes or settings are out of range, or penalties negative."""
    NUMERICAL = 4
    """No progress is possible any more; as with an indefinite Hessian."""
    INFEASIBLE = 5
    """The hard limits contradict each other or the dynamics."""
    UNBOUNDED = 6
    """The cost falls without end."""


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


@dataclass(frozen=True)
class Limits:
    """Limits of each stage's inputs, states or rows, arrays (stages, number); infinite ones do not exist."""

    lower: FloatArray
    """Lower limits."""
    upper: FloatArray
    """Upper limits; equal to the lower ones: an equality."""
    l1: FloatArray | float = np.inf
    """Cost per violation; infinite: the limit is hard."""
    l2: FloatArray | float = 0.0
    """Cost per half the squared violation; not used by hard limits."""


@dataclass(frozen=True)
class StructuredQP:
    """Minimise sum_k 1/2 z_k' H_k z_k + g_k' z_k + penalties, z = [x, u], x_{k+1} = A_k x_k + B_k u_k + c_k.

    With N steps, n states, m inputs: stages 0 to N, without an input at the last one. States are limited from
    stage 1 on. Rows of stage k are C_k x_k + D_k u_k.
    """

    A: FloatArray
    """(N, n, n)"""
    B: FloatArray
    """(N, n, m)"""
    c: FloatArray
    """(N, n)"""
    x0: FloatArray
    """(n,)"""
    Q: FloatArray
    """(N + 1, n, n), symmetric; with R and S positive semidefinite"""
    R: FloatArray
    """(N, m, m)"""
    q: FloatArray
    """(N + 1, n)"""
    r: FloatArray
    """(N, m)"""
    S: FloatArray | None = None
    """(N, m, n): cost u' S x"""
    input_limits: Limits | None = None
    """Of u, (N, m)."""
    bounded: tuple[int, ...] = ()
    """State variables with limits."""
    state_limits: Limits | None = None
    """Of those, (N, number): at stages 1 to N."""
    C: FloatArray | None = None
    """(N + 1, rows, n)"""
    D: FloatArray | None = None
    """(N, rows, m)"""
    row_limits: Limits | None = None
    """Of the rows, (N + 1, rows)."""


@dataclass(frozen=True)
class QPSolution:
    """What a solve returned; to be used only if the status is OK."""

    status: QPStatus
    iterations: int
    x: FloatArray
    """(N + 1, n)"""
    u: FloatArray
    """(N, m)"""
    costate: FloatArray
    """(N + 1, n): derivative of the optimal cost by x0 and by each c_k."""
    input_multiplier: FloatArray
    """(N, m): of the lower limits less that of the upper ones."""
    state_multiplier: FloatArray
    """(N, number of bounded variables)"""
    row_multiplier: FloatArray
    """(N + 1, rows)"""
    row_slack: FloatArray
    """(N + 1, rows): violation of soft rows."""
    residuals: dict[str, float] = field(default_factory=dict)
    """Largest residuals, each relative to what the tolerance refers to."""


def _pad(number: int) -> int:
    return (number + 3) // 4 * 4


@functools.cache
def _functions() -> ctypes.CDLL:
    """The library with the types of this module's functions set.

    Raises:
        SolverError: It was not built, or is of another version.
    """
    try:
        library = load_library()
        version = library.qp_version()
    except (OSError, AttributeError) as error:
        raise SolverError(
            "the compiled library with the QP solver is missing; install a C compiler (such as gcc) and then "
            f"this package again ({error})"
        ) from error
    if version != VERSION:
        raise SolverError(
            f"the QP solver has version {version} instead of {VERSION}; install the package again"
        )
    array, problem = ctypes.c_void_p, POINTER(CProblem)
    library.qp_workspace_size.argtypes = [POINTER(CSize)]
    library.qp_workspace_size.restype = c_long
    library.qp_solve.argtypes = [
        problem, POINTER(CSettings), POINTER(CSolution), POINTER(CResult), array
    ]  # fmt: skip
    library.qp_factorise.argtypes = [problem, array]
    library.qp_perturb.argtypes = [problem, *[array] * 6]
    library.qp_perturb.restype = None
    library.qp_first_gain.argtypes = [problem, array, array]
    library.qp_first_gain.restype = None
    return library


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
        self._library = _functions()
        self.settings = settings or QPSettings()
        self._size = CSize(horizon, states, inputs, len(bounded), rows, 0)
        length = self._library.qp_workspace_size(ctypes.byref(self._size))
        if length < 0:
            raise SolverError(
                f"no QP with {horizon} steps, {states} states, {inputs} inputs, {len(bounded)} bounds and {rows} "
                "rows: sizes have to be positive and are limited, see solvers/src/qp.h"
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
            "x0": (n,), "dynamics": (N, n, W), "offset": (N, X), "hessian": (N + 1, W, W), "gradient": (N + 1, W),
            "matrix": (N + 1, _pad(rows), W), "lower": (N + 1, L), "upper": (N + 1, L), "l1": (N + 1, L),
            "l2": (N + 1, L), "z": (N + 1, W), "costate": (N + 1, X), "multiplier": (N + 1, 2, L),
            "slack": (N + 1, 2, L),
        }  # fmt: skip
        self._arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
        self._work = np.zeros(length)
        self._bounded = np.array(bounded, dtype=np.intc)
        self._problem = CProblem(size=self._size, bounded=self._bounded.ctypes.data_as(POINTER(c_int)))
        self._solution = CSolution()
        for name, array in self._arrays.items():
            target = self._solution if name in _SOLUTION else self._problem
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
            residuals={name: getattr(result, name) for name in _RESIDUALS},
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
