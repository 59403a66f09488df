"""The baseline without a horizon: LQR with its output cut to the limit."""

import numpy as np
from scipy.linalg import solve_discrete_are

from ampc.arrays import FloatArray
from ampc.control.feedback import ErrorFeedback
from ampc.errors import SettingsError
from ampc.solvers.double_integrator import DoubleIntegratorProblem, JointMPCSettings, stack_states


class SaturatedLQR(ErrorFeedback):
    """Infinite-horizon LQR of the expert's model and stage weights, saturated.

    ``u = clip(-K x)`` with ``K = (R + B' P B)^-1 B' P A`` and P the solution of the discrete algebraic
    Riccati equation ``P = Q + A' P A - A' P B K``. What sets it apart from the expert is that it does not
    foresee the limit.

    Attributes:
        gain: K (2,) [1/s^2, 1/s], the same for every joint.
        cost_to_go: P (2, 2).
    """

    def __init__(self, settings: JointMPCSettings, n_joints: int) -> None:
        """Compute the gain.

        Args:
            settings: Model, stage weights and limit; horizon and terminal weights play no part.
            n_joints: Number of joints n.

        Raises:
            SettingsError: If the weights leave the Riccati equation without a stabilising solution.
        """
        super().__init__("saturated LQR", n_joints, settings.command_limit)
        problem = DoubleIntegratorProblem(settings)
        A, B = problem.transition, problem.input_map[:, None]
        unsolvable = (
            "LQR has no stabilising gain for these weights; position_weight must be positive and the weights"
            " not too far apart"
        )
        try:
            self.cost_to_go = solve_discrete_are(
                A, B, np.diag(settings.stage_weights), np.array([[settings.command_weight]])
            )
        except np.linalg.LinAlgError as error:
            raise SettingsError(f"{unsolvable}: {error}") from error
        curvature = settings.command_weight + problem.input_map @ self.cost_to_go @ problem.input_map
        self.gain: FloatArray = problem.input_map @ self.cost_to_go @ A / curvature
        if not np.abs(np.linalg.eigvals(A - B * self.gain)).max() < 1.0:
            raise SettingsError(unsolvable)

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Saturated linear feedback (n,) [rad/s^2].

        Raises:
            SolverError: If the state is not finite or the law was not reset.
        """
        states = stack_states(q - self._q_ref, dq)
        return np.asarray((-states @ self.gain).clip(-self.command_limit, self.command_limit))
