"""The compiled real-time iteration: C structures of src/rti.h, and the problem laid out for it."""

import ctypes
import functools
from ctypes import POINTER, c_double, c_int, c_void_p

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain.library import SCHEMES, CModel, c_model, load_library
from ampc.errors import SolverError
from ampc.solvers.optimal_control import Limit, OptimalControlProblem

VERSION = 1
"""``RTI_VERSION`` of src/rti.h that this module is written for."""


class CRow(ctypes.Structure):
    """``RtiRow`` of src/rti.h."""

    _fields_ = (
        ("point", c_int),
        ("moving", c_int),
        ("normal", c_double * 3),
        ("offset", c_double),
        ("slope", c_double),
    )


class CRti(ctypes.Structure):
    """``Rti`` of src/rti.h."""

    _fields_ = (
        ("model", POINTER(CModel)),
        *((name, c_int) for name in ("horizon", "scheme", "bounds", "rows")),
        *(
            (name, c_void_p)
            for name in ("steps", "substeps", "stage_weights", "terminal_weights", "torque_weights")
        ),
        ("end_effector_weights", c_double * 2),
        *((name, c_void_p) for name in ("bounded", "rows_at", "row", "lower", "upper", "l1", "l2")),
        ("integrator_tolerance", c_double),
        ("qp_tolerance", c_double),
        ("qp_max_iterations", c_int),
        ("warm", c_int),
        *((name, c_void_p) for name in ("x", "u", "stages", "memory")),
        ("iteration_seconds", c_double),
        ("qp_iteration_seconds", c_double),
    )


class CQuery(ctypes.Structure):
    """``RtiQuery`` of src/rti.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("x0", "goal", "x_ref", "u_ref")),
        *((name, c_int) for name in ("goal_stride", "x_ref_stride", "u_ref_stride", "unused")),
        ("stiffness_scale", c_double),
        ("proposed", c_void_p),
        ("proposed_weight", c_void_p),
    )


class CReport(ctypes.Structure):
    """``RtiReport`` of src/rti.h."""

    _fields_ = (
        *((name, c_int) for name in ("status", "detail", "node", "iterations", "qp_iterations", "unused")),
        *((name, c_double) for name in ("change", "kkt", "gap", "cost")),
        *((name, c_double) for name in ("seconds", "linearisation_seconds", "qp_seconds")),
    )


@functools.cache
def load_solver() -> ctypes.CDLL:
    """The library, with the types of the real-time iteration's functions set.

    Raises:
        SolverError: It was not built, or is older than this module.
    """
    try:
        library = load_library()
        if library.rti_version() != VERSION:
            raise OSError("it is of another version than the package")
    except (OSError, AttributeError) as error:
        raise SolverError(
            f"the real-time iteration runs in the compiled library, which cannot be used: {error}; install a "
            "C compiler (such as gcc) and then this package again"
        ) from None
    rti, query, report = POINTER(CRti), POINTER(CQuery), POINTER(CReport)
    signatures = {
        "rti_memory_size": [rti],
        "rti_start": [rti, query],
        "rti_shift": [rti, c_double],
        "rti_step": [rti, query, c_int, c_double, report],
        "rti_converge": [rti, query, c_int, c_double, report],
        "rti_sensitivities": [rti, query, c_int, *[c_void_p] * 4, report],
        "rti_rollout": [rti, c_void_p, c_void_p, c_double, c_void_p, c_void_p],
    }
    for name, types in signatures.items():
        getattr(library, name).argtypes = types
    library.rti_memory_size.restype = ctypes.c_long
    library.rti_start.restype = library.rti_shift.restype = None
    return library


class Layout:
    """Where the limits of a problem stand in the QP: inputs, limited states, rows, each padded to fours."""

    def __init__(self, problem: OptimalControlProblem) -> None:
        n, m = problem.robot.n_joints, problem.robot.n_actuated
        both = [*problem.stage_limits, *problem.terminal_limits]
        states = [_state(limit, n) for limit in both if limit.kind in ("position", "velocity")]
        self.bounded: list[int] = list(dict.fromkeys(states))
        self.rows = [limit for limit in problem.stage_limits if limit.kind in ("distance", "approach")]
        self.first_bound = pad(m)
        self.first_row = self.first_bound + pad(len(self.bounded))
        self.width = self.first_row + pad(len(self.rows))
        self._n = n
        self.stage_columns: IntArray = np.array([self.column(limit) for limit in problem.stage_limits], int)
        """Column of each of the problem's stage limits."""

    def column(self, limit: Limit) -> int:
        """Where a limit stands."""
        if limit.kind in ("position", "velocity"):
            return self.first_bound + self.bounded.index(_state(limit, self._n))
        return self.first_row + self.rows.index(limit)


def pad(count: int) -> int:
    """``QP_PAD`` of src/qp.h."""
    return -(-count // 4) * 4


def c_problem(problem: OptimalControlProblem, layout: Layout) -> tuple[CRti, dict[str, object]]:
    """The problem as C sees it, without plan and memory; and the arrays that it points to."""
    N, m = problem.horizon, problem.robot.n_actuated
    shape = N + 1, layout.width
    lower, upper, l1, l2 = np.full(shape, -np.inf), np.full(shape, np.inf), np.zeros(shape), np.zeros(shape)
    lower[:N, :m], upper[:N, :m] = problem.torque_limits.T
    l1[:, :m] = np.inf
    for nodes, limits in ((slice(1, N), problem.stage_limits), (slice(N, N + 1), problem.terminal_limits)):
        scale = problem.steps[nodes] if nodes.stop == N else np.ones(1)
        for limit in limits:
            column = layout.column(limit)
            lower[nodes, column], upper[nodes, column] = limit.lower, limit.upper
            l1[nodes, column], l2[nodes, column] = limit.penalty.l1 * scale, limit.penalty.l2 * scale
    rows_at = np.full(N + 1, len(layout.rows), dtype=np.intc)
    rows_at[0] = 0
    arrays: dict[str, FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.intc]]] = {
        "steps": problem.steps,
        "substeps": problem.substeps.astype(np.intc),
        "stage_weights": problem.stage_weights,
        "terminal_weights": problem.terminal_weights,
        "torque_weights": problem.torque_weights,
        "bounded": np.array(layout.bounded, dtype=np.intc),
        "rows_at": rows_at,
        "lower": lower,
        "upper": upper,
        "l1": l1,
        "l2": l2,
    }
    rti = CRti()
    model = c_model(problem.chain.parameters)
    rti.model = ctypes.pointer(model)
    rti.horizon, rti.scheme = N, SCHEMES[problem.settings.grid.scheme]
    rti.bounds, rti.rows = len(layout.bounded), len(layout.rows)
    rti.end_effector_weights[:] = problem.end_effector_weights
    for name, array in arrays.items():
        setattr(rti, name, array.ctypes.data)
    rows = (CRow * max(1, len(layout.rows)))(*(_c_row(problem, limit) for limit in layout.rows))
    rti.row = ctypes.addressof(rows)
    return rti, {**arrays, "model": model, "row": rows}


def _state(limit: Limit, n: int) -> int:
    return limit.index + (n if limit.kind == "velocity" else 0)


def _c_row(problem: OptimalControlProblem, limit: Limit) -> CRow:
    obstacle = problem.robot.obstacles[limit.obstacle]
    moving = limit.kind == "approach"
    offset = float(obstacle.normal @ obstacle.point) + (limit.margin if moving else 0.0)
    return CRow(limit.index, int(moving), (c_double * 3)(*obstacle.normal), offset, limit.slope)
