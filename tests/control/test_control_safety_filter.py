"""The safety filter: certified torques pass, others are replaced; from certified states the arm can stop."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from ampc.arrays import FloatArray
from ampc.chain import rest_shape
from ampc.control.controller import StepRecord
from ampc.control.hostile import HOSTILITIES, HostileController
from ampc.control.jolts import Jolts
from ampc.control.safety_filter import SafetyFilter
from ampc.control.safety_settings import (
    BrakeSettings,
    CertificateSettings,
    SafetyFilterSettings,
    safety_preset,
)
from ampc.control.stopping import StoppingPlan, Stops
from ampc.errors import SettingsError
from ampc.plants import FlexiblePlant, FlexiblePlantSettings
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics, load_robot
from ampc.solvers.optimal_control import OptimalControlProblem
from ampc.solvers.stop_rollout import Stop
from ampc.tasks.task import Task

PERIOD = 0.004
HIGH, LOW = np.array([1.0, 0.9, -0.9]), np.array([1.0, 0.5, -0.7])
"""Motor positions far from and near to the ground [rad]."""


@pytest.fixture(scope="module")
def arm() -> Robot:
    return load_robot("flexible-arm")


@pytest.fixture(scope="module")
def stops(arm: Robot) -> Stops:
    chosen = SafetyFilterSettings()
    return Stops(OptimalControlProblem(arm, chosen.problem), chosen, PERIOD)


def task(start: FloatArray = HIGH, seed: int = 1000) -> Task:
    return Task(0, "random", start, np.array([0.5, 0.5, 0.5]), start, seed)


def moving(arm: Robot, motors: FloatArray, speeds: tuple[float, float, float]) -> FloatArray:
    x = np.concatenate([rest_shape(arm_chain(arm), motors), np.zeros(arm.n_joints)])
    x[arm.n_joints + arm.actuated] = speeds
    return x


def arm_chain(arm: Robot) -> Any:
    return OptimalControlProblem(arm).chain


class Proposer:
    """Proposes what it is told to."""

    name, control_period = "proposer", PERIOD

    def __init__(self, torque: Any) -> None:
        self.torque, self.applied = torque, []
        self.last_step = StepRecord(np.zeros(3), np.zeros(3), np.zeros(3))

    def reset(self, task: Task) -> None:
        self.applied = []

    def act(self, measurement: Measurement) -> FloatArray:
        if isinstance(self.torque, Exception):
            raise self.torque
        return self.torque

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        self.applied.append(torque)


def holding(arm: Robot, motors: FloatArray) -> FloatArray:
    q = rest_shape(arm_chain(arm), motors)
    still = np.zeros(arm.n_joints)
    return RobotDynamics(arm).inverse_dynamics(q, still, still)[arm.actuated]


def first(filtered: SafetyFilter, start: FloatArray = HIGH) -> FloatArray:
    filtered.reset(task(start))
    return filtered.act(Measurement(0.0, start, np.zeros(3), None))


def test_a_safe_torque_passes_untouched(arm: Robot) -> None:
    torque = holding(arm, HIGH)
    filtered = SafetyFilter(Proposer(torque), arm)
    assert np.array_equal(first(filtered), torque)
    step = filtered.history[-1]
    assert step.decision == "passed"
    assert step.change == 0.0
    assert step.reserve > 0.0
    assert filtered.last_step.status == "ok"


def test_an_unsafe_torque_is_changed_and_the_controller_is_told(arm: Robot) -> None:
    proposer = Proposer(np.array([20.0, -10.0, 10.0]))
    filtered = SafetyFilter(proposer, arm)
    torque = first(filtered)
    step = filtered.history[-1]
    assert step.decision in ("modified", "backup")
    assert step.change > 1.0
    assert step.reserve >= 0.0
    assert np.array_equal(proposer.applied[-1], torque)


def test_what_is_applied_leaves_a_certified_brake(arm: Robot, stops: Stops) -> None:
    filtered = SafetyFilter(Proposer(np.array([20.0, -10.0, 10.0])), arm)
    torque = first(filtered)
    estimate, step = filtered.estimate, filtered.history[-1]
    assert step.decision == "modified"
    assert estimate is not None
    stops.forget()
    stop = stops.after_torque(estimate.x, torque, estimate.stiffness_scale)
    assert stop.safe
    assert step.reserve == pytest.approx(-max(stop.excess, stop.beyond))
    x = arm_chain(arm).with_stiffness_scale(estimate.stiffness_scale)
    after = x.step(estimate.x, torque, PERIOD, scheme="radau", substeps=1)
    stops.note(torque)
    stops.follow(stop.offset.copy())
    assert stops.at_once(after, estimate.stiffness_scale).safe
    stops.forget()


def test_a_brake_that_bends_links_stops_a_sinking_arm_sooner(arm: Robot) -> None:
    def lowest(bending: float) -> float:
        chosen = replace(SafetyFilterSettings(), brake=BrakeSettings(bending=bending))
        stops = Stops(OptimalControlProblem(arm, chosen.problem), chosen, PERIOD)
        x = moving(arm, np.array([1.0, 0.9, -0.3]), (0.0, -1.0, 0.0))
        return min(float(arm_chain(arm).points(each)[0][0, 2]) for each in stops.at_once(x, 1.0).x)

    assert lowest(0.3) > lowest(1.0) + 0.01


@pytest.mark.parametrize("torque", [np.full(3, np.nan), np.zeros(2), ZeroDivisionError("no torque")])
def test_a_controller_without_a_torque_is_stopped(arm: Robot, torque: Any) -> None:
    filtered = SafetyFilter(Proposer(torque), arm)
    applied = first(filtered)
    assert np.isfinite(applied).all()
    assert filtered.history[-1].decision == "backup"
    assert filtered.last_step.status == "fallback"
    assert "controller" in filtered.last_step.reason


def test_without_a_measurement_to_start_from_the_torque_is_zero(arm: Robot) -> None:
    filtered = SafetyFilter(Proposer(np.ones(3)), arm)
    filtered.reset(task())
    assert not filtered.act(Measurement(0.0, np.full(3, np.nan), np.zeros(3), None)).any()


def wander(arm: Robot, stops: Stops, seed: int, motors: FloatArray, steps: int = 30) -> FloatArray:
    """A state that random torques lead to as long as they are certified."""
    rng, chain = np.random.default_rng(seed), arm_chain(arm)
    lower, upper = arm.torque_limits.T
    x = np.concatenate([rest_shape(chain, motors), np.zeros(arm.n_joints)])
    stops.forget()
    for k in range(steps):
        if k % 5 == 0:
            proposed = rng.uniform(lower, upper) * rng.uniform(0.1, 1.0)
        torque = proposed
        for _ in range(5):
            stop = stops.after_torque(x, torque, 1.0)
            if stop.safe:
                stops.follow(stop.offset.copy())
                break
            torque = 0.5 * (torque + stops.at_once(x, 1.0).u[0])
        else:
            stop = stops.at_once(x, 1.0)
            torque = stop.u[0].copy()
            stops.follow(stop.offset.copy(), braking_at=x)
        x = chain.step(x, torque, PERIOD, scheme="radau", substeps=2)
    return x


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    yaw=st.floats(0.2, 2.9),
    shoulder=st.floats(0.4, 2.7),
    elbow=st.floats(-2.8, 2.8),
)
def test_from_every_certified_state_the_brake_alone_ends_at_rest_without_violation(
    arm: Robot, stops: Stops, seed: int, yaw: float, shoulder: float, elbow: float
) -> None:
    motors, chain = np.array([yaw, shoulder, elbow]), arm_chain(arm)
    assume(clearance(arm, np.concatenate([rest_shape(chain, motors), np.zeros(arm.n_joints)])) > 0.02)
    x = wander(arm, stops, seed, motors)
    assert stops.at_once(x, 1.0).safe
    for _ in range(240):  # the stop itself takes half of that, then held motors let the links swing out
        torque = stops.at_once(x, 1.0).u[0].copy()
        stops.follow(stops.at_once(x, 1.0).offset.copy(), braking_at=x)
        x = chain.step(x, torque, PERIOD, scheme="radau", substeps=2)
        assert clearance(arm, x) > 0.0
        fastest = np.abs(x[arm.n_joints :])[arm.actuated]
        assert (fastest <= CertificateSettings().brake_speed_factor * arm.velocity_limits[arm.actuated]).all()
    assert np.abs(x[arm.n_joints :]).max() < 0.1


def clearance(arm: Robot, x: FloatArray) -> float:
    points = arm_chain(arm).points(x)[0]
    return min(float(obstacle.distance(points).min()) for obstacle in arm.obstacles)


def test_beyond_a_limit_the_arm_may_leave_but_not_go_further(arm: Robot, stops: Stops) -> None:
    chain = arm_chain(arm)
    shoulder = brentq(
        lambda q: clearance(arm, moving(arm, np.array([1.0, q, -0.7]), (0.0, 0.0, 0.0))) - 0.001, 0.1, 0.6
    )
    x = moving(arm, np.array([1.0, shoulder, -0.7]), (0.0, 0.0, 0.0))
    stops.forget()
    still = stops.at_once(x, 1.0)
    assert 0.0 < still.beyond < 1.0
    assert chain.points(x)[0][0, 2] < 0.01
    hold = holding(arm, np.array([1.0, shoulder, -0.7]))
    assert stops.after_torque(x, hold + np.array([0.0, 0.3, 0.1]), 1.0).safe
    assert not stops.after_torque(x, hold - np.array([0.0, 0.3, 0.1]), 1.0).safe


def test_jumps_of_torque_leave_less_speed_and_more_margin(arm: Robot, stops: Stops) -> None:
    per_torque = np.array([0.0, 0.1, 0.25])
    jolts = Jolts(per_torque, full=1.0, memory=0.2, period=PERIOD)
    jolts.note(np.zeros(3))
    jolts.note(np.array([5.0, 1.0, -2.0]))
    np.testing.assert_allclose(jolts.speeds(np.array([5.0, 1.0, -1.0])), [0.0, 0.1, 0.75])
    assert 0.0 == jolts.agitation_before < jolts.agitation < 1.0
    x = moving(arm, HIGH, (0.0, 0.0, 2.9))
    torque = holding(arm, HIGH)
    stops.forget()
    calm = stops.after_torque(x, torque, 1.0)
    for sign in (1.0, -1.0) * 20:
        stops.note(torque + sign)
    agitated = stops.after_torque(x, torque, 1.0)
    assert calm.safe
    assert agitated.excess > calm.excess
    stops.forget()


def test_a_point_within_its_margin_has_to_leave(arm: Robot, stops: Stops) -> None:
    def resting(height: float) -> FloatArray:
        def above(q: float) -> float:
            return clearance(arm, moving(arm, np.array([1.0, q, -0.7]), (0.0, 0.0, 0.0))) - height

        return moving(arm, np.array([1.0, brentq(above, 0.1, 0.6), -0.7]), (0.0, 0.0, 0.0))

    stops.forget()
    assert stops.too_near(resting(0.001))
    assert not stops.too_near(resting(0.005))


def test_the_brake_takes_over_gradually(arm: Robot, stops: Stops) -> None:
    x = moving(arm, HIGH, (0.0, 0.0, 0.0))
    stops.forget()
    stop = stops.after_torque(x, holding(arm, HIGH) + np.array([0.0, 1.0, 0.0]), 1.0)
    later = stop.u[1:5, 1] - holding(arm, HIGH)[1]
    assert stop.offset[1] == pytest.approx(np.exp(-PERIOD / BrakeSettings().fade), abs=1e-6)
    assert stop.u[0, 1] - stop.u[1, 1] < 1.0
    assert abs(later[-1]) < 1.0


def test_the_certificate_sees_what_comes_after_the_torque(arm: Robot, stops: Stops) -> None:
    down = moving(arm, LOW, (0.0, -3.0, 0.0))
    up = moving(arm, HIGH, (0.0, 1.0, 0.0))
    torque = holding(arm, LOW)
    assert not stops.after_torque(down, torque, 1.0).safe
    assert stops.after_torque(up, holding(arm, HIGH), 1.0).safe


def test_a_roll_out_follows_the_integrator_and_the_given_torque(arm: Robot, stops: Stops) -> None:
    x, torque = moving(arm, HIGH, (0.3, 0.2, -0.2)), np.array([1.0, 3.0, 0.5])
    stop = stops.after_torque(x, torque, 1.0)
    expected = arm_chain(arm).step(x, torque, PERIOD, scheme="radau", substeps=1)
    assert np.array_equal(stop.u[0], torque)
    np.testing.assert_allclose(stop.x[1], expected, atol=1e-6)
    limits = arm.torque_limits
    assert (stop.u >= limits[:, 0]).all()
    assert (stop.u <= limits[:, 1]).all()


def test_a_state_that_is_not_finite_is_not_certified(arm: Robot, stops: Stops) -> None:
    x = moving(arm, HIGH, (0.0, 0.0, 0.0))
    x[3] = np.nan
    stop: Stop = stops.after_torque(x, holding(arm, HIGH), 1.0)
    assert stop.excess == np.inf
    assert not stop.safe


def test_what_is_left_of_a_plan() -> None:
    plan = StoppingPlan(np.array([0.004, 0.004, 0.014]), np.arange(9.0).reshape(3, 3))
    plan.pass_time(0.004)
    np.testing.assert_allclose(plan.left()[0], [0.004, 0.014])
    plan.pass_time(0.01)
    lengths, number = plan.left()
    np.testing.assert_allclose(lengths, [0.008])
    assert number == 2
    assert not plan.over
    plan.pass_time(0.008)
    assert plan.over


@pytest.mark.parametrize("kind", HOSTILITIES)
def test_hostile_controllers_do_no_harm(arm: Robot, kind: Any) -> None:
    plant = FlexiblePlant(load_robot("flexible-arm-10"), FlexiblePlantSettings())
    filtered = SafetyFilter(HostileController(kind, arm), arm)
    given = task(LOW)
    measurement = plant.reset(given)
    filtered.reset(given)
    for _ in range(50):
        measurement = plant.step(filtered.act(measurement))
        points = plant.points
        assert min(float(obstacle.distance(points).min()) for obstacle in arm.obstacles) > 0.0
    assert len(filtered.history) == 50


def test_without_verification_every_torque_is_optimised(arm: Robot) -> None:
    chosen = replace(SafetyFilterSettings(), verify=False, backup=False)
    filtered = SafetyFilter(Proposer(holding(arm, HIGH)), arm, chosen)
    torque = first(filtered)
    assert filtered.history[-1].solve_seconds > 0.0
    np.testing.assert_allclose(torque, holding(arm, HIGH), atol=1.0)


def test_the_published_filter_runs_on_one_segment() -> None:
    model = load_robot("flexible-arm-1")
    filtered = SafetyFilter(Proposer(np.array([0.0, 3.0, 0.8])), model, safety_preset("published"))
    assert np.isfinite(first(filtered)).all()


def test_settings_that_fit_nothing_are_refused(arm: Robot) -> None:
    with pytest.raises(SettingsError, match="margins"):
        CertificateSettings(margins=(np.nan,))
    with pytest.raises(SettingsError, match="proposed_weight"):
        SafetyFilterSettings(proposed_weight=0.0)
    slow = Proposer(np.zeros(3))
    slow.control_period = 0.05  # type: ignore[misc]
    with pytest.raises(SettingsError, match="control period"):
        SafetyFilter(slow, arm)
