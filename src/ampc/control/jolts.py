"""How torques have jumped lately: what a model of few segments follows worst."""

import math

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.safety_settings import CertificateSettings


class Jolts:
    """Speeds that changes of torque may have given to motors beyond their prediction.

    The piece of a flexible link next to its motor is light. What a jump of torque does to it in the first
    milliseconds depends on how finely the link is divided, and an estimator that believes in fewer pieces
    than there are is wrong for a while afterwards.
    """

    def __init__(self, per_torque: FloatArray, full: float, memory: float, period: float) -> None:
        """Begin with an arm at rest.

        Args:
            per_torque: Unpredicted speed per change of a motor's torque (m,) [rad/s/(N m)].
            full: Sum of such speeds, as it fades, from which on an arm counts as fully agitated [rad/s].
            memory: Time constant with which it fades [s].
            period: Control period [s].
        """
        self._per_torque, self._full = per_torque, full
        self._rest = math.exp(-period / memory)
        self.forget()

    def forget(self) -> None:
        """Nothing was applied yet."""
        self._last: FloatArray | None = None
        self._before: FloatArray = np.zeros_like(self._per_torque)
        self._level = 0.0
        self.agitation = 0.0
        """Between 0, calm, and 1."""
        self.agitation_before = 0.0
        """The same a control period ago."""

    def note(self, torque: FloatArray) -> None:
        """This torque (m,) [N m] is applied."""
        if self._last is not None:
            self._before = self._per_torque * np.abs(torque - self._last)
        self._last = torque
        self._level = self._rest * self._level + float(self._before.sum())
        self.agitation_before = self.agitation
        self.agitation = min(1.0, (self._level / self._full) ** 2)

    def speeds(self, torque: FloatArray) -> FloatArray:
        """What motors may be faster than predicted after this torque (m,) [rad/s]."""
        if self._last is None:
            return self._before
        return np.asarray(self._before + self._per_torque * np.abs(torque - self._last))


def jolts_of(certificate: CertificateSettings, motors: int, period: float) -> Jolts:
    """Those of an arm with so many motors, as a certificate counts them; its control period is in s."""
    per_torque = np.array([certificate.jolt[min(i, len(certificate.jolt) - 1)] for i in range(motors)])
    return Jolts(per_torque, certificate.agitation, certificate.memory, period)
