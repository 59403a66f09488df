"""The compiled QP solver: structures and functions of src/qp.h, by ctypes."""

import ctypes
import functools
from ctypes import POINTER, c_double, c_int, c_long

from ampc.chain.library import load_library
from ampc.errors import SolverError

VERSION = 3
"""``QP_VERSION`` of src/qp.h that this module is written for."""
SOLUTION = ("z", "costate", "multiplier", "slack")
"""Arrays of ``QPSolution``."""
RESIDUALS = ("stationarity", "dynamics", "limits", "complementarity")
"""Residuals of ``QPResult``."""
_SIZES = ("horizon", "states", "inputs", "bounds", "rows", "unused")
_DATA = ("x0", "dynamics", "offset", "hessian", "gradient", "matrix", "lower", "upper", "l1", "l2")


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

    _fields_ = tuple((name, POINTER(c_double)) for name in SOLUTION)


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

    _fields_ = (("status", c_int), ("iterations", c_int), *((name, c_double) for name in RESIDUALS))


@functools.cache
def load_qp() -> ctypes.CDLL:
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
