"""The chain's kernels in NumPy, over batches of arms: the same equations as src/dynamics.h and src/step.h.

Used where the C library was not built. Coordinates are ``p = (q_0, phi_1..phi_N)`` with
``phi_i = theta_i + c q_0`` (docs/chain.md); all arrays have the batch B first.
"""

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.chain.fallback_points import PointKinematics
from ampc.chain.options import StepSettings
from ampc.chain.parameters import ChainParameters

OK, NOT_CONVERGED, NOT_FINITE = 0, 1, 2

_ROOT3 = np.sqrt(3.0)
_TABLEAUS: dict[str, tuple[FloatArray, FloatArray, FloatArray]] = {
    "gauss-legendre": (
        np.array([[1 / 4, 1 / 4 - _ROOT3 / 6], [1 / 4 + _ROOT3 / 6, 1 / 4]]),
        np.array([1 / 2, 1 / 2]),
        np.array([1 / 2 - _ROOT3 / 6, 1 / 2 + _ROOT3 / 6]),
    ),
    "radau": (
        np.array([[5 / 12, -1 / 12], [3 / 4, 1 / 4]]),
        np.array([3 / 4, 1 / 4]),
        np.array([1 / 3, 1.0]),
    ),
}
"""Butcher matrix, weights and nodes of each scheme."""


