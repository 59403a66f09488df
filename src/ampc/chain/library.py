"""The compiled library: its C structures and functions, by ctypes."""

import ctypes
import functools
from ctypes import POINTER, c_double, c_int

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import core
from ampc.chain.options import StepSettings
from ampc.chain.parameters import ChainParameters

VERSION = 2
"""``CHAIN_VERSION`` of src/chain.h that this module is written for."""
SCHEMES = {"gauss-legendre": 0, "radau": 1}

_SCALARS = (
    "sin_tilt", "cos_tilt", "gravity", "yaw_inertia", "yaw_stiffness", "yaw_rest", "yaw_damping",
    "stiffness_scale", "heading",
)  # fmt: skip
_ARRAYS = (
    "coupling", "gravity_moment", "inertia_along", "inertia_across", "inertia_normal", "stiffness",
    "flexible_stiffness", "rest", "damping", "armature", "offset", "point_along", "point_across",
)  # fmt: skip


class CModel(ctypes.Structure):
    """``ChainModel`` of chain.h."""

    _fields_ = (
        *((name, c_int) for name in ("bodies", "motors", "points", "unused")),
        *((name, c_double) for name in _SCALARS),
        ("base", c_double * 3),
        ("motor_joint", POINTER(c_int)),
        *((name, POINTER(c_double)) for name in _ARRAYS),
    )


class CStep(ctypes.Structure):
    """``ChainStep`` of chain.h."""

    _fields_ = (
        *((name, c_int) for name in ("scheme", "substeps", "max_iterations", "unused")),
        ("dt", c_double),
        ("tolerance", c_double),
    )


def c_model(parameters: ChainParameters) -> CModel:
    """The model as C sees it; the structure keeps the arrays that it points to alive."""
    along, across, normal = parameters.inertia.T
    arrays = {
        name: np.ascontiguousarray(value, dtype=np.float64)
        for name, value in {
            **{name: getattr(parameters, name) for name in _ARRAYS if hasattr(parameters, name)},
            "inertia_along": along,
            "inertia_across": across,
            "inertia_normal": normal,
        }.items()
    }
    model = CModel()
    model.bodies, model.motors = parameters.n_bodies, len(parameters.actuated)
    model.points = len(parameters.point_names)
    for name in _SCALARS:
        setattr(model, name, getattr(parameters, name))
    model.base[:] = parameters.base.tolist()
    motors = np.ascontiguousarray(parameters.actuated, dtype=np.intc)
    model.motor_joint = motors.ctypes.data_as(POINTER(c_int))
    for name, array in arrays.items():
        setattr(model, name, pointer(array))
    model.arrays = (motors, arrays)
    return model


@functools.lru_cache(maxsize=256)
def c_step(settings: StepSettings) -> CStep:
    """Step settings as C sees them."""
    return CStep(
        SCHEMES[settings.scheme],
        settings.substeps,
        settings.max_iterations,
        0,
        settings.dt,
        settings.tolerance,
    )


def pointer(array: FloatArray) -> "ctypes._Pointer[c_double]":
    """Pointer to the first element of a contiguous array, which has to outlive it."""
    return array.ctypes.data_as(POINTER(c_double))


@functools.cache
def load_library() -> ctypes.CDLL:
    """The library, with the types of its functions set.

    Raises:
        OSError: It was not built, cannot be loaded, or is of another version than this module.
    """
    library = core.open_library()
    version = library.chain_version()
    if version != VERSION:
        raise OSError(
            f"{core.LIBRARY} has version {version} instead of {VERSION}; install the package again to rebuild"
            " it"
        )
    array, model, step = ctypes.c_void_p, POINTER(CModel), POINTER(CStep)
    signatures = {
        "chain_workspace_size": [c_int, c_int],
        "chain_stages_size": [c_int, c_int],
        "chain_acceleration": [model, *[array] * 4],
        "chain_derivatives": [model, *[array] * 6],
        "chain_step": [model, step, *[array] * 7],
        "chain_step_many": [model, step, c_int, *[array] * 6],
        "chain_points": [model, *[array] * 5],
    }
    for name, types in signatures.items():
        getattr(library, name).argtypes = types
    return library
