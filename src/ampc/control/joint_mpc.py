"""The expert as a feedback law."""

from typing import Literal

from ampc.arrays import FloatArray
from ampc.control.feedback import ErrorFeedback
from ampc.solvers.double_integrator import JointMPCSettings
from ampc.solvers.exact_joint_mpc import ExactJointMPC
from ampc.solvers.ipopt_joint_mpc import IpoptJointMPC


class JointMPC(ErrorFeedback):
    """Model predictive control of the arm as one double integrator per joint; see `DoubleIntegratorProblem`.

    Its command is the first input of the optimal plan, an acceleration [rad/s^2].
    """

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
        super().__init__("MPC" if solver == "exact" else "MPC (IPOPT)", n_joints, settings.command_limit)
        self._solver = ExactJointMPC(settings) if solver == "exact" else IpoptJointMPC(settings, n_joints)

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """First input of the optimal plan (n,) [rad/s^2].

        Raises:
            SolverError: If the state is not finite, the law was not reset, or the solver fails.
        """
        return self._solver.first_input(q - self._q_ref, dq)
