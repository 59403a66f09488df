"""MPC that measures how the arm's acceleration differs from its command, and subtracts the difference."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_are

from ampc.arrays import FloatArray
from ampc.control.feedback import Reference
from ampc.control.joint_mpc import JointMPC
from ampc.errors import SettingsError, SolverError
from ampc.solvers.double_integrator import JointMPCSettings


@dataclass(frozen=True)
class ObserverSettings:
    """What the observer believes of sensors and disturbances; their ratio alone matters."""

    position_noise: float = 2e-4
    """Standard deviation of joint position measurements [rad]."""
    velocity_noise: float = 2e-3
    """Standard deviation of joint velocity measurements [rad/s]."""
    disturbance_change: float = 9.0
    """How fast the disturbance wanders: standard deviation of its change in one second [rad/s^2], which grows
    with the square root of the time, so that the setting serves loops of any rate."""
    input_delay: float = 0.0
    """Time from a command to its effect that is reckoned with [s]; the MPC then plans from the state in which
    its command will arrive."""
    command_limit: float = 100.0
    """Largest magnitude of the command, disturbance included [rad/s^2]: the weight of an unknown payload asks
    for far more than the MPC's own limit."""

    def __post_init__(self) -> None:
        for name in ("position_noise", "velocity_noise", "disturbance_change", "command_limit"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SettingsError(f"observer.{name} is {getattr(self, name)}; it must be positive")
        if not 0.0 <= self.input_delay < math.inf:
            raise SettingsError(f"observer.input_delay is {self.input_delay}; it must not be negative")


NOISY_SENSORS = ObserverSettings(position_noise=2e-3, velocity_noise=0.2, disturbance_change=2.0)
"""Told of sensors with 2 mrad and 0.2 rad/s; good at 20 Hz and at 500 Hz."""


class DisturbanceObserver:
    """Steady-state Kalman filter of each joint's position, velocity and acceleration disturbance d.

    Under computed torque a joint is the double integrator ``q'' = u + d``, with d what payload, wrong
    parameters, friction or delay make of the command u. Over a control period T that u is held for::

        q+ = q + T dq + T^2/2 (u + d),    dq+ = dq + T (u + d),    d+ = d + noise

    With noise settings near zero the estimate is the one-step observer ``d = (dq - dq_before)/T - u_before``;
    larger ones make it an average over more steps. The disturbance has an integrator, so that whatever stays
    constant is estimated without offset. With an input delay, u is what was commanded one delay earlier.

    Attributes:
        gain: Weight of the measurement's deviations from the prediction, the same for every joint (3, 2).
        state: Estimates [q, dq, d] of each joint (3, n), in [rad, rad/s, rad/s^2].
    """

    def __init__(self, settings: ObserverSettings, control_period: float) -> None:
        T = control_period
        whole = math.floor(settings.input_delay / T + 1e-9)
        late = max(settings.input_delay - whole * T, 0.0)
        # The newest command acts after `whole` periods, but for the first `late` seconds of the next.
        self._late, self._on_time, self._period = _Motion.over(late), _Motion.over(T - late), _Motion.over(T)
        self._sent: deque[FloatArray] = deque(maxlen=whole + 2)
        sensed = np.eye(2, 3)
        process = np.diag([0.0, 0.0, settings.disturbance_change**2 * T])
        measurement = np.diag([settings.position_noise**2, settings.velocity_noise**2])
        try:
            covariance = solve_discrete_are(self._period.transition.T, sensed.T, process, measurement)
        except np.linalg.LinAlgError as error:
            raise SettingsError(
                f"the observer has no stable gain for these noise settings; are they far apart? ({error})"
            ) from error
        innovation = sensed @ covariance @ sensed.T + measurement
        self.gain: FloatArray = np.linalg.solve(innovation, sensed @ covariance).T
        self.state: FloatArray = np.empty((3, 0))

    def reset(self, q: FloatArray, dq: FloatArray) -> None:
        """Begin at a measured state (n,) [rad], (n,) [rad/s], without disturbance."""
        self.state = np.array([q, dq, np.zeros(len(q))])
        self._sent.extend([np.zeros(len(q))] * (self._sent.maxlen or 0))

    def predict(self, command: FloatArray) -> None:
        """Let the control period pass at whose beginning a command (n,) [rad/s^2] was sent."""
        self._sent.append(command)
        self.state = self._on_time(self._late(self.state, self._sent[0]), self._sent[1])

    def on_arrival(self) -> FloatArray:
        """Estimates [q, dq, d] (3, n) of the state in which a command that is sent now will act."""
        state = self._late(self.state, self._sent[1])
        for command in list(self._sent)[2:]:
            state = self._period(state, command)
        return state

    def correct(self, q: FloatArray, dq: FloatArray) -> None:
        """Take a measurement (n,) [rad], (n,) [rad/s]."""
        self.state = self.state + self.gain @ (np.array([q, dq]) - self.state[:2])


@dataclass(frozen=True, eq=False)
class _Motion:
    """What a stretch of time does to [q, dq, d] (3, n) under a constant command (n,)."""

    transition: FloatArray
    input: FloatArray

    @classmethod
    def over(cls, time: float) -> "_Motion":
        transition = np.array([[1.0, time, time**2 / 2.0], [0.0, 1.0, time], [0.0, 0.0, 1.0]])
        return cls(transition, np.array([[time**2 / 2.0], [time], [0.0]]))

    def __call__(self, state: FloatArray, command: FloatArray) -> FloatArray:
        return np.asarray(self.transition @ state + self.input * command)


class ObserverMPC:
    """The expert's MPC from the observer's estimate of the state, less its estimate of the disturbance.

    It knows no more of the plant than the nominal MPC, and no more than what the joints' sensors say.
    """

    name = "MPC with observer"
    needs_reference = True
    saturated = False

    def __init__(
        self, settings: JointMPCSettings, observer: ObserverSettings, n_joints: int, control_period: float
    ) -> None:
        """Compose the law.

        Args:
            settings: The MPC.
            observer: The observer.
            n_joints: Number of joints n.
            control_period: Time between two calls of `command` [s].
        """
        self.observer = DisturbanceObserver(observer, control_period)
        self.command_limit: FloatArray = np.full(n_joints, observer.command_limit)
        self._mpc = JointMPC(settings, n_joints)
        self._sent: FloatArray | None = None

    def reset(self, reference: Reference) -> None:
        """Take the joint reference and forget the past.

        Raises:
            SolverError: If there is none.
        """
        self._mpc.reset(reference)
        self._sent = None

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Acceleration (n,) [rad/s^2] for the measured state (n,) [rad], (n,) [rad/s].

        Raises:
            SolverError: If the state is not finite, the law was not reset, or the solver fails.
        """
        if self._sent is None:
            self.observer.reset(q, dq)
        else:
            self.observer.predict(self._sent)
            self.observer.correct(q, dq)
        return self._decide()

    def coast(self) -> FloatArray:
        """Acceleration (n,) [rad/s^2] where there is no measurement: from the prediction alone.

        Raises:
            SolverError: If there never was one, or the solver fails.
        """
        if self._sent is None:
            raise SolverError(f"{self.name} has not measured anything yet")
        self.observer.predict(self._sent)
        return self._decide()

    def observe_command(self, command: FloatArray) -> None:
        """Take the command (n,) that was sent in place of the last one."""
        self._sent = command

    def _decide(self) -> FloatArray:
        q, dq, disturbance = self.observer.on_arrival()
        wanted = self._mpc.command(q, dq) - disturbance
        self._sent = np.clip(wanted, -self.command_limit, self.command_limit)
        return self._sent
