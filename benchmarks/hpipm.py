"""HPIPM, from the library in CasADi's wheel, on the quadratic programs of `ampc.solvers.structured_qp`.

CasADi's own plug-in knows no soft constraints and aborts on problems without equalities; this calls the
library behind it by ctypes (G. Frison, M. Diehl, HPIPM, IFAC 2020). Tests and benchmarks use it, the package
does not.
"""

import ctypes
import math
import time
from ctypes import byref, c_double, c_int, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import casadi
import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.solvers.structured_qp_problem import Limits, StructuredQP

MODES = ("speed-abs", "speed", "balance", "robust")
STATUS = ("ok", "maximum iterations", "minimum step", "not finite", "inconsistent equalities")
Mode = Literal["speed-abs", "speed", "balance", "robust"]


@dataclass(frozen=True)
class HpipmSolution:
    """What HPIPM returned."""

    status: str
    iterations: int
    x: FloatArray
    u: FloatArray
    seconds: float
    """Of the call of the solver alone, without handing over the data."""


def find_library() -> Path | None:
    """The library, if CasADi brings it."""
    folder = Path(casadi.__file__).parent
    found = [
        path for name in ("libhpipm.so", "libhpipm.dylib", "hpipm.dll") if (path := folder / name).exists()
    ]
    return found[0] if found else None


