"""The flexible arm, integrated as accurately as is known: the reference for the fast plant."""

import casadi as ca
import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import SolverError
from ampc.plants.chain_equations import chain_acceleration, to_absolute, to_relative
from ampc.plants.chain_plant import ChainPlant

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-8, 1e-10


class CvodesPlant(ChainPlant):
    """A flexible arm integrated by CVODES of SUNDIALS: backward differentiation of variable order and step.

    It shares no code of integration or dynamics with `FlexiblePlant`, which it is there to judge.
    """

    def _load(self) -> None:
        parameters = self._arm.chain.parameters
        n, m = self.robot.n_joints, self.robot.n_actuated
        y, torque, duration = ca.MX.sym("y", 2 * n), ca.MX.sym("torque", m), ca.MX.sym("duration")
        acceleration = chain_acceleration(parameters)(y, torque)
        # Time runs from 0 to 1, so that one integrator serves every duration between two torques.
        self._integrator = ca.integrator(
            "plant",
            "cvodes",
            {
                "x": y,
                "p": ca.vertcat(torque, duration),
                "ode": duration * ca.vertcat(y[n:], acceleration),
            },
            0.0,
            1.0,
            {
                "linear_multistep_method": "bdf",
                "reltol": RELATIVE_TOLERANCE,
                "abstol": ABSOLUTE_TOLERANCE,
                "max_num_steps": 100_000,
                "disable_internal_warnings": True,
                "show_eval_warnings": False,
            },
        )

    def _forget(self) -> None:
        """Nothing is kept between steps."""

    def _advance(self, state: FloatArray, torque: FloatArray, ticks: int) -> FloatArray:
        parameters = self._arm.chain.parameters
        duration = ticks * self.settings.physics_step
        try:
            result = self._integrator(x0=to_absolute(parameters, state), p=np.append(torque, duration))
        except RuntimeError as error:
            raise SolverError(f"CVODES gave up: {error}") from error
        following = np.asarray(result["xf"], dtype=np.float64).ravel()
        if not np.isfinite(following).all():
            raise SolverError("CVODES returned a state that is not finite")
        return to_relative(parameters, following)
