"""State estimation: an extended Kalman filter on the arm's model, with Young's modulus or a sensor bias."""

import math
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import StepSettings, YawChain
from ampc.chain.ekf import Augmentation, ChainFilter, FilterModel, make_filter, n_filter_states
from ampc.chain.factors import covariance
from ampc.chain.statics import rest_shapes
from ampc.control.estimator_settings import EstimatorSettings, require_number
from ampc.errors import AmpcError, SolverError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot

RESTART_INFLATION = 10.0
"""Factor on the initial standard deviations where the filter restarts in the middle of a motion."""

RESTART_AFTER = 25
"""Successive updates that reject a joint position, after which the filter believes the sensor again."""

_SOFTER = 0.9
"""Stiffness at which the derivative of shapes at rest is taken."""


class MeasurementError(AmpcError):
    """There is no measurement to start an estimate from."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What the filter believes after a measurement."""

    q: FloatArray
    """Joint positions, passive ones included (n,) [rad]."""
    dq: FloatArray
    """Joint velocities (n,) [rad/s]."""
    end_effector: FloatArray
    """End-effector position, world frame (3,) [m]; the estimated bias included."""
    stiffness_scale: float
    """Young's modulus relative to the model's; 1 where it is not estimated."""
    end_effector_bias: FloatArray
    """Bias of the end effector (3,) [m]; zero where it is not estimated."""
    nis: float
    """Normalised innovation squared of this update; chi-square with `n_used` degrees of freedom in theory."""
    n_used: int
    """Measured numbers that this update used."""
    n_rejected: int
    """Finite measured numbers that were taken for a sensor's fault."""
    restarted: str
    """Why the filter started afresh from this measurement, or could not; empty in normal operation."""
    factors: FloatArray
    """Factors of the covariance, see `ampc.chain.factors` (Z, Z)."""

    @property
    def covariance(self) -> FloatArray:
        """Covariance (Z, Z) of [q, dq, ln modulus or bias]."""
        return covariance(self.factors)

    @property
    def x(self) -> FloatArray:
        """State [q, dq] (2n,)."""
        return np.concatenate([self.q, self.dq])