class Hpipm:
    """Solves quadratic programs of one structure, the first state eliminated."""

    def __init__(
        self,
        qp: StructuredQP,
        tolerance: float = 1e-8,
        mode: Mode = "balance",
        warm: bool = False,
        max_iterations: int = 100,
    ) -> None:
        """Allocate for problems that have the sizes, and the soft limits, of this one."""
        path = find_library()
        if path is None:
            raise OSError("this CasADi has no HPIPM library")
        # Its BLAS has to be loaded first, and be visible to it.
        ctypes.CDLL(str(path.with_name(path.name.replace("hpipm", "blasfeo"))), mode=ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(path))
        self._memory: list[ctypes.Array[ctypes.c_char]] = []
        self._N, self._n, self._m = len(qp.A), qp.A.shape[1], qp.B.shape[2]
        self._limits = [self._limits_at(qp, k) for k in range(self._N + 1)]
        self._dim = self._structure("dim")
        self._call("d_ocp_qp_dim_create", self._N, self._dim, self._own("d_ocp_qp_dim_memsize", self._N))
        for k, limits in enumerate(self._limits):
            sizes = {
                "nx": self._n if k else 0,
                "nu": self._m if k < self._N else 0,
                "nbu": len(limits.inputs),
                "nbx": len(limits.states),
                "ng": len(limits.rows),
                "ns": int(np.isfinite(limits.l1).sum()),
            }
            for name, value in sizes.items():
                self._call(f"d_ocp_qp_dim_set_{name}", k, value, self._dim)
        self._qp, self._solution = self._structure(""), self._structure("sol")
        for structure, prefix in ((self._qp, "d_ocp_qp"), (self._solution, "d_ocp_qp_sol")):
            memory = self._own(f"{prefix}_memsize", self._dim)
            self._call(f"{prefix}_create", self._dim, structure, memory)
        self._arguments, self._work = self._structure("ipm_arg"), self._structure("ipm_ws")
        memory = self._own("d_ocp_qp_ipm_arg_memsize", self._dim)
        self._call("d_ocp_qp_ipm_arg_create", self._dim, self._arguments, memory)
        self._call("d_ocp_qp_ipm_arg_set_default", MODES.index(mode), self._arguments)
        for name in ("tol_stat", "tol_eq", "tol_ineq", "tol_comp"):
            self._call(f"d_ocp_qp_ipm_arg_set_{name}", byref(c_double(tolerance)), self._arguments)
        self._call("d_ocp_qp_ipm_arg_set_iter_max", byref(c_int(max_iterations)), self._arguments)
        self._call("d_ocp_qp_ipm_arg_set_warm_start", byref(c_int(int(warm))), self._arguments)
        memory = self._own("d_ocp_qp_ipm_ws_memsize", self._dim, self._arguments)
        self._call("d_ocp_qp_ipm_ws_create", self._dim, self._arguments, self._work, memory)

    def solve(self, qp: StructuredQP) -> HpipmSolution:
        """Hand over the data and solve."""
        self._hand_over(qp)
        started = time.perf_counter()
        self._call("d_ocp_qp_ipm_solve", self._qp, self._solution, self._arguments, self._work)
        seconds = time.perf_counter() - started
        status, iterations = c_int(), c_int()
        self._call("d_ocp_qp_ipm_get_status", self._work, byref(status))
        self._call("d_ocp_qp_ipm_get_iter", self._work, byref(iterations))
        x, u = np.zeros((self._N + 1, self._n)), np.zeros((self._N, self._m))
        x[0] = qp.x0
        for k in range(1, self._N + 1):
            self._call("d_ocp_qp_sol_get_x", k, self._solution, c_void_p(x[k].ctypes.data))
        for k in range(self._N):
            self._call("d_ocp_qp_sol_get_u", k, self._solution, c_void_p(u[k].ctypes.data))
        return HpipmSolution(STATUS[status.value], iterations.value, x, u, seconds)

    def _hand_over(self, qp: StructuredQP) -> None:
        N = self._N
        for k in range(N + 1):
            if k < N:
                first = qp.A[0] @ qp.x0 if k == 0 else 0.0
                cross = np.zeros((self._m, self._n)) if qp.S is None else qp.S[k]
                self._set("B", k, qp.B[k])
                self._set("b", k, qp.c[k] + first)
                self._set("R", k, qp.R[k])
                self._set("r", k, qp.r[k] + (cross @ qp.x0 if k == 0 else 0.0))
                if k:
                    self._set("A", k, qp.A[k])
                    self._set("S", k, cross)
            if k:
                self._set("Q", k, qp.Q[k])
                self._set("q", k, qp.q[k])
            self._hand_over_limits(qp, k)

    def _hand_over_limits(self, qp: StructuredQP, k: int) -> None:
        limits = self._limits_at(qp, k)
        if limits.rows:
            C = np.zeros((len(limits.rows), self._n)) if qp.C is None else qp.C[k]
            if k < self._N:
                D = np.zeros((len(limits.rows), self._m)) if qp.D is None else qp.D[k]
                self._set("D", k, D)
            if k:
                self._set("C", k, C)
            else:
                moved = slice(len(limits.inputs), None)
                limits.lower[moved] -= C @ qp.x0
                limits.upper[moved] -= C @ qp.x0
        if limits.inputs:
            self._set("idxbu", k, np.array(limits.inputs))
        if limits.states:
            self._set("idxbx", k, np.array(limits.states))
        bounds = len(limits.inputs) + len(limits.states)
        for side, sign in (("l", -1.0), ("u", 1.0)):
            value = limits.lower if sign < 0.0 else limits.upper
            mask = np.isfinite(value)
            value = np.where(mask, value, 0.0)
            for name, part in (("b", slice(0, bounds)), ("g", slice(bounds, None))):
                if len(value[part]):
                    self._set(f"{side}{name}", k, value[part])
                    self._set(f"{side}{name}_mask", k, mask[part].astype(np.float64))
        soft = np.flatnonzero(np.isfinite(limits.l1))
        if len(soft):
            self._set("idxs", k, soft)
            for side in "lu":
                self._set(f"Z{side}", k, limits.l2[soft])
                self._set(f"z{side}", k, limits.l1[soft])
                self._set(f"l{side}s", k, np.zeros(len(soft)))

    def _set(self, name: str, stage: int, value: FloatArray | IntArray) -> None:
        """Matrices go column by column."""
        if value.dtype.kind == "f":
            array = np.asfortranarray(value, dtype=np.float64)
        else:
            array = np.ascontiguousarray(value, dtype=np.intc)
        self._call(f"d_ocp_qp_set_{name}", stage, c_void_p(array.ctypes.data), self._qp)

    def _limits_at(self, qp: StructuredQP, k: int) -> "_StageLimits":
        parts: list[tuple[Limits, int]] = []
        inputs: list[int] = []
        states: list[int] = []
        rows: list[int] = []
        if qp.input_limits is not None and k < self._N:
            inputs = list(range(self._m))
            parts.append((qp.input_limits, k))
        if qp.state_limits is not None and k > 0:
            states = list(qp.bounded)
            parts.append((qp.state_limits, k - 1))
        if qp.row_limits is not None and np.isfinite([qp.row_limits.lower[k], qp.row_limits.upper[k]]).any():
            rows = list(range(qp.row_limits.lower.shape[1]))
            parts.append((qp.row_limits, k))
        stacked = {
            name: np.concatenate(
                [np.broadcast_to(getattr(limits, name), limits.lower.shape)[row] for limits, row in parts]
                or [np.zeros(0)]
            )
            for name in ("lower", "upper", "l1", "l2")
        }
        return _StageLimits(inputs, states, rows, **stacked)

    def _structure(self, kind: str) -> c_void_p:
        """Memory for one of HPIPM's structures, of the size it states itself."""
        return self._own(f"d_ocp_qp_{kind}_strsize" if kind else "d_ocp_qp_strsize")

    def _own(self, name: str, *arguments: object) -> c_void_p:
        """Zeroed memory of the size that a function of the library asks for, aligned to cache lines."""
        function = getattr(self._library, name)
        function.restype = ctypes.c_size_t
        memory = ctypes.create_string_buffer(int(function(*arguments)) + 64)
        self._memory.append(memory)
        return c_void_p(math.ceil(ctypes.addressof(memory) / 64) * 64)

    def _call(self, name: str, *arguments: object) -> None:
        function = getattr(self._library, name)
        function.restype = None
        function(*arguments)


@dataclass(frozen=True)
class _StageLimits:
    inputs: list[int]
    states: list[int]
    rows: list[int]
    lower: FloatArray
    upper: FloatArray
    l1: FloatArray
    l2: FloatArray
