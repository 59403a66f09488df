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

MOST_SHAPES = 64
"""``RTI_STOP_SHAPES`` of src/rti_stop.h."""
_TOLERANCE = 1e-4
"""Of the integrator's last correction, relative to velocities; its error is about the square."""


@dataclass(frozen=True, eq=False)
class BrakeLaw:
    """Torque against gravity, less feedback of velocities and of what bends the links; slow motors are held.

    Gains are given for some shapes, which differ in the positions of the third and further motors; in between
    they are interpolated. What the torque before was away from the brake's own fades out.
    """

    shapes: FloatArray
    """Positions of the motors (S, m) [rad]."""
    damping: FloatArray
    """(S, m, n) [N m s/rad]; of a motor that turns the yaw joint per inertia about it."""
    relief: FloatArray
    """Torque per force that moves a joint without a motor, that of spring and gravity together (S, m, n)."""
    stiffness: FloatArray
    """Of motors that are held (S, m) [N m/rad]."""
    stopped: float
    """Speed of all motors below which they are held [rad/s]."""
    fade: float
    """Time constant of taking over [s]."""
    frequency: float
    """Lowest of an arm whose motors are held [rad/s]."""


@dataclass(frozen=True, eq=False)
class StopLimits:
    """What has to hold along a stop, in the columns of `Layout`.

    A limit that the first state is beyond is replaced by what it is there: it must not get worse.
    """

    lower: FloatArray
    """At all nodes (L,)."""
    upper: FloatArray
    """At all nodes (L,)."""
    braking: FloatArray
    """Factors on them where the brake has acted (L,)."""
    growth: FloatArray
    """By which lower limits of distances rise with the way that the point has gone (L,) [m/m]."""
    free_way: float
    """Way that does not count in this [m]."""
    largest_growth: float
    """By how much they rise at most [m]."""
    unit: FloatArray
    """Excess that counts as 1 (L,); infinite for what is not limited."""
    rest_speed: float
    """Of all joints at rest [rad/s]."""
    speed_unit: float
    """Excess over it that counts as 1 [rad/s]."""


@dataclass(frozen=True, eq=False)
class Stop:
    """What becomes of an arm that is given torques and then brakes. Arrays hold until the next roll-out."""

    excess: float
    """Largest excess over a limit, in its unit; negative: what is left of it. Infinite without a result."""
    beyond: float
    """The same of the state that it begins with, where no limit is asked for."""
    node: int
    """Where the largest excess is."""
    column: int
    """Which limit that is, a column of `Layout`; -1: that the arm comes to rest."""
    x: FloatArray
    """States until rest (K + 1, 2n)."""
    u: FloatArray
    """Torques until rest (K, m), the given ones first [N m]."""
    offset: FloatArray
    """By how much the brake's torque will differ from its own after the first step (m,) [N m]."""

    @property
    def safe(self) -> bool:
        """Whether all limits hold, and the arm has come to rest."""
        return self.excess <= 0.0


class _CStop(ctypes.Structure):
    """``RtiStop`` of src/rti_stop.h."""

    _fields_ = (
        *((name, c_int) for name in ("steps", "given", "scheme", "holding", "whole", "shapes")),
        *((name, c_void_p) for name in ("lengths", "substeps", "torque_limits")),
        *((name, c_void_p) for name in ("shape", "damping", "relief", "stiffness", "held")),
        *((name, c_double) for name in ("stopped", "fade")),
        *((name, c_void_p) for name in ("offset", "next_offset", "lower", "upper", "growth")),
        *((name, c_double) for name in ("free_way", "largest_growth")),
        ("unit", c_void_p),
        *((name, c_double) for name in ("rest_speed", "speed_unit", "frequency")),
        *((name, c_void_p) for name in ("x", "u")),
        *((name, c_double) for name in ("worst", "beyond")),
        *((name, c_int) for name in ("worst_node", "worst_limit", "done")),
    )


