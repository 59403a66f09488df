"""The optimal control problem of the expert: a double integrator per joint under a box on its input."""

import math
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SettingsError, SolverError


@dataclass(frozen=True)
class JointMPCSettings:
    """Horizon, weights and limit of the joint-space MPC; the same for every joint."""

    horizon: int = 20
    """Number of inputs that are planned, N."""
    step: float = 0.05
    """Time step of the prediction [s]: the control period of the specification's 20 Hz loop. A faster loop
    may solve the same problem; what counts is that horizon x step is about 1 s."""
    position_weight: float = 100.0
    """Stage weight of the position error [1/rad^2]."""
    velocity_weight: float = 0.1
    """Stage weight of the velocity [s^2/rad^2]."""
    command_weight: float = 0.001
    """Stage weight of the commanded acceleration [s^4/rad^2]."""
    terminal_position_weight: float | None = None
    """Terminal weight of the position error [1/rad^2]; None for the stage weight."""
    terminal_velocity_weight: float | None = None
    """Terminal weight of the velocity [s^2/rad^2]; None for the stage weight."""
    command_limit: float = 10.0
    """Largest magnitude of the commanded acceleration [rad/s^2]."""

    def __post_init__(self) -> None:
        """Refuse what makes the problem empty, unbounded or not strictly convex."""
        if self.horizon < 1:
            raise SettingsError(f"horizon must be at least 1, not {self.horizon}")
        for name in ("step", "command_weight", "command_limit"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise SettingsError(f"{name} must be positive and finite, not {value}")
        for name in (
            "position_weight",
            "velocity_weight",
            "terminal_position_weight",
            "terminal_velocity_weight",
        ):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value < math.inf:
                raise SettingsError(f"{name} must be non-negative and finite, not {value}")

    @property
    def stage_weights(self) -> FloatArray:
        """Diagonal of Q: position, velocity (2,)."""
        return np.array([self.position_weight, self.velocity_weight])

    @property
    def terminal_weights(self) -> FloatArray:
        """Diagonal of Q_N: position, velocity (2,)."""
        given = np.array([self.terminal_position_weight, self.terminal_velocity_weight], dtype=float)
        return np.where(np.isnan(given), self.stage_weights, given)


class DoubleIntegratorProblem:
    """The problem of one joint, in the error state x = (q - q_ref, dq), condensed to its inputs.

    With the explicit Euler step ``x_{k+1} = A x_k + B u_k``, ``A = [[1, h], [0, 1]]``, ``B = [0, h]``::

        minimise    sum_{k=0}^{N-1} ( |x_k|_Q^2 + R u_k^2 ) + |x_N|_{Q_N}^2
        subject to  |u_k| <= u_max

    The reference has zero velocity and does not change over the horizon, so that only the error enters.
    The cost of x_0 is a constant. Since ``x_k = A^k x_0 + G_k U``, half the cost is, up to a constant,
    ``U' H U / 2 + (F x_0)' U`` with ``H = R I + sum_{k=1}^N G_k' Q_k G_k`` and
    ``F = sum_{k=1}^N G_k' Q_k A^k``. H is positive definite, so the minimiser is unique.

    Attributes:
        horizon: Number of inputs N.
        limit: Largest magnitude of an input u_max [rad/s^2].
        transition: A (2, 2).
        input_map: B (2,).
        hessian: H (N, N).
        linear: F (N, 2).
    """

    def __init__(self, settings: JointMPCSettings) -> None:
        N, h = settings.horizon, settings.step
        self.horizon = N
        self.limit = settings.command_limit
        self.transition = np.array([[1.0, h], [0.0, 1.0]])
        self.input_map = np.array([0.0, h])
        self.hessian = settings.command_weight * np.eye(N)
        self.linear = np.zeros((N, 2))
        free_response, forced_response = np.eye(2), np.zeros((2, N))
        for k in range(N):
            free_response = self.transition @ free_response
            forced_response = self.transition @ forced_response
            forced_response[:, k] += self.input_map
            weights = settings.terminal_weights if k == N - 1 else settings.stage_weights
            self.hessian += forced_response.T @ (weights[:, None] * forced_response)
            self.linear += forced_response.T @ (weights[:, None] * free_response)
        self.curvature = self.hessian.diagonal().copy()
        if not (np.isfinite(self.hessian).all() and np.isfinite(self.linear).all()):
            raise SettingsError("horizon, step and weights are so large that the MPC problem overflows")

    def kkt_residual(self, commands: FloatArray, states: FloatArray) -> FloatArray:
        """How far plans are from optimal, zero exactly at the optimum.

        It is the length of a projected gradient step, ``max_k |u_k - clip(u_k - g_k / H_kk)|`` with
        ``g = H U + F x_0``: one number that covers stationarity, the signs of the multipliers,
        complementarity and the box.

        Args:
            commands: Plans U (..., N) [rad/s^2].
            states: Initial error states (..., 2) [rad, rad/s].

        Returns:
            Residuals (...) [rad/s^2].
        """
        gradient = commands @ self.hessian + states @ self.linear.T
        step = np.clip(commands - gradient / self.curvature, -self.limit, self.limit) - commands
        return np.asarray(np.abs(step).max(axis=-1), dtype=np.float64)


LARGEST_STATE = 1e6
"""Errors [rad] and velocities [rad/s] beyond this are no joint states; solvers refuse them."""


def stack_states(error: FloatArray, dq: FloatArray) -> FloatArray:
    """Error states of joints, checked.

    Args:
        error: Position errors q - q_ref (...) [rad].
        dq: Velocities (...) [rad/s].

    Returns:
        States (..., 2) [rad, rad/s].

    Raises:
        SolverError: If the shapes differ, or an entry is not finite or larger than any joint's.
    """
    if np.shape(error) != np.shape(dq):
        raise SolverError(f"errors {np.shape(error)} and velocities {np.shape(dq)} differ in shape")
    states = np.stack([error, dq], axis=-1).astype(np.float64, copy=False)
    if not (np.abs(states) <= LARGEST_STATE).all():
        worst = states[~(np.abs(states) <= LARGEST_STATE)][0]
        raise SolverError(
            f"joint state has the entry {worst}; errors and velocities must be finite and at most"
            f" {LARGEST_STATE:g}"
        )
    return states
