"""Roll-outs of stops: whether an arm that is given some torques, and then brakes, keeps its limits."""

import ctypes
from ctypes import POINTER, byref, c_double, c_int, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain.library import SCHEMES
from ampc.errors import SolverError
from ampc.solvers.nonlinear_mpc_settings import GridSettings
from ampc.solvers.optimal_control import OptimalControlProblem
from ampc.solvers.real_time_iteration_library import CRti, Layout, c_problem, load_solver

_TOLERANCE = 1e-4
"""Of the integrator's last correction, relative to velocities; its error is about the square."""


@dataclass(frozen=True, eq=False)
class BrakeLaw:
    """Torque against gravity, less ``damping @ dq``; motors that have become slow are held where they are."""

    damping: FloatArray
    """(m, n) [N m s/rad]."""
    stiffness: FloatArray
    """Of the motors (m,) [N m/rad]."""
    stopped: float
    """Speed of all motors below which they are held [rad/s]."""


@dataclass(frozen=True, eq=False)
class StopLimits:
    """What has to hold along a stop, in the columns of `Layout`."""

    lower: FloatArray
    """At all nodes (L,)."""
    upper: FloatArray
    """At all nodes (L,)."""
    first_lower: FloatArray
    """At the node that the first step ends in (L,)."""
    first_upper: FloatArray
    """At the same node (L,)."""
    last_lower: FloatArray
    """At the last node (L,)."""
    last_upper: FloatArray
    """At the last node (L,)."""
    growth: FloatArray
    """By which lower limits rise with the time from now (L,) [1/s]."""
    largest_growth: FloatArray
    """By how much they rise at most (L,)."""
    unit: FloatArray
    """Excess that counts as 1 (L,); infinite for what is not limited."""


@dataclass(frozen=True, eq=False)
class Stop:
    """What becomes of an arm that is given torques and then brakes. Arrays hold until the next roll-out."""

    excess: float
    """Largest excess over a limit, in its unit; negative: what is left of it. Infinite without a result."""
    node: int
    """Where that is."""
    column: int
    """Which limit that is, a column of `Layout`."""
    x: FloatArray
    """States (K + 1, 2n)."""
    u: FloatArray
    """Torques (K, m), the given ones first [N m]."""

    @property
    def safe(self) -> bool:
        """Whether all limits hold, and the arm has come to rest."""
        return self.excess <= 0.0


class _CStop(ctypes.Structure):
    """``RtiStop`` of src/rti_stop.h."""

    _fields_ = (
        *((name, c_int) for name in ("steps", "given", "scheme", "holding")),
        *(
            (name, c_void_p)
            for name in ("lengths", "substeps", "torque_limits", "damping", "stiffness", "held")
        ),
        ("stopped", c_double),
        *((name, c_void_p) for name in ("lower", "upper", "unit", "x", "u")),
        ("worst", c_double),
        ("worst_node", c_int),
        ("worst_limit", c_int),
    )


class StopRollout:
    """Integrates stops in one compiled call each. One for each loop."""

    def __init__(self, problem: OptimalControlProblem, law: BrakeLaw, limits: StopLimits) -> None:
        """Prepare for a problem, whose limits are looked at.

        Raises:
            SolverError: The compiled library is missing, or older than this module.
        """
        library = load_solver()
        if not hasattr(library, "rti_stop"):
            raise SolverError("the compiled library knows no roll-outs of stops; install this package again")
        self._call = library.rti_stop
        self._call.argtypes = [POINTER(CRti), c_void_p, c_double, POINTER(_CStop)]
        self._rti, self._arrays = c_problem(problem, Layout(problem))
        self._rti.integrator_tolerance = _TOLERANCE
        size = int(library.rti_memory_size(byref(self._rti)))
        if size < 0:
            raise SolverError(f"robot {problem.robot.name!r}: the problem has too many states or limits")
        self._memory = np.zeros(size + 8)
        self._rti.memory = -(-self._memory.ctypes.data // 64) * 64
        self._n, self._m = problem.n_states, problem.robot.n_actuated
        self._most_substeps = int(problem.substeps.max())
        self._limits = limits
        self._fixed = {
            "torque_limits": np.ascontiguousarray(problem.torque_limits.T),
            "damping": np.ascontiguousarray(law.damping),
            "stiffness": np.ascontiguousarray(law.stiffness),
            "held": np.zeros(self._m),
            "unit": np.ascontiguousarray(limits.unit),
        }
        self._stopped = law.stopped

    def prepare(self, lengths: FloatArray, substeps: IntArray, scheme: str = "radau") -> "PreparedStop":
        """Lay out a roll-out of steps (K,) [s], each integrated in so many parts (K,)."""
        limits, steps = self._limits, len(lengths)
        times = np.concatenate([[0.0], np.cumsum(lengths)])
        rise = np.minimum(times[:, None] * limits.growth, limits.largest_growth)
        lower, upper = limits.lower + rise, np.tile(limits.upper, (steps + 1, 1))
        lower[1] = np.maximum(lower[1], limits.first_lower)
        upper[1] = np.minimum(upper[1], limits.first_upper)
        lower[-1] = np.maximum(lower[-1], limits.last_lower)
        upper[-1] = np.minimum(upper[-1], limits.last_upper)
        arrays: dict[str, np.ndarray[Any, Any]] = {
            "lengths": np.ascontiguousarray(lengths, dtype=np.float64),
            "substeps": np.minimum(substeps, self._most_substeps).astype(np.intc),
            "lower": lower,
            "upper": upper,
            "x": np.zeros((steps + 1, self._n)),
            "u": np.zeros((steps, self._m)),
        }
        c = _CStop()
        c.steps, c.scheme, c.stopped = steps, SCHEMES[scheme], self._stopped
        for name, array in (*self._fixed.items(), *arrays.items()):
            setattr(c, name, array.ctypes.data)
        return PreparedStop(c, arrays)

    def run(
        self,
        prepared: "PreparedStop",
        x0: FloatArray,
        given: FloatArray,
        stiffness_scale: float = 1.0,
        held: FloatArray | None = None,
    ) -> Stop:
        """Roll out from a state.

        Args:
            prepared: From `prepare`.
            x0: State (2n,).
            given: Torques of the first steps (G, m) [N m]; the brake's follow.
            stiffness_scale: Young's modulus relative to the model's.
            held: Where the motors are held already (m,) [rad]; None where they are not.
        """
        c, x0 = prepared.c, np.ascontiguousarray(x0, dtype=np.float64)
        c.given = len(given)
        prepared.arrays["u"][: c.given] = given
        c.holding = int(held is not None)
        if held is not None:
            self._fixed["held"][:] = held
        self._call(byref(self._rti), x0.ctypes.data, stiffness_scale, byref(c))
        arrays = prepared.arrays
        return Stop(c.worst, c.worst_node, c.worst_limit, arrays["x"], arrays["u"])


@dataclass(frozen=True, eq=False)
class PreparedStop:
    """Steps of a roll-out, with room for what comes out."""

    c: _CStop
    arrays: dict[str, np.ndarray[Any, Any]]


def steps_of(grid: GridSettings) -> tuple[FloatArray, IntArray]:
    """Lengths (K,) [s] of the steps of a grid, and in how many parts each is integrated (K,)."""
    return np.repeat(np.array(grid.lengths), grid.counts), np.repeat(np.array(grid.substeps), grid.counts)
