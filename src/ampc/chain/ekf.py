"""Extended Kalman filter of a chain: predict over a step, take measurements in; compiled, or in NumPy.

State z (Z): ``[q, dq]``, then nothing, the logarithm of the stiffness scale, or a bias of the end-effector
sensor.
Measurement y (2m + 3,): positions and velocities of the actuated joints, end-effector position.
docs/estimator.md has the equations.
"""

import ctypes
import dataclasses
from ctypes import POINTER, c_double, c_int
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain.factors import correct_factors, predict_factors
from ampc.chain.library import CModel, CStep, c_model, c_step, load_library
from ampc.chain.options import StepSettings
from ampc.chain.yaw_chain import YawChain
from ampc.errors import SolverError

Augmentation = Literal["none", "modulus", "bias"]
_AUGMENTATIONS: dict[Augmentation, int] = {"none": 0, "modulus": 1, "bias": 2}
_LOG_SCALE_STEP = 1e-3
"""Step in the logarithm of the stiffness by which its derivative is taken; that of src/ekf.c."""


@dataclass(frozen=True, eq=False)
class FilterModel:
    """What a filter assumes."""

    step: StepSettings
    """How the model is integrated from one measurement to the next; a single substep."""
    augmentation: Augmentation
    """What the state has besides [q, dq]."""
    process: FloatArray
    """Variance that each step adds to the states (Z,)."""
    noise: FloatArray
    """Variance of the measurements (2m + 3,)."""
    gate: float
    """Innovations beyond this many standard deviations are rejected."""
    log_scale_limit: float
    """Largest magnitude of the estimated logarithm of the stiffness scale."""


class ChainFilter(Protocol):
    """A filter and its estimate; one for each loop, not to be shared between threads."""

    state: FloatArray
    """Estimate z (Z,)."""
    factors: FloatArray
    """Factors of its covariance (Z, Z), see `ampc.chain.factors`."""
    end_effector: FloatArray
    """End-effector position estimated at the last correction, bias included (3,) [m]."""

    @property
    def nis(self) -> float:
        """Normalised innovation squared of the last correction."""

    @property
    def used(self) -> int:
        """Measurements that the last correction used: the degrees of freedom of `nis`."""

    @property
    def rejected(self) -> int:
        """Finite measurements of the last correction that lay beyond the gate."""

    def start(self, state: FloatArray, factors: FloatArray) -> None:
        """Take an estimate (Z,) with factors (Z, Z) of its covariance, and forget the past."""

    def predict(self, torque: FloatArray) -> bool:
        """Predict over a step under a torque (m,) [N m]; False, and nothing changed, if the model fails."""

    def correct(self, y: FloatArray) -> None:
        """Take a measurement (2m + 3,) in; entries that are not finite are skipped."""

    def step(self, torque: FloatArray, y: FloatArray) -> bool:
        """`predict`, then `correct` if that went well."""


def n_filter_states(n_joints: int, augmentation: Augmentation) -> int:
    """Length Z of a filter's state."""
    return 2 * n_joints + {"none": 0, "modulus": 1, "bias": 3}[augmentation]


def make_filter(chain: YawChain, model: FilterModel) -> ChainFilter:
    """A filter in the chain's own language."""
    return CompiledFilter(chain, model) if chain.backend == "c" else NumpyFilter(chain, model)


