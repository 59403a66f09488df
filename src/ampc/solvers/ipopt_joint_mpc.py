"""The expert as the paper specifies it: CasADi and IPOPT, states and inputs of all joints as variables."""

from typing import Any

import casadi as ca
import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.solvers.double_integrator import JointMPCSettings, stack_states


class IpoptJointMPC:
    """Multiple shooting over all joints at once, solved by IPOPT.

    States ``x_k = (q, dq)_k`` for k = 0..N and inputs ``u_k`` for k = 0..N-1 are variables, the Euler steps
    are constraints, initial state and reference are parameters; see `DoubleIntegratorProblem` for the cost.
    """

    def __init__(
        self,
        settings: JointMPCSettings,
        n_joints: int,
        warm_start: bool = False,
        tolerance: float = 1e-8,
        max_iterations: int = 200,
    ) -> None:
        """Build the problem.

        Args:
            settings: Horizon, weights and limit.
            n_joints: Number of joints n.
            warm_start: Whether a solve starts from the variables and multipliers of the one before. An
                interior-point method gains next to nothing by it.
            tolerance: IPOPT's ``tol``, relative.
            max_iterations: Iterations after which IPOPT gives up.
        """
        self.n_joints = n_joints
        self._limit = settings.command_limit
        self._warm_start = warm_start
        N, h = settings.horizon, settings.step

        self._opti = opti = ca.Opti()
        q, dq = opti.variable(n_joints, N + 1), opti.variable(n_joints, N + 1)
        self._commands = u = opti.variable(n_joints, N)
        self._initial_state, self._reference = opti.parameter(2 * n_joints), opti.parameter(2 * n_joints)

        def weighted_error(k: int, weights: FloatArray) -> ca.MX:
            error = ca.vertcat(q[:, k], dq[:, k]) - self._reference
            return ca.dot(np.repeat(weights, n_joints) * error, error)

        cost = weighted_error(N, settings.terminal_weights)
        opti.subject_to(ca.vertcat(q[:, 0], dq[:, 0]) == self._initial_state)
        for k in range(N):
            cost += weighted_error(k, settings.stage_weights) + settings.command_weight * ca.sumsqr(u[:, k])
            opti.subject_to(q[:, k + 1] == q[:, k] + h * dq[:, k])
            opti.subject_to(dq[:, k + 1] == dq[:, k] + h * u[:, k])
        opti.subject_to(opti.bounded(-self._limit, ca.vec(u), self._limit))
        opti.minimize(cost)

        ipopt_options: dict[str, Any] = {
            "print_level": 0,
            "sb": "yes",
            "tol": tolerance,
            "max_iter": max_iterations,
        }
        opti.solver("ipopt", {"print_time": False, "expand": True}, ipopt_options)
        self.forget()

    def forget(self) -> None:
        """Start the next solve from zero, whatever was solved before."""
        self._opti.set_initial(self._opti.x, 0.0)
        self._opti.set_initial(self._opti.lam_g, 0.0)

    def solve(self, state: FloatArray, reference: FloatArray) -> FloatArray:
        """Optimal plan of the arm.

        Args:
            state: Initial state [q, dq] (2n,) [rad, rad/s].
            reference: State to reach [q_ref, dq_ref] (2n,) [rad, rad/s].

        Returns:
            Commands over the horizon (N, n) [rad/s^2], cut to the limit, which IPOPT may overstep by about
            its tolerance.

        Raises:
            SolverError: If IPOPT fails; says its return status.
        """
        self._opti.set_value(self._initial_state, state)
        self._opti.set_value(self._reference, reference)
        try:
            solution = self._opti.solve()
        except RuntimeError as error:
            status = self._return_status() or str(error)
            # A failed iterate is no start for the next solve.
            self.forget()
            raise SolverError(f"IPOPT failed: {status}") from error
        commands = np.asarray(solution.value(self._commands), dtype=np.float64)
        if self._warm_start:
            self._opti.set_initial(solution.value_variables())
            self._opti.set_initial(self._opti.lam_g, solution.value(self._opti.lam_g))
        # CasADi drops the dimensions of length 1.
        return np.asarray(commands.reshape(self.n_joints, -1).T.clip(-self._limit, self._limit))

    def _return_status(self) -> str:
        try:
            return str(self._opti.stats()["return_status"])
        except RuntimeError:  # IPOPT never started
            return ""

    def plan(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """Optimal plan for reaching the origin.

        Args:
            error: Position errors q - q_ref (n,) [rad].
            dq: Velocities (n,) [rad/s].

        Returns:
            Commands over the horizon (N, n) [rad/s^2].

        Raises:
            SolverError: If a state is not finite or IPOPT fails.
        """
        states = stack_states(error, dq)
        if states.shape != (self.n_joints, 2):
            raise SolverError(
                f"IPOPT's MPC is built for {self.n_joints} joints, not for errors {np.shape(error)}"
            )
        return self.solve(states.T.ravel(), np.zeros(2 * self.n_joints))

    def first_input(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """First command of the optimal plan (n,) [rad/s^2]; arguments and errors as `plan`."""
        return np.asarray(self.plan(error, dq)[0])
