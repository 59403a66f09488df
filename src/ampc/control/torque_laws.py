"""How the command of a feedback law becomes a joint torque: what is cancelled, and with which inertia."""

from typing import NamedTuple, Protocol, get_args

from ampc.arrays import FloatArray
from ampc.control.feedback import TorqueLawName
from ampc.errors import SettingsError
from ampc.robots import RobotDynamics


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


class ComputedTorque:
    """Commands are joint accelerations: torque = M(q) u + C(q, dq) dq + g(q) - passive(q, dq).

    It makes the arm the double integrator that the MPC predicts, at any control rate and any armature.
    """

    def __init__(self, dynamics: RobotDynamics) -> None:
        self._dynamics = dynamics

    def split(self, command: FloatArray, q: FloatArray, dq: FloatArray) -> TorqueSplit:
        """Corrective M(q) u and compensation C dq + g - passive, for u in [rad/s^2]."""
        mass_matrix, bias = self._dynamics.mass_matrix_and_bias(q, dq)
        return TorqueSplit(mass_matrix @ command, bias)


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


def make_torque_law(name: TorqueLawName, dynamics: RobotDynamics) -> TorqueLaw:
    """The torque law of that name.

    Raises:
        SettingsError: If there is none.
    """
    match name:
        case "computed-torque":
            return ComputedTorque(dynamics)
        case "gravity-compensation":
            return GravityCompensation(dynamics)
    raise SettingsError(f"unknown torque law {name!r}; choose one of {', '.join(get_args(TorqueLawName))}")
