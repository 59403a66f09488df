"""The expert's problem solved exactly for one state at a time by the dual active-set solver DAQP."""

import daqp
import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.solvers.double_integrator import DoubleIntegratorProblem, JointMPCSettings, stack_states

PRIMAL_TOLERANCE = 1e-11
"""How far DAQP may leave the box unnoticed; its default of 1e-6 would be visible in the commands."""

OPTIMAL = 1
"""DAQP's exit flag for a solved problem."""


class ExactJointMPC:
    """Solves the condensed box QP of each joint (`DoubleIntegratorProblem`) with DAQP.

    The joints' problems are identical, so one workspace serves all. Each solve starts from an empty active
    set: a result does not depend on what was solved before, which DAQP's warm start would change in the
    last digits, and on this problem is no faster.
    """

    def __init__(self, settings: JointMPCSettings) -> None:
        self.problem = problem = DoubleIntegratorProblem(settings)
        N = problem.horizon
        self._model = daqp.Model()
        bound = np.full(N, problem.limit)
        self._empty_active_set = np.zeros(N, dtype=np.int32)
        flag, _ = self._model.setup(
            problem.hessian, np.zeros(N), np.zeros((0, N)), bound, -bound, self._empty_active_set
        )
        if flag < 0:
            raise SolverError(f"DAQP refused the MPC problem (exit flag {flag}); are the weights far apart?")
        self._model.settings = {"primal_tol": PRIMAL_TOLERANCE}

    def solve(self, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Optimal plan of one joint.

        Args:
            state: Error state (2,) [rad, rad/s]; must be finite, as DAQP calls the outcome optimal otherwise.

        Returns:
            Plan (N,) [rad/s^2], and multipliers of the box (N,): positive at the upper limit, negative at
            the lower, zero between.

        Raises:
            SolverError: If DAQP did not solve the problem.
        """
        self._model.update(f=self.problem.linear @ state, sense=self._empty_active_set)
        commands, _, flag, info = self._model.solve()
        if flag != OPTIMAL:
            raise SolverError(
                f"DAQP failed with exit flag {flag} at error {state[0]} rad, velocity {state[1]} rad/s"
            )
        return commands, info["lam"]

    def plan(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """Optimal plans.

        Args:
            error: Position errors q - q_ref (..., n) [rad].
            dq: Velocities (..., n) [rad/s].

        Returns:
            Commands over the horizon (..., N, n) [rad/s^2].

        Raises:
            SolverError: If a state is not finite or a problem was not solved.
        """
        states = stack_states(error, dq)
        limit = self.problem.limit
        plans = np.array([self.solve(state)[0] for state in states.reshape(-1, 2)])
        plans = plans.reshape(*states.shape[:-1], self.problem.horizon).clip(-limit, limit)
        return np.asarray(np.moveaxis(plans, -1, -2))

    def first_input(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """First commands of the optimal plans (..., n) [rad/s^2]; arguments and errors as `plan`."""
        return self.plan(error, dq)[..., 0, :]
