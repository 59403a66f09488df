"""The expert's problem with limits on joint positions and speeds besides the one on its input."""

import math
from dataclasses import dataclass

import daqp
import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SettingsError, SolverError
from ampc.solvers.double_integrator import JointMPCSettings, stack_states
from ampc.solvers.exact_joint_mpc import OPTIMAL, PRIMAL_TOLERANCE, ExactJointMPC

_CURVATURE = 1.0


@dataclass(frozen=True)
class LimitSettings:
    """Limits on the joints' motion, taken from the robot."""

    position_margin: float = 0.005
    """Distance that is kept from position limits [rad], for what the double integrator does not predict. A
    reference nearer to a limit than that takes its place as the bound."""
    speed_factor: float = 1.0
    """Part of each joint's speed limit that is used."""
    penalty: float = 1e4
    """Cost of a violation of a position limit [1/rad], in units of the MPC's cost: where the limits can be
    kept, they are kept exactly as long as it exceeds what a violation could gain. Speed limits cost more; see
    `LimitedJointMPC`."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.position_margin < math.inf:
            raise SettingsError(f"limits.position_margin is {self.position_margin}; it must not be negative")
        for name in ("speed_factor", "penalty"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SettingsError(f"limits.{name} is {getattr(self, name)}; it must be positive")


class LimitedJointMPC:
    """`DoubleIntegratorProblem` with soft rows for position and speed at every step of the horizon.

    For one joint, with bounds on the error e = q - q_ref::

        minimise    U' H U / 2 + (F x_0)' U + sum_k ( p s_k + s_k^2 / 2 + p' s'_k + s'_k^2 / 2 )
        subject to  |u_k| <= u_max,  s_k >= 0,  s'_k >= 0
                    lower - s_k <= e_k <= upper + s_k,  |dq_k| <= v_max + s'_k     for k = 1..N

    The rows are on what an arm does under inputs that are held,
    ``e_{k+1} = e_k + h dq_k + h^2/2 u_k``, and not on the Euler prediction of the cost, which brakes too late
    or too early by up to ``h dq / 2``. The penalty is exact: plans keep the limits wherever inputs within the
    box can, and else violate them as little as possible. So there always is a plan, also from a state beyond
    a limit.

    A step that is faster by v moves every later position by ``h v``, so it can lessen the positions'
    violations by up to ``N h v``. Speed limits therefore cost ``p' = (1 + N h) p``: were they as cheap as
    positions, a joint that is beyond a position limit would come back faster than it may.

    A plan of the problem without rows that happens to keep them is the optimum; only other states cost a
    larger QP.
    """

    def __init__(self, settings: JointMPCSettings, penalty: float) -> None:
        """Build the QP.

        Args:
            settings: Horizon, weights and limit of the input.
            penalty: Cost of violations of position limits; see `LimitSettings`.

        Raises:
            SolverError: If DAQP refuses the problem.
        """
        self._unlimited = ExactJointMPC(settings)
        self.problem = problem = self._unlimited.problem
        N, h = problem.horizon, settings.step
        steps = np.arange(1, N + 1)
        self._speeds: FloatArray = h * np.tri(N)
        # Under inputs that are held, u_j moves e_k by h^2 (k - j - 1/2) for j < k.
        self._positions: FloatArray = np.asarray(
            h**2 * np.tri(N) * (steps[:, None] - np.arange(N) - 0.5), dtype=np.float64
        )
        self._drift: FloatArray = np.asarray(h * steps, dtype=np.float64)

        rows = np.concatenate([self._positions, self._speeds])
        slacks = np.eye(2 * N)
        # Row of the upper bound, less its slack; row of the lower bound, plus it.
        self._rows = np.block([[rows, -slacks], [rows, slacks]])
        hessian = np.zeros((3 * N, 3 * N))
        hessian[:N, :N] = problem.hessian
        hessian[N:, N:] = _CURVATURE * slacks
        self._cost = np.repeat(penalty * np.array([1.0, 1.0, 1.0 + h * N]), N)
        self._box = np.concatenate([np.full(N, problem.limit), np.full(2 * N, np.inf)])
        self._least = np.concatenate([np.full(N, -problem.limit), np.zeros(2 * N)])
        self._free = np.full(4 * N, np.inf)
        self._cold = np.zeros(7 * N, dtype=np.int32)
        self._model = daqp.Model()
        upper, lower = np.append(self._box, self._free), np.append(self._least, -self._free)
        flag, _ = self._model.setup(hessian, self._cost, self._rows, upper, lower, self._cold)
        if flag < 0:
            raise SolverError(f"DAQP refused the MPC problem (exit flag {flag}); are the weights far apart?")
        self._model.settings = {"primal_tol": PRIMAL_TOLERANCE, "iter_limit": 10_000}

    def solve(self, state: FloatArray, bounds: FloatArray, speed: float) -> FloatArray:
        """Optimal plan of one joint.

        Args:
            state: Error state (2,) [rad, rad/s], finite.
            bounds: Lower and upper end of the error (2,) [rad]; may be infinite.
            speed: Largest speed [rad/s]; may be infinite.

        Returns:
            Plan (N,) [rad/s^2].

        Raises:
            SolverError: If DAQP did not solve the problem.
        """
        N, limit = self.problem.horizon, self.problem.limit
        plan: FloatArray = self._unlimited.solve(state)[0].clip(-limit, limit)
        still = np.concatenate([state[0] + self._drift * state[1], np.full(N, state[1])])
        upper = np.repeat([bounds[1], speed], N)
        lower = np.repeat([bounds[0], -speed], N)
        reached = still + np.concatenate([self._positions @ plan, self._speeds @ plan])
        if (reached <= upper).all() and (reached >= lower).all():
            return plan
        cost = self._cost.copy()
        cost[:N] = self.problem.linear @ state
        self._model.update(
            f=cost,
            bupper=np.concatenate([self._box, upper - still, self._free[: 2 * N]]),
            blower=np.concatenate([self._least, -self._free[: 2 * N], lower - still]),
            sense=self._cold,
        )
        solution, _, flag, _ = self._model.solve()
        if flag != OPTIMAL:
            raise SolverError(
                f"DAQP failed with exit flag {flag} at error {state[0]} rad, velocity {state[1]} rad/s"
            )
        return np.asarray(solution[:N].clip(-limit, limit))

    def first_input(
        self, error: FloatArray, dq: FloatArray, bounds: FloatArray, speeds: FloatArray
    ) -> FloatArray:
        """First commands of the optimal plans (n,) [rad/s^2].

        Args:
            error: Position errors q - q_ref (n,) [rad].
            dq: Velocities (n,) [rad/s].
            bounds: Lower and upper end of each error (n, 2) [rad].
            speeds: Largest speed of each joint (n,) [rad/s].

        Raises:
            SolverError: If a state is not finite or a problem was not solved.
        """
        states = stack_states(error, dq)
        return np.array(
            [self.solve(state, *limits)[0] for state, *limits in zip(states, bounds, speeds, strict=True)]
        )