class ExtendedKalmanFilter:
    """Estimates [q, dq] and Young's modulus of an arm from joint sensors and a noisy end-effector position.

    Works for any arm that is a yaw joint carrying a planar chain, with or without passive joints and with or
    without an end-effector sensor. One instance for each loop. docs/estimator.md has equations and tuning.
    """

    def __init__(
        self, robot: Robot, settings: EstimatorSettings | None = None, control_period: float = 0.004
    ) -> None:
        """Make a filter.

        Args:
            robot: The model that the filter believes in, such as the flexible arm with 3 segments.
            settings: Noise levels and what else is estimated; by default those of the flexible arm.
            control_period: Time between measurements [s].

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain.
            SettingsError: The control period is not positive.
        """
        settings = settings or EstimatorSettings()
        require_number("control_period", control_period, positive=True)
        self.robot, self.settings, self.control_period = robot, settings, control_period
        chain = YawChain.from_robot(robot)
        self._chains = chain, chain.with_stiffness_scale(_SOFTER)
        self._n, self._actuated, self._passive = robot.n_joints, robot.actuated, robot.passive
        self.augmentation: Augmentation = settings.augmentation
        """What is estimated besides the state, for this arm."""
        if self.augmentation == "modulus" and not chain.parameters.flexible_stiffness.any():
            self.augmentation = "none"
        self._filter: ChainFilter = make_filter(chain, self._filter_model())
        self.readings: FloatArray = np.full(2 * robot.n_actuated + 3, np.nan)
        """The last measurement that was read, as `core` takes it (2m + 3,)."""
        self._started, self._failure, self._rejecting = False, "", 0

    @property
    def core(self) -> ChainFilter:
        """The filter itself, for loops that step it in C; they have to tell `conclude`."""
        return self._filter

    def reset(self, measurement: Measurement) -> Estimate:
        """Forget the past and start from the first measurement of a task, the arm being at rest.

        Actuated joints start where they are measured; passive ones at the shape at rest that belongs to it.

        Raises:
            MeasurementError: The position of an actuated joint is missing.
        """
        self._started = False
        if not self._start(measurement, 1.0):
            raise MeasurementError(
                f"an estimate starts from measured joint positions, but they are {measurement.q.tolist()}"
            )
        return self._estimate("")

    def predict(self, torque: FloatArray) -> None:
        """Predict over one control period under the torque that acts (m,) [N m]."""
        self._require_start()
        if not self._filter.predict(torque):
            self._failure = f"the model cannot be integrated under torque {np.asarray(torque).tolist()}"

    def update(self, measurement: Measurement) -> Estimate:
        """Take a measurement in; entries that are NaN or infinite are skipped.

        If the prediction failed, or joint positions have been rejected for a while, the filter starts
        afresh from this measurement and the estimate says so. Without measured positions it keeps its last
        estimate.
        """
        self._require_start()
        if not self._failure:
            self.read(measurement)
            self._filter.correct(self.readings)
        return self._finish(measurement)

    def step(self, torque: FloatArray, measurement: Measurement) -> Estimate:
        """`predict` and `update` in one call of the compiled core."""
        self._require_start()
        self.read(measurement)
        predicted = not self._failure and self._filter.step(torque, self.readings)
        return self.conclude(torque, measurement, predicted)

    def conclude(self, torque: FloatArray, measurement: Measurement, predicted: bool) -> Estimate:
        """What follows from a step of `core` under a torque (m,) [N m]; ``predicted`` if it went well."""
        if not predicted and not self._failure:
            self._failure = f"the model cannot be integrated under torque {np.asarray(torque).tolist()}"
        return self._finish(measurement)

    def forget_rejections(self) -> None:
        """Updates that rejected nothing were made in `core` since the last `conclude`."""
        self._rejecting = 0

    def _finish(self, measurement: Measurement) -> Estimate:
        if not self._failure:
            self._rejecting = self._rejecting + 1 if self._rejects_positions() else 0
            if self._rejecting < RESTART_AFTER:
                return self.estimate
            self._failure = f"joint positions contradicted the model in {RESTART_AFTER} updates"
        failure = self._failure
        if self._start(measurement, RESTART_INFLATION):
            return self._estimate(f"restarted: {failure}")
        return self._estimate(f"{failure}; no joint positions to restart from")

    def _rejects_positions(self) -> bool:
        """Whether a measured joint position of the last update was taken for a sensor's fault."""
        if not self._filter.rejected:
            return False
        distance = np.abs(self.readings[: len(self._actuated)] - self._filter.state[self._actuated])
        return bool((distance > self.settings.gate * self.settings.position_noise).any())

    def _require_start(self) -> None:
        if not self._started:
            raise MeasurementError("the filter has no estimate yet; call reset with the first measurement")

    def read(self, measurement: Measurement) -> None:
        """Put a measurement into `readings`."""
        y, m = self.readings, len(self._actuated)
        y[:m], y[m : 2 * m] = measurement.q, measurement.dq
        y[2 * m :] = np.nan if measurement.end_effector is None else measurement.end_effector

    def _start(self, measurement: Measurement, inflation: float) -> bool:
        """Start from a measurement; False, and nothing changed, without measured joint positions."""
        self.read(measurement)
        y, m, n, settings = self.readings, len(self._actuated), self._n, self.settings
        if not np.isfinite(y[:m]).all():
            return False
        q, softening = self._rest(y[:m])
        velocity_known = np.isfinite(y[m : 2 * m])
        state, deviation = np.zeros_like(self._filter.state), np.empty_like(self._filter.state)
        state[:n] = q
        state[n + self._actuated] = np.where(velocity_known, y[m : 2 * m], 0.0)
        deviation[self._actuated] = settings.position_noise
        deviation[self._passive] = inflation * settings.initial_position
        deviation[n + self._actuated] = np.where(velocity_known, settings.velocity_noise, 1.0)
        deviation[n + self._passive] = inflation * settings.initial_velocity
        deviation[2 * n :] = (
            settings.initial_modulus if self.augmentation == "modulus" else settings.initial_bias
        )
        factors = np.diag(deviation**2)
        if self.augmentation == "modulus":
            factors[2 * n, :n] = softening
        self._filter.start(state, factors)
        y[: 2 * m] = np.nan
        self._filter.correct(y)
        self._started, self._failure, self._rejecting = True, "", 0
        return True

    def _rest(self, motors: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Shape at rest (n,) and its derivative by the logarithm of the modulus (n,).

        Straight links where there is no shape at rest, for an arm that is too soft.
        """
        try:
            shape, softer = (rest_shapes(chain, motors[None])[0] for chain in self._chains)
        except SolverError:
            straight = np.zeros(self._n)
            straight[self._actuated] = motors
            return straight, np.zeros(self._n)
        return shape, (softer - shape) / math.log(_SOFTER)

    @property
    def estimate(self) -> Estimate:
        """What the last update has left, in normal operation."""
        return self._estimate("")

    def _estimate(self, restarted: str) -> Estimate:
        n, kernel = self._n, self._filter
        state = kernel.state.copy()
        bias = state[2 * n :] if self.augmentation == "bias" else np.zeros(3)
        return Estimate(
            q=state[:n],
            dq=state[n : 2 * n],
            end_effector=kernel.end_effector.copy(),
            stiffness_scale=math.exp(state[-1]) if self.augmentation == "modulus" else 1.0,
            end_effector_bias=bias,
            nis=kernel.nis,
            n_used=kernel.used,
            n_rejected=kernel.rejected,
            restarted=restarted,
            factors=kernel.factors.copy(),
        )

    def _filter_model(self) -> FilterModel:
        settings, n, m = self.settings, self._n, len(self._actuated)
        drift = np.zeros(n_filter_states(n, self.augmentation))
        drift[:n], drift[n : 2 * n] = settings.position_drift, settings.velocity_drift
        drift[2 * n :] = settings.modulus_drift if self.augmentation == "modulus" else settings.bias_drift
        noise = np.repeat(
            [settings.position_noise, settings.velocity_noise, settings.end_effector_noise], [m, m, 3]
        )
        return FilterModel(
            step=StepSettings(self.control_period, "radau", 1, 1e-8),
            augmentation=self.augmentation,
            process=drift**2 * self.control_period,
            noise=noise**2,
            gate=settings.gate,
            log_scale_limit=settings.largest_log_modulus,
        )