class NumpyKernel:
    """The interface of `ampc.chain.native.NativeKernel`."""

    name = "numpy"

    def __init__(self, parameters: ChainParameters) -> None:
        """Prepare the constant matrices."""
        self._par = parameters
        bodies = parameters.n_bodies
        self._n = bodies + 1
        # Joint positions are to_joints (p - offset); a joint torque acts on p with the transpose.
        self._to_joints: FloatArray = np.eye(self._n) - np.eye(self._n, k=-1)
        self._to_joints[1, 0] = -parameters.cos_tilt
        self._from_joints: FloatArray = np.asarray(np.linalg.inv(self._to_joints), np.float64)
        self._offset: FloatArray = np.concatenate([[0.0], parameters.offset])
        self._motors: FloatArray = self._to_joints[parameters.actuated].T
        relative = self._to_joints[1:]
        self._relative = relative
        self._spring = relative.T @ np.diag(parameters.joint_stiffness) @ relative
        self._damper = relative.T @ np.diag(parameters.damping) @ relative
        self._rotor = relative.T @ np.diag(parameters.armature) @ relative
        self._spring[0, 0] += parameters.yaw_stiffness
        self._damper[0, 0] += parameters.yaw_damping
        # Torque of all springs at p = 0.
        self._preload = relative.T @ (parameters.joint_stiffness * parameters.rest)
        self._preload[0] += parameters.yaw_stiffness * parameters.yaw_rest
        self._coupling = parameters.coupling
        self._weight = parameters.gravity * parameters.sin_tilt * parameters.gravity_moment
        self._points = PointKinematics(parameters)

    def acceleration(self, x: FloatArray, u: FloatArray) -> tuple[int, FloatArray]:
        """Status and joint accelerations (n,)."""
        with np.errstate(all="ignore"):
            a = self._acceleration(*self._coordinates(x[None]), u[None] @ self._motors.T)
            ddq = a[0] @ self._to_joints.T
        return _status(ddq), ddq

    def derivatives(self, x: FloatArray, u: FloatArray) -> tuple[int, FloatArray, FloatArray]:
        """Status and derivatives of the accelerations by x (n, 2n) and u (n, m)."""
        with np.errstate(all="ignore"):
            p, v = self._coordinates(x[None])
            force = u[None] @ self._motors.T
            a = self._acceleration(p, v, force)
            _, M, K, D = self._linearised(p, v, a, force)
            right = np.concatenate([K[0] @ self._from_joints, D[0] @ self._from_joints, self._motors], axis=1)
            rows = self._to_joints @ _solve(M, right[None])[0]
        return _status(rows), rows[:, : 2 * self._n], rows[:, 2 * self._n :]

    def step(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[int, FloatArray]:
        """Status and next state (2n,); ``stages`` (substeps, 2, n) is read and written."""
        status, following = self.step_many(
            x[None], u[None], settings, None if stages is None else stages[None]
        )
        return int(status[0]), following[0]

    def step_with_sensitivities(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[int, FloatArray, FloatArray, FloatArray]:
        """Status, next state (2n,) and its derivatives by x (2n, 2n) and u (2n, m)."""
        n = self._n
        status, following, by_p = self._integrate(
            x[None], u[None], settings, None if stages is None else stages[None], sensitive=True
        )
        turn, back = np.kron(np.eye(2), self._to_joints), np.kron(np.eye(2), self._from_joints)
        d_dx, d_du = turn @ by_p[0, :, : 2 * n] @ back, turn @ by_p[0, :, 2 * n :]
        return int(status[0]), following[0], d_dx, d_du

    def step_many(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None
    ) -> tuple[IntArray, FloatArray]:
        """Statuses (B,) and next states (B, 2n)."""
        status, following, _ = self._integrate(x, u, settings, stages, sensitive=False)
        return status, following

    def points(self, x: FloatArray) -> tuple[int, FloatArray, FloatArray]:
        """Status, positions (k, 3) and velocities (k, 3)."""
        with np.errstate(all="ignore"):
            position, velocity = self._points.motion(x)
        return _status(position, velocity), position, velocity

    def point_jacobians(self, x: FloatArray) -> tuple[int, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Status, positions, velocities and their derivatives (k, 3, n) and (k, 3, 2n)."""
        status, position, velocity = self.points(x)
        with np.errstate(all="ignore"):
            d_position, d_velocity = self._points.jacobians(x)
        return status, position, velocity, d_position, d_velocity

    def _coordinates(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        q, dq = x[:, : self._n], x[:, self._n :]
        return q @ self._from_joints.T + self._offset, dq @ self._from_joints.T

    def _acceleration(self, p: FloatArray, v: FloatArray, force: FloatArray) -> FloatArray:
        r, M, _, _ = self._linearised(p, v, np.zeros_like(p), force)
        return _solve(M, r[..., None])[..., 0]

    def _linearised(
        self, p: FloatArray, v: FloatArray, a: FloatArray, force: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Residual r (B, n) of the equations of motion, inertia M, dr/dp and dr/dv (B, n, n)."""
        par, A = self._par, self._coupling
        along, across, normal = par.inertia.T
        c, s2, excess = par.cos_tilt, par.sin_tilt**2, across - along
        W, w = v[:, :1], v[:, 1:]
        theta = p[:, 1:] - c * p[:, :1]
        C, S = np.cos(theta), np.sin(theta)
        y, z = C * a[:, 1:] - S * w**2, S * a[:, 1:] + C * w**2
        AC, Ay, Az = C @ A, y @ A, z @ A
        # K(theta) is the yaw's variable inertia over s^2.
        slope = -2.0 * S * (AC + excess * C)
        pull = 0.5 * s2 * W**2 * slope - self._weight * C
        K_yaw = np.sum(C * AC + along * S**2 + across * C**2, axis=1)
        slope_rate = np.sum(slope * (w - c * W), axis=1)
        r = force - p @ self._spring + self._preload - v @ self._damper - a @ self._rotor
        r[:, 0] -= c * pull.sum(axis=1) + s2 * W[:, 0] * slope_rate + (par.yaw_inertia + s2 * K_yaw) * a[:, 0]
        r[:, 1:] += pull - C * Ay - S * Az - normal * a[:, 1:]

        def diagonal(values: FloatArray) -> FloatArray:
            return values[:, :, None] * np.eye(self._n - 1)

        def outer(left: FloatArray, right: FloatArray) -> FloatArray:
            return left[:, :, None] * right[:, None, :]

        M = np.tile(self._rotor, (len(p), 1, 1))
        M[:, 0, 0] += par.yaw_inertia + s2 * K_yaw
        M[:, 1:, 1:] += A * (outer(C, C) + outer(S, S)) + np.diag(normal)
        bend = -2.0 * C * (AC + excess * C) + 2.0 * excess * S**2
        hessian = 2.0 * A * outer(S, S) + diagonal(bend)
        sink = self._weight * S
        K = np.zeros_like(M)
        K[:, 1:, 1:] = A * (outer(C, z) - outer(S, y)) + diagonal(S * Ay - C * Az + sink)
        K[:, 1:, 1:] += 0.5 * s2 * (W**2)[:, :, None] * hessian
        lean = -s2 * W * (w - 0.5 * c * W)
        K[:, 0, 1:] = np.einsum("bij,bj->bi", hessian, lean) - c * sink - s2 * slope * a[:, :1]
        K[:, :, 0] = -c * K[:, :, 1:].sum(axis=2)
        K -= self._spring
        D = np.tile(-self._damper, (len(p), 1, 1))
        D[:, 1:, 1:] -= 2.0 * A * (outer(S, C * w) - outer(C, S * w))
        D[:, 0, 0] -= s2 * slope_rate
        D[:, 1:, 0] += s2 * W * slope
        D[:, 0, 1:] -= s2 * W * slope
        return r, M, K, D

    def _integrate(
        self, x: FloatArray, u: FloatArray, settings: StepSettings, stages: FloatArray | None, sensitive: bool
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Statuses (B,), states (B, 2n) and, in coordinates (p, v), their derivatives (B, 2n, 2n + m)."""
        n, m, count = self._n, len(self._par.actuated), len(x)
        h = settings.dt / settings.substeps
        B, b, nodes = _TABLEAUS[settings.scheme]
        with np.errstate(all="ignore"):
            p, v = self._coordinates(x)
            force = u @ self._motors.T
            a = np.zeros((count, 2, n))
            status: IntArray = np.zeros(count, dtype=np.int64)
            total: FloatArray = np.tile(np.eye(2 * n, 2 * n + m), (count, 1, 1))
            for substep in range(settings.substeps):
                guess = a if stages is None else stages[:, substep]
                failures, a = self._solve_stages(p, v, guess, force, h, settings)
                status = np.maximum(status, failures)
                if sensitive:
                    Sp, Sv = total[:, :n], total[:, n:]
                    newton, terms = self._newton(p, v, a, force, h, B, nodes)
                    right = [
                        K @ (Sp + h * c * Sv) + D @ Sv for (_, _, K, D), c in zip(terms, nodes, strict=True)
                    ]
                    for rows in right:
                        rows[:, :, 2 * n :] += self._motors
                    da = _solve(newton, np.concatenate(right, axis=1)).reshape(count, 2, n, 2 * n + m)
                    total[:, :n] += h * Sv + h * h * np.einsum("j,bjkl->bkl", b @ B, da)
                    total[:, n:] += h * np.einsum("j,bjkl->bkl", b, da)
                p = p + h * v + h * h * np.einsum("j,bjk->bk", b @ B, a)
                v = v + h * np.einsum("j,bjk->bk", b, a)
                if stages is not None:
                    stages[:, substep] = a
            following = np.concatenate(
                [(p - self._offset) @ self._to_joints.T, v @ self._to_joints.T], axis=1
            )
        status[~np.isfinite(following).all(axis=1)] = NOT_FINITE
        failed = status != OK
        following[failed], total[failed] = np.nan, np.nan
        if stages is not None:
            stages[failed] = 0.0
        return status, following, total

    def _newton(
        self,
        p: FloatArray,
        v: FloatArray,
        a: FloatArray,
        force: FloatArray,
        h: float,
        B: FloatArray,
        nodes: FloatArray,
    ) -> tuple[FloatArray, list[tuple[FloatArray, FloatArray, FloatArray, FloatArray]]]:
        """Newton's matrix (B, 2n, 2n) and the linearised dynamics of both stages."""
        n = self._n
        matrix = np.empty((len(p), 2 * n, 2 * n))
        terms = []
        for i in range(2):
            at_v = v + h * np.einsum("j,bjk->bk", B[i], a)
            at_p = p + h * nodes[i] * v + h * h * np.einsum("j,bjk->bk", (B @ B)[i], a)
            r, M, K, D = self._linearised(at_p, at_v, a[:, i], force)
            terms.append((r, M, K, D))
            for j in range(2):
                block = (M if i == j else 0.0) - h * B[i, j] * D - h * h * (B @ B)[i, j] * K
                matrix[:, i * n : (i + 1) * n, j * n : (j + 1) * n] = block
        return matrix, terms

    def _solve_stages(
        self,
        p: FloatArray,
        v: FloatArray,
        guess: FloatArray,
        force: FloatArray,
        h: float,
        settings: StepSettings,
    ) -> tuple[IntArray, FloatArray]:
        """Statuses (B,) and stage accelerations (B, 2, n) by Newton's method."""
        B, _, nodes = _TABLEAUS[settings.scheme]
        a = guess.copy()
        tolerance = settings.tolerance * (1.0 + np.abs(v).max(axis=1))
        status: IntArray = np.full(len(p), NOT_CONVERGED, dtype=np.int64)
        active: BoolArray = np.ones(len(p), dtype=bool)
        for _ in range(settings.max_iterations):
            matrix, terms = self._newton(p[active], v[active], a[active], force[active], h, B, nodes)
            residual = np.concatenate([term[0] for term in terms], axis=1)
            change = _solve(matrix, residual[..., None])[..., 0]
            a[active] += change.reshape(-1, 2, self._n)
            size = h * np.abs(change).sum(axis=1)
            members = np.flatnonzero(active)
            status[members[~np.isfinite(size)]] = NOT_FINITE
            status[members[size <= tolerance[active]]] = OK
            active = status == NOT_CONVERGED
            if not active.any():
                break
        return status, a


def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve each system of a batch; NaN where it is singular."""
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        if len(matrix) == 1:
            return np.full_like(right, np.nan)
        return np.concatenate([_solve(matrix[i : i + 1], right[i : i + 1]) for i in range(len(matrix))])


def _status(*arrays: FloatArray) -> int:
    return OK if all(np.isfinite(array).all() for array in arrays) else NOT_FINITE