class StopRollout:
    """Integrates stops in one compiled call each. One for each loop."""

    def __init__(self, problem: OptimalControlProblem, law: BrakeLaw) -> None:
        """Prepare for the limits of a problem.

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
        self._fixed = {
            "torque_limits": np.ascontiguousarray(problem.torque_limits.T),
            "shape": np.ascontiguousarray(law.shapes),
            "damping": np.ascontiguousarray(law.damping),
            "relief": np.ascontiguousarray(law.relief),
            "stiffness": np.ascontiguousarray(law.stiffness),
            "held": np.zeros(self._m),
            "offset": np.zeros(self._m),
            "next_offset": np.zeros(self._m),
        }
        self._law = law

    def prepare(
        self,
        lengths: FloatArray,
        substeps: IntArray,
        limits: StopLimits,
        given: int = 0,
        scheme: str = "radau",
    ) -> "PreparedStop":
        """Lay out a roll-out.

        Args:
            lengths: Of the steps (K,) [s].
            substeps: In how many parts each is integrated (K,).
            limits: What has to hold.
            given: Steps before the brake's.
            scheme: Integrator.
        """
        steps = len(lengths)
        lower, upper = np.tile(limits.lower, (steps + 1, 1)), np.tile(limits.upper, (steps + 1, 1))
        lower[given + 1 :] *= limits.braking
        upper[given + 1 :] *= limits.braking
        arrays: dict[str, np.ndarray[Any, Any]] = {
            "lengths": np.ascontiguousarray(lengths, dtype=np.float64),
            "substeps": np.minimum(substeps, self._most_substeps).astype(np.intc),
            "lower": lower,
            "upper": upper,
            "growth": np.ascontiguousarray(limits.growth),
            "unit": np.ascontiguousarray(limits.unit),
            "x": np.zeros((steps + 1, self._n)),
            "u": np.zeros((steps, self._m)),
        }
        c = _CStop()
        law = self._law
        c.steps, c.scheme, c.shapes = steps, SCHEMES[scheme], len(law.shapes)
        c.stopped, c.fade, c.frequency = law.stopped, law.fade, law.frequency
        c.free_way, c.largest_growth = limits.free_way, limits.largest_growth
        c.rest_speed, c.speed_unit = limits.rest_speed, limits.speed_unit
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
        offset: FloatArray | None = None,
        whole: bool = False,
    ) -> Stop:
        """Roll out from a state.

        Args:
            prepared: From `prepare`.
            x0: State (2n,).
            given: Torques of the first steps (G, m) [N m]; the brake's follow.
            stiffness_scale: Young's modulus relative to the model's.
            held: Where the motors are held already (m,) [rad]; None where they are not.
            offset: Of the brake's torque where none is given (m,) [N m]; None for none.
            whole: Whether to go on to the last step where the arm rests before.
        """
        c, x0 = prepared.c, np.ascontiguousarray(x0, dtype=np.float64)
        c.given, c.whole = len(given), int(whole)
        prepared.arrays["u"][: c.given] = given
        c.holding = int(held is not None)
        if held is not None:
            self._fixed["held"][:] = held
        self._fixed["offset"][:] = 0.0 if offset is None else offset
        self._call(byref(self._rti), x0.ctypes.data, stiffness_scale, byref(c))
        x, u = prepared.arrays["x"][: c.done + 1], prepared.arrays["u"][: max(1, c.done)]
        return Stop(c.worst, c.beyond, c.worst_node, c.worst_limit, x, u, self._fixed["next_offset"])


@dataclass(frozen=True, eq=False)
class PreparedStop:
    """Steps of a roll-out, with room for what comes out."""

    c: _CStop
    arrays: dict[str, np.ndarray[Any, Any]]


def steps_of(grid: GridSettings) -> tuple[FloatArray, IntArray]:
    """Lengths (K,) [s] of the steps of a grid, and in how many parts each is integrated (K,)."""
    return np.repeat(np.array(grid.lengths), grid.counts), np.repeat(np.array(grid.substeps), grid.counts)
