"""The expert as a feedback law."""

from typing import Literal

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.feedback import Reference
from ampc.errors import SolverError
from ampc.solvers.double_integrator import JointMPCSettings
from ampc.solvers.exact_joint_mpc import ExactJointMPC
from ampc.solvers.ipopt_joint_mpc import IpoptJointMPC


class JointMPC:
    """Model predictive control of the arm as one double integrator per joint; see `DoubleIntegratorProblem`.

    Its command is the first input of the optimal plan, an acceleration [rad/s^2].
    """

    needs_reference = True
    saturated = False

    def __init__(
        self, settings: JointMPCSettings, n_joints: int, solver: Literal["exact", "ipopt"] = "exact"
    ) -> None:
        """Make the law.

        Args:
            settings: Horizon, weights and limit.
            n_joints: Number of joints n.
            solver: ``exact`` for DAQP joint by joint, ``ipopt`` for the literal formulation. Both give the
                same commands, which depend on the state and the reference alone.
        """
        self.name = "MPC" if solver == "exact" else "MPC (IPOPT)"
        self.command_limit: FloatArray = np.full(n_joints, settings.command_limit)
        self._solver = ExactJointMPC(settings) if solver == "exact" else IpoptJointMPC(settings, n_joints)
        self._q_ref = np.full(n_joints, np.nan)

    def reset(self, reference: Reference) -> None:
        """Take the joint reference.

        Raises:
            SolverError: If there is none.
        """
        if reference.q is None:
            raise SolverError(f"{self.name} needs a joint reference")
        self._q_ref = reference.q

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """First input of the optimal plan (n,) [rad/s^2].

        Raises:
            SolverError: If the state is not finite, the law was not reset, or the solver fails.
        """
        return self._solver.first_input(q - self._q_ref, dq)
