"""How the command of a feedback law becomes a joint torque: what is cancelled, and with which inertia."""

from typing import NamedTuple, Protocol, get_args

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.feedback import TorqueLawName
from ampc.errors import SettingsError, SolverError
from ampc.robots import RobotDynamics

_TOLERANCE = 1e-9
_MAX_ITERATIONS = 50


class TorqueSplit(NamedTuple):
    """A joint torque in its two parts; their sum is sent to the motors."""

    corrective: FloatArray
    """Drives the arm to its goal (n,) [N m]."""
    compensation: FloatArray
    """Cancels what the arm's own weight and motion do (n,) [N m]."""


class TorqueLaw(Protocol):
    """Command and joint state in, torque in its two parts out."""

    def split(self, command: FloatArray, q: FloatArray, dq: FloatArray) -> TorqueSplit:
        """Torque for a command (n,) at joint positions (n,) [rad] and velocities (n,) [rad/s]."""

    def command_for(self, torque: FloatArray, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Command (n,) that `split` turns into a torque (n,) [N m] at that state: its inverse.

        Raises:
            SolverError: It was not found, such as for a state that is not finite.
        """


class ComputedTorque:
    """Commands are joint accelerations: torque = M(q) u + C(q, dq) dq + g(q) - passive(q, dq).

    The torque is held for a whole control period, in which a fast arm moves on: with the terms taken where
    the arm was, a light joint with damping falls far short of its command. They are therefore taken where
    the arm will be in the middle of the period T under that command (the midpoint rule)::

        q_mid = q + T/2 dq + T^2/8 u,    dq_mid = dq + T/2 u

    which makes the arm the double integrator that the MPC predicts up to an error of order T^3.
    """

    def __init__(self, dynamics: RobotDynamics, control_period: float) -> None:
        """Take the arm's dynamics, and the time for which a torque is held [s]."""
        self._dynamics = dynamics
        self._half = 0.5 * control_period

    def split(self, command: FloatArray, q: FloatArray, dq: FloatArray) -> TorqueSplit:
        """Corrective M u and compensation C dq + g - passive at mid-period, for u in [rad/s^2]."""
        half = self._half
        mass_matrix, bias = self._dynamics.mass_matrix_and_bias(
            q + half * dq + 0.5 * half**2 * command, dq + half * command
        )
        return TorqueSplit(mass_matrix @ command, bias)

    def command_for(self, torque: FloatArray, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Acceleration (n,) [rad/s^2] that needs this torque.

        The middle of the period depends on the acceleration, only weakly: ``u <- M^-1 (torque - bias)``, with
        M and bias where the last u leads, converges in a few steps.

        Raises:
            SolverError: It does not converge, or an argument is not finite.
        """
        half = self._half
        command: FloatArray = np.zeros(len(torque))
        for _ in range(_MAX_ITERATIONS):
            mass_matrix, bias = self._dynamics.mass_matrix_and_bias(
                q + half * dq + 0.5 * half**2 * command, dq + half * command
            )
            previous = command
            command = np.asarray(np.linalg.solve(mass_matrix, torque - bias), dtype=np.float64)
            change = float(np.abs(command - previous).max())
            if change <= _TOLERANCE * (1.0 + float(np.abs(command).max())):
                return command
        raise SolverError(f"no acceleration was found that needs the torque {torque} at q = {q}, dq = {dq}")


class GravityCompensation:
    """Commands are torques: torque = u + g(q), the specification's literal reading.

    The MPC behind it predicts q'' = u, which holds only for unit inertia: expect a limit cycle at 20 Hz
    unless the joints' armature is of the order of 1 kg m^2.
    """

    def __init__(self, dynamics: RobotDynamics) -> None:
        self._dynamics = dynamics

    def split(self, command: FloatArray, q: FloatArray, dq: FloatArray) -> TorqueSplit:
        """Corrective u and compensation g(q), for u in [N m]; dq is not used."""
        return TorqueSplit(command, self._dynamics.gravity(q))

    def command_for(self, torque: FloatArray, q: FloatArray, dq: FloatArray) -> FloatArray:
        """The torque without the part that bears the arm's weight (n,) [N m]; dq is not used."""
        return torque - self._dynamics.gravity(q)


def make_torque_law(name: TorqueLawName, dynamics: RobotDynamics, control_period: float) -> TorqueLaw:
    """The torque law of that name, for torques that are held for a control period [s].

    Raises:
        SettingsError: If there is none.
    """
    match name:
        case "computed-torque":
            return ComputedTorque(dynamics, control_period)
        case "gravity-compensation":
            return GravityCompensation(dynamics)
    raise SettingsError(f"unknown torque law {name!r}; choose one of {', '.join(get_args(TorqueLawName))}")
