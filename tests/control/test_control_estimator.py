"""The estimator: consistent on its own model, right on a finer and softer arm, and never lost for long."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.factors import covariance
from ampc.chain.statics import rest_shape
from ampc.control.estimator import Estimate, ExtendedKalmanFilter, MeasurementError
from ampc.control.estimator_settings import EstimatorSettings
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics, load_robot

PERIOD = 0.004
NOISE = EstimatorSettings()


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm")


class Simulated:
    """An arm that holds a posture with a weak PD on its motors while a torque shakes it."""

    def __init__(self, robot: Robot, seed: int, stiffness_scale: float = 1.0, noise: float = 1.0) -> None:
        self.chain = YawChain.from_robot(robot, stiffness_scale)
        self.n, self.motors = robot.n_joints, robot.actuated
        self.rng, self.noise, self.time = np.random.default_rng(seed), noise, 0.0
        self.posture = self.rng.uniform([-1.0, 0.1, -1.2], [1.0, 0.9, 0.3])
        self.x = np.concatenate([rest_shape(self.chain, self.posture), np.zeros(self.n)])
        self.phase = self.rng.uniform(0.0, 6.0, 3)
        self.gravity = np.array([0.0, 3.0, 0.8])

    @property
    def end_effector(self) -> FloatArray:
        return self.chain.points(self.x)[0][0]

    def measure(self) -> Measurement:
        normal = self.rng.normal
        return Measurement(
            self.time,
            self.x[self.motors] + self.noise * NOISE.position_noise * normal(size=3),
            self.x[self.n + self.motors] + self.noise * NOISE.velocity_noise * normal(size=3),
            self.end_effector + self.noise * NOISE.end_effector_noise * normal(size=3),
        )

    def torque(self) -> FloatArray:
        deviation = self.posture - self.x[self.motors]
        shake = np.array([0.3, 0.8, 0.2]) * np.sin(6.0 * self.time + self.phase)
        return (
            np.array([8.0, 10.0, 2.0]) * deviation - 0.1 * self.x[self.n + self.motors] + self.gravity + shake
        )

    def step(self, torque: FloatArray) -> None:
        self.x = self.chain.step(self.x, torque, PERIOD, scheme="radau", substeps=4)
        self.time += PERIOD


def run(
    robot: Robot, plant: Simulated, steps: int, options: EstimatorSettings | None = None
) -> list[Estimate]:
    estimator = ExtendedKalmanFilter(robot, options, PERIOD)
    estimates = [estimator.reset(plant.measure())]
    for _ in range(steps):
        torque = plant.torque()
        plant.step(torque)
        estimates.append(estimator.step(torque, plant.measure()))
    return estimates


def test_consistent_on_its_own_model(arm: Robot) -> None:
    """NEES and NIS of the filter, averaged over runs and time, in a world that is as it assumes."""
    options = EstimatorSettings(augmentation="none", position_drift=1e-3, velocity_drift=0.1)
    n, runs, steps = arm.n_joints, 12, 120
    deviation = np.repeat([options.position_drift, options.velocity_drift], n) * PERIOD**0.5
    nees, nis = [], []
    for seed in range(runs):
        plant = Simulated(arm, seed)
        plant.x[arm.passive] += options.initial_position * plant.rng.normal(size=6)
        plant.x[n + arm.passive] += options.initial_velocity * plant.rng.normal(size=6)
        plant.x[n + arm.actuated] += options.velocity_noise * plant.rng.normal(size=3)
        estimator = ExtendedKalmanFilter(arm, options, PERIOD)
        estimator.reset(plant.measure())
        for k in range(steps):
            torque = plant.torque()
            # The filter's own integration, so that drift alone separates model and world.
            plant.x = plant.chain.step(plant.x, torque, PERIOD, scheme="radau", substeps=1)
            plant.x = plant.x + deviation * plant.rng.normal(size=2 * n)
            plant.time += PERIOD
            estimate = estimator.step(torque, plant.measure())
            if k >= 20 and k % 10 == 0:
                error = plant.x - estimate.x
                nees.append(error @ np.linalg.solve(estimate.covariance, error))
            nis.append(estimate.nis)
    # Successive NIS are independent; successive NEES are not, so that they count once for each run.
    low, high = chi2.ppf([1e-4, 1.0 - 1e-4], 9 * len(nis)) / len(nis)
    assert low < np.mean(nis) < high
    low, high = chi2.ppf([1e-4, 1.0 - 1e-4], 2 * n * runs) / runs
    assert low < np.mean(nees) < high


@pytest.mark.parametrize("scale", [1.0, 0.9])
def test_finer_and_softer_plants_leave_no_steady_error(arm: Robot, scale: float) -> None:
    for seed in range(3):
        plant = Simulated(load_robot("flexible-arm-10"), seed, scale)
        estimator = ExtendedKalmanFilter(arm)
        estimate = estimator.reset(plant.measure())
        errors = []
        for k in range(500):
            torque = plant.torque()
            plant.step(torque)
            estimate = estimator.step(torque, plant.measure())
            if k >= 250:
                errors.append(estimate.end_effector - plant.end_effector)
        assert np.linalg.norm(np.mean(errors, axis=0)) < 2e-3
        assert estimate.stiffness_scale == pytest.approx(scale, abs=0.04)


def test_bias_absorbs_an_offset_of_the_sensor(arm: Robot) -> None:
    offset = np.array([0.02, -0.03, 0.01])
    plant = Simulated(arm, 1)
    honest = plant.measure
    plant.measure = lambda: _shifted(honest(), offset)  # type: ignore[method-assign]
    estimate = run(arm, plant, 400, EstimatorSettings(augmentation="bias"))[-1]
    assert estimate.stiffness_scale == 1.0
    np.testing.assert_allclose(estimate.end_effector_bias, offset, atol=4e-3)
    np.testing.assert_allclose(estimate.end_effector, plant.end_effector + offset, atol=4e-3)


def _shifted(measurement: Measurement, offset: FloatArray) -> Measurement:
    assert measurement.end_effector is not None
    return Measurement(measurement.time, measurement.q, measurement.dq, measurement.end_effector + offset)


def test_starts_from_the_measurement_alone(arm: Robot) -> None:
    """Without noise, the shape at rest of the measured joints; whatever was before is forgotten."""
    plant = Simulated(arm, 3, noise=0.0)
    fresh, used = ExtendedKalmanFilter(arm), ExtendedKalmanFilter(arm)
    used.reset(Simulated(arm, 4).measure())
    for _ in range(5):
        used.step(np.ones(3), Simulated(arm, 5).measure())
    for estimator in (fresh, used):
        estimate = estimator.reset(plant.measure())
        np.testing.assert_allclose(estimate.q, rest_shape(plant.chain, plant.posture), atol=1e-9)
        assert not estimate.restarted
    blind = Measurement(0.0, plant.posture, np.full(3, np.nan))
    np.testing.assert_allclose(fresh.reset(blind).q, rest_shape(plant.chain, plant.posture), atol=1e-12)


def test_initial_shape_varies_with_the_modulus(arm: Robot) -> None:
    estimate = ExtendedKalmanFilter(arm).reset(Measurement(0.0, np.zeros(3), np.zeros(3)))
    stiffer = rest_shape(YawChain.from_robot(arm, 1.05), np.zeros(3))
    P = estimate.covariance
    predicted = P[:9, -1] / P[-1, -1] * np.log(1.05)
    np.testing.assert_allclose(predicted, stiffer - estimate.q, rtol=0.15, atol=1e-6)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_stays_finite_whatever_is_measured(data: st.DataObject) -> None:
    robot = load_robot("flexible-arm-1")
    plant = Simulated(robot, 0)
    estimator = ExtendedKalmanFilter(robot)
    estimator.reset(plant.measure())
    entry = st.one_of(st.floats(-1.0, 1.0), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e9]))
    triple = st.lists(entry, min_size=3, max_size=3).map(np.array)
    for _ in range(data.draw(st.integers(1, 12))):
        measurement = Measurement(0.0, data.draw(triple), data.draw(triple), data.draw(st.none() | triple))
        estimate = estimator.step(data.draw(triple), measurement)
        for array in (estimate.q, estimate.dq, estimate.end_effector, estimate.factors):
            assert np.isfinite(array).all()
        assert (np.diag(estimate.factors) >= 0.0).all()
        P = covariance(estimate.factors)
        assert np.linalg.eigvalsh(P).min() >= -1e-9 * np.abs(P).max()


def test_missing_entries_widen_and_the_rest_still_helps(arm: Robot) -> None:
    plant = Simulated(arm, 2)
    estimator = ExtendedKalmanFilter(arm)
    estimator.reset(plant.measure())
    nothing = Measurement(0.0, np.full(3, np.nan), np.full(3, np.nan), None)
    for _ in range(60):
        torque = plant.torque()
        plant.step(torque)
        estimate = estimator.step(torque, nothing)
        assert (estimate.n_used, estimate.nis, estimate.restarted) == (0, 0.0, "")
    drifted = np.trace(estimate.covariance[:9, :9])
    assert np.linalg.norm(estimate.end_effector - plant.end_effector) < 0.03
    partly = plant.measure()
    partly.q[0] = np.nan
    estimate = estimator.step(plant.torque(), partly)
    assert estimate.n_used == 8
    assert np.trace(estimate.covariance[:9, :9]) < drifted


def test_restarts_after_a_failed_prediction(arm: Robot) -> None:
    plant = Simulated(arm, 2)
    estimator = ExtendedKalmanFilter(arm)
    before = estimator.reset(plant.measure())
    gone = Measurement(0.0, np.full(3, np.nan), np.zeros(3), None)
    lost = estimator.step(np.full(3, np.nan), gone)
    assert "no joint positions" in lost.restarted
    np.testing.assert_array_equal(lost.q, before.q)
    again = estimator.step(plant.torque(), plant.measure())
    assert again.restarted.startswith("restarted: the model cannot be integrated")
    assert estimator.step(plant.torque(), plant.measure()).restarted == ""


def test_restarts_where_the_arm_is_elsewhere(arm: Robot) -> None:
    plant = Simulated(arm, 2)
    estimator = ExtendedKalmanFilter(arm)
    estimator.reset(plant.measure())
    elsewhere = Simulated(arm, 9)
    elsewhere.x[0] += 3.0
    reasons = {estimator.step(elsewhere.torque(), elsewhere.measure()).restarted for _ in range(60)}
    estimate = estimator.step(elsewhere.torque(), elsewhere.measure())
    assert any("contradicted the model" in reason for reason in reasons)
    assert estimate.n_rejected == 0
    assert np.linalg.norm(estimate.end_effector - elsewhere.end_effector) < 0.05


def test_two_calls_equal_one(arm: Robot) -> None:
    plant = Simulated(arm, 6)
    once, twice = ExtendedKalmanFilter(arm), ExtendedKalmanFilter(arm)
    first = plant.measure()
    once.reset(first)
    twice.reset(first)
    torque, second = plant.torque(), plant.measure()
    twice.predict(torque)
    np.testing.assert_array_equal(once.step(torque, second).q, twice.update(second).q)


def test_rigid_arm_without_a_sensor_at_its_end(rigid_arm: Robot) -> None:
    estimator = ExtendedKalmanFilter(rigid_arm, control_period=0.01)
    assert estimator.augmentation == "none"
    chain = YawChain.from_robot(rigid_arm)
    rng = np.random.default_rng(0)
    x = np.zeros(6)
    x[:3] = rigid_arm.home
    gravity = RobotDynamics(rigid_arm).gravity(rigid_arm.home)
    estimator.reset(Measurement(0.0, x[:3], x[3:]))
    for _ in range(200):
        torque = gravity - 2.0 * x[3:] + 2.0 * rng.normal(size=3)
        x = chain.step(x, torque, 0.01)
        q, dq = x[:3] + 1.7e-3 * rng.normal(size=3), x[3:] + 0.045 * rng.normal(size=3)
        estimate = estimator.step(torque, Measurement(0.0, q, dq))
    np.testing.assert_allclose(estimate.q, x[:3], atol=5e-3)
    np.testing.assert_allclose(estimate.end_effector, chain.points(x)[0][0], atol=5e-3)


def test_errors_say_what_is_wrong(arm: Robot) -> None:
    estimator = ExtendedKalmanFilter(arm)
    with pytest.raises(MeasurementError, match="call reset"):
        estimator.predict(np.zeros(3))
    with pytest.raises(MeasurementError, match="nan"):
        estimator.reset(Measurement(0.0, np.array([0.0, np.nan, 0.0]), np.zeros(3)))
    with pytest.raises(SettingsError, match="gate"):
        EstimatorSettings(gate=0.0)
    with pytest.raises(SettingsError, match="control_period"):
        ExtendedKalmanFilter(arm, control_period=-1.0)