class NumpyFilter:
    """The filter in NumPy: the reference for the compiled one, and its stand-in."""

    def __init__(self, chain: YawChain, model: FilterModel) -> None:
        self._chain, self._model = chain, model
        size = n_filter_states(chain.n_joints, model.augmentation)
        self.state, self.factors, self.end_effector = np.zeros(size), np.zeros((size, size)), np.zeros(3)
        self.nis, self.used, self.rejected = 0.0, 0, 0

    def start(self, state: FloatArray, factors: FloatArray) -> None:
        """See `ChainFilter.start`."""
        self.state[:], self.factors[:] = state, factors

    def step(self, torque: FloatArray, y: FloatArray) -> bool:
        """See `ChainFilter.step`."""
        predicted = self.predict(torque)
        if predicted:
            self.correct(y)
        return predicted

    def predict(self, torque: FloatArray) -> bool:
        """See `ChainFilter.predict`."""
        try:
            following, F = self._linearised_step(torque)
        except SolverError:
            return False
        self.state[: len(following)] = following
        self.factors[:] = predict_factors(self.factors, F, self._model.process)
        return True

    def _linearised_step(self, torque: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Next [q, dq] (2n,) and the derivative of the next state by this one (Z, Z)."""
        x, size = self.state[: 2 * self._chain.n_joints], len(self.state)
        modulus = self._model.augmentation == "modulus"
        chain = self._chain.with_stiffness_scale(float(np.exp(self.state[-1]))) if modulus else self._chain
        options = dataclasses.asdict(self._model.step)
        following, A, _ = chain.step_with_sensitivities(x, torque, **options)
        F = np.eye(size)
        F[: len(x), : len(x)] = A
        if modulus:
            stiffer = chain.with_stiffness_scale(float(np.exp(self.state[-1] + _LOG_SCALE_STEP)))
            F[: len(x), -1] = (stiffer.step(x, torque, **options) - following) / _LOG_SCALE_STEP
        return following, F

    def correct(self, y: FloatArray) -> None:
        """See `ChainFilter.correct`."""
        prior = self.state.copy()
        predicted, H = self._linearised_measurement()
        self.nis, self.used, self.rejected = 0.0, 0, 0
        for value, expected, h, noise in zip(y, predicted, H, self._model.noise, strict=True):
            if not np.isfinite(value):
                continue
            innovation = float(value - expected - h @ (self.state - prior))
            factors, gain, variance = correct_factors(self.factors, h, float(noise))
            if not abs(innovation) <= self._model.gate * variance**0.5:
                self.rejected += 1
                continue
            self.factors[:] = factors
            self.state += gain * innovation
            self.nis += innovation**2 / variance
            self.used += 1
        if self._model.augmentation == "modulus":
            limit = self._model.log_scale_limit
            self.state[-1] = np.clip(self.state[-1], -limit, limit)
        self.end_effector[:] = self._linearised_measurement()[0][-3:]

    def _linearised_measurement(self) -> tuple[FloatArray, FloatArray]:
        """Expected measurement (2m + 3,) and its derivative by the state (2m + 3, Z)."""
        n, actuated = self._chain.n_joints, self._chain.actuated
        m, size = len(actuated), len(self.state)
        position, _, d_position, _ = self._chain.point_jacobians(self.state[: 2 * n])
        H = np.zeros((2 * m + 3, size))
        H[np.arange(m), actuated] = 1.0
        H[np.arange(m, 2 * m), n + actuated] = 1.0
        H[2 * m :, :n] = d_position[0]
        expected = np.concatenate([self.state[actuated], self.state[n + actuated], position[0]])
        if self._model.augmentation == "bias":
            H[2 * m :, 2 * n :] = np.eye(3)
            expected[2 * m :] += self.state[2 * n :]
        return expected, H


class _CFilter(ctypes.Structure):
    """``ChainFilter`` of src/ekf.h."""

    _fields_ = (
        ("model", POINTER(CModel)),
        ("step", CStep),
        *((name, c_int) for name in ("augmentation", "used", "rejected", "unused")),
        *((name, c_double) for name in ("nis", "gate", "log_scale_limit")),
        *(
            (name, ctypes.c_void_p)
            for name in ("process", "noise", "state", "factors", "end_effector", "stages", "work")
        ),
    )


class CompiledFilter:
    """The filter in C: one call of a few microseconds for each step."""

    def __init__(self, chain: YawChain, model: FilterModel) -> None:
        """Prepare a filter.

        Raises:
            OSError: The library was not built.
        """
        library = load_library()
        bodies, m, k = chain.n_joints - 1, chain.n_actuated, len(chain.point_names)
        kind, size = _AUGMENTATIONS[model.augmentation], n_filter_states(chain.n_joints, model.augmentation)
        self.state, self.factors, self.end_effector = np.zeros(size), np.zeros((size, size)), np.zeros(3)
        self._torque, self._y = np.zeros(m), np.zeros(2 * m + 3)
        self._stages = np.zeros(library.chain_stages_size(bodies, model.step.substeps))
        arrays = {
            "process": np.array(model.process, dtype=np.float64),
            "noise": np.array(model.noise, dtype=np.float64),
            "state": self.state,
            "factors": self.factors,
            "end_effector": self.end_effector,
            "stages": self._stages,
            "work": np.zeros(library.chain_filter_workspace_size(bodies, m, k, kind)),
        }
        own_model = c_model(chain.parameters)
        self._filter = _CFilter(ctypes.pointer(own_model), c_step(model.step), kind)
        self._filter.gate, self._filter.log_scale_limit = model.gate, model.log_scale_limit
        for name, array in arrays.items():
            setattr(self._filter, name, array.ctypes.data)
        self._kept_alive = (own_model, arrays)
        self._predict, self._correct = library.chain_filter_predict, library.chain_filter_correct
        self._step = library.chain_filter_step
        self._correct.restype = None
        self._at = ctypes.byref(self._filter)
        self._at_torque = ctypes.c_void_p(self._torque.ctypes.data)
        self._at_y = ctypes.c_void_p(self._y.ctypes.data)

    @property
    def address(self) -> int:
        """Where the filter's structure is, for C code that steps it."""
        return ctypes.addressof(self._filter)

    @property
    def nis(self) -> float:
        """See `ChainFilter.nis`."""
        return float(self._filter.nis)

    @property
    def used(self) -> int:
        """See `ChainFilter.used`."""
        return int(self._filter.used)

    @property
    def rejected(self) -> int:
        """See `ChainFilter.rejected`."""
        return int(self._filter.rejected)

    def start(self, state: FloatArray, factors: FloatArray) -> None:
        """See `ChainFilter.start`."""
        self.state[:], self.factors[:], self._stages[:] = state, factors, 0.0

    def predict(self, torque: FloatArray) -> bool:
        """See `ChainFilter.predict`."""
        self._torque[:] = torque
        return int(self._predict(self._at, self._at_torque)) == 0

    def correct(self, y: FloatArray) -> None:
        """See `ChainFilter.correct`."""
        self._y[:] = y
        self._correct(self._at, self._at_y)

    def step(self, torque: FloatArray, y: FloatArray) -> bool:
        """See `ChainFilter.step`."""
        self._torque[:] = torque
        self._y[:] = y
        return int(self._step(self._at, self._at_torque, self._at_y)) == 0
