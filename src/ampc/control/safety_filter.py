"""A predictive safety filter: what is applied is a torque after which the arm can still stop safely.

Wabersich and Zeilinger, "A predictive safety filter for learning-based control of constrained nonlinear
dynamical systems", Automatica 129 (2021). docs/safety_filter.md has the argument and its assumptions.
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller, ObservesApplied, StepRecord
from ampc.control.estimator import Estimate, ExtendedKalmanFilter, MeasurementError
from ampc.control.filter_step import Decision, FilterStep
from ampc.control.safety_settings import SafetyFilterSettings
from ampc.control.stopping import StoppingPlan, Stops
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics
from ampc.solvers.optimal_control import OptimalControlProblem, Query
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.solvers.stop_rollout import Stop
from ampc.tasks.obstacles import among
from ampc.tasks.task import Task

LEAVING = 0.1
"""Factor on the weight of what is proposed while a point has to leave an obstacle."""
SAME_TORQUE = 1e-9
"""Difference of two torques that is none [N m]."""


class SafetyFilter:
    """Any controller, with torques from which a safe stop remains possible, whatever it proposes.

    In each step: if the proposed torque, held for a control period and followed by the brake, keeps all
    limits in a nonlinear roll-out, it is applied untouched. Otherwise a quadratic program finds the nearest
    torque that begins a plan to rest, and that torque, followed by the brake, is certified in the same way.
    Otherwise the arm brakes, as was certified before. Plans themselves are followed only where the brake
    would not do.

    The filter has its own state estimator; it tells the controller which torque was applied. A controller
    that raises, stalls or proposes what is no finite torque is stopped.
    """

    def __init__(
        self, controller: Controller, robot: Robot, settings: SafetyFilterSettings | None = None
    ) -> None:
        """Put a filter around a controller.

        Args:
            controller: What proposes torques.
            robot: The model that the filter believes in, with limits and obstacles.
            settings: What is safe, and how it is ensured.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain.
            SettingsError: The settings do not fit robot or controller.
            SolverError: The compiled library cannot be used.
        """
        self.controller = controller
        self.name, self.control_period = f"{controller.name} + filter", controller.control_period
        self.settings = settings = settings or SafetyFilterSettings()
        self._alone = robot
        self._surround(robot)
        if settings.verify and abs(self._problem.steps[0] - self.control_period) > 1e-9:
            raise SettingsError(
                f"the filter's first step is {self._problem.steps[0]:g} s, the control period of "
                f"{controller.name!r} {self.control_period:g} s; set problem.grid.lengths accordingly"
            )
        self._filter = ExtendedKalmanFilter(robot, settings.estimator, self.control_period)
        self._dynamics = RobotDynamics(robot)
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self.history: list[FilterStep] = []
        """What was done in the steps of the current task."""
        self._forget()

    def _surround(self, robot: Robot) -> None:
        """Take the robot among its obstacles, with limits that keep it off them."""
        self._robot = robot
        self._problem = OptimalControlProblem(robot, self.settings.problem)
        self._solver = RealTimeIteration(self._problem)
        self._stops = Stops(self._problem, self.settings, self.control_period)

    @property
    def reference(self) -> FloatArray | None:
        """Joint reference of the controller (n,) [rad]; None if it has none."""
        return getattr(self.controller, "reference", None)

    def _forget(self) -> None:
        self.history = []
        self.estimate: Estimate | None = None
        self._applied: FloatArray = np.zeros(self._robot.n_actuated)
        self._plan: StoppingPlan | None = None
        self._goes_on = False
        self._goal = np.zeros(3)
        self._stops.forget()
        self._solver.reset()

    def reset(self, task: Task) -> None:
        """Forget the past, take a task's own obstacles, which raises TaskError unless they fit the robot."""
        robot = among(self._alone, task)
        if robot is not self._robot:
            self._surround(robot)
        self._forget()
        self._goal = np.asarray(task.goal, dtype=np.float64)
        self.controller.reset(task)

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite and within the limits."""
        proposed, fault = self._ask(measurement)
        estimate = self._estimate(measurement)
        began = time.perf_counter()
        if estimate is None:
            step = FilterStep("uncertified", proposed, np.zeros_like(proposed), -np.inf, 0.0, 0.0)
        else:
            step = self._decide(estimate, proposed, fault)
        step = replace(step, seconds=time.perf_counter() - began)
        self._applied = step.applied
        self._stops.note(step.applied)
        self._note(step, fault)
        return step.applied.copy()

    def _ask(self, measurement: Measurement) -> tuple[FloatArray, str]:
        """The controller's torque within the limits, NaN with a reason where it has none."""
        m = self._robot.n_actuated
        try:
            torque = np.asarray(self.controller.act(measurement), dtype=np.float64)
        except Exception as error:  # whatever a controller does, the arm must be left with a safe torque
            return np.full(m, np.nan), f"the controller failed: {error or type(error).__name__}"
        if torque.shape != (m,) or not np.isfinite(torque).all():
            return np.full(m, np.nan), "the controller proposed no finite torque"
        return np.clip(torque, *self._robot.torque_limits.T), ""

    def _estimate(self, measurement: Measurement) -> Estimate | None:
        try:
            if self.estimate is None:
                self.estimate = self._filter.reset(measurement)
            else:
                self.estimate = self._filter.step(self._applied, measurement)
        except MeasurementError:
            return None
        return self.estimate

    def _decide(self, estimate: Estimate, proposed: FloatArray, fault: str) -> FilterStep:
        x, scale = estimate.x, estimate.stiffness_scale
        if self._plan is not None:
            self._plan.pass_time(self.control_period)
        if self.settings.verify and not fault:
            stop = self._stops.after_torque(x, proposed, scale)
            if stop.safe:
                self._plan, self._goes_on = None, False
                self._stops.follow(stop.offset.copy())
                excess = max(stop.excess, stop.beyond)
                return FilterStep("passed", proposed, proposed, -excess, max(0.0, excess), 0.0)
        if fault:
            self._goes_on = False
            return self._back_up(x, scale, proposed, [], fault)
        return self._optimise(x, scale, proposed)

    def _optimise(self, x: FloatArray, scale: float, proposed: FloatArray) -> FilterStep:
        query, began, elapsed = self._query(x, scale, proposed), time.perf_counter(), self.control_period
        budget = np.inf if self.settings.deadline is None else self.settings.deadline
        if not self._goes_on:
            self._begin_from_stop(x, scale)
            elapsed = 0.0
        plan = self._solver.step(query, elapsed=elapsed, iterations=self.settings.iterations, budget=budget)
        seconds, plans = plan.seconds, []
        for left in reversed(range(self.settings.further_iterations + 1)):
            if not plan.usable:
                break
            stop = self._stops.after_torque(x, plan.u[0], scale)
            if stop.safe or not self.settings.backup:
                self._goes_on = True
                return self._take(self._option(stop, None), x, proposed, "modified", seconds)
            plans.append(StoppingPlan(self._problem.steps, plan.u))
            if left and time.perf_counter() - began < budget:
                # What was proposed leads nowhere: near the torque that acts there are no jolts.
                query = replace(query, proposed=self._applied)
                plan = self._solver.step(query, elapsed=0.0, budget=budget)
                seconds += plan.seconds
        self._goes_on = False
        reason = plan.reason or "no plan was certified"
        return replace(self._back_up(x, scale, proposed, plans, reason), solve_seconds=seconds)

    def _begin_from_stop(self, x: FloatArray, scale: float) -> None:
        """Give the optimisation a stop to begin with: the proposed torque may lead anywhere."""
        self._solver.reset()
        torques = self._stops.torques_of_stop(self._plan, x, scale)
        if torques is not None and (rollout := self._solver.rollout(x, torques, scale)).finished:
            self._solver.take_up(rollout.x, torques)

    def _back_up(
        self, x: FloatArray, scale: float, proposed: FloatArray, plans: list[StoppingPlan], reason: str
    ) -> FilterStep:
        """Brake if that is certified; otherwise follow the plan, or brake, that leaves most of the limits."""
        brake = self._option(self._stops.at_once(x, scale), None, braking=True)
        if brake.excess <= 0.0:
            if np.isfinite(proposed).all():
                between = self._search(x, scale, brake.torque, proposed)
                if between is not None:
                    return replace(self._take(between, x, proposed, "modified"), reason=reason)
            return replace(self._take(brake, x, proposed, "backup"), reason=reason)
        options = [brake]
        if self._plan is not None and not self._plan.over:
            options.append(self._option(self._stops.after_rest_of(self._plan, x, scale), self._plan))
        options += [self._option(self._stops.after_plan(x, plan.torques, scale), plan) for plan in plans]
        best = min(options, key=lambda option: option.excess)
        if not np.isfinite(best.torque).all():
            best = _Option(np.inf, best.beyond, self._gravity(x), np.zeros_like(self._applied), None)
        return replace(self._take(best, x, proposed, "backup"), reason=reason)

    def _search(
        self, x: FloatArray, scale: float, safe: FloatArray, proposed: FloatArray
    ) -> "_Option | None":
        """The certified torque nearest to the proposed one on the way there from a safe one, by bisection."""
        found, low, high = None, 0.0, 1.0
        for _ in range(self.settings.bisections):
            share = 0.5 * (low + high)
            stop = self._stops.after_torque(x, safe + share * (proposed - safe), scale)
            if stop.safe:
                low, found = share, self._option(stop, None)
            else:
                high = share
        return found

    def _take(
        self, option: "_Option", x: FloatArray, proposed: FloatArray, decision: Decision, seconds: float = 0.0
    ) -> FilterStep:
        """Apply the first torque of a stop, and keep the rest."""
        self._plan = option.plan
        self._stops.follow(option.offset, braking_at=x if option.braking else None)
        if option.excess > 0.0:
            decision = "uncertified"
        elif np.abs(option.torque - proposed).max() <= SAME_TORQUE:
            decision = "passed"
        excess = max(option.excess, option.beyond)
        return FilterStep(decision, proposed, option.torque, -excess, max(0.0, excess), 0.0, seconds)

    def _option(self, stop: Stop, plan: StoppingPlan | None, *, braking: bool = False) -> "_Option":
        torque, offset = stop.u[0].copy(), stop.offset.copy()
        return _Option(stop.excess, stop.beyond, torque, offset, plan, braking)

    def _query(self, x: FloatArray, scale: float, proposed: FloatArray) -> Query:
        n = self._robot.n_joints
        reference = self.reference
        if reference is None or reference.shape != (n,) or not np.isfinite(reference).all():
            reference = x[:n]
        return Query(
            x0=x,
            goal=self._goal,
            x_ref=np.concatenate([reference, np.zeros(n)]),
            u_ref=self._gravity(x),
            stiffness_scale=scale,
            proposed=proposed,
            proposed_weight=self.settings.proposed_weight * (LEAVING if self._stops.too_near(x) else 1.0),
        )

    def _gravity(self, x: FloatArray) -> FloatArray:
        """Torque of the motors against gravity (m,) [N m], within the limits."""
        n = self._robot.n_joints
        still = np.zeros(n)
        torque = self._dynamics.inverse_dynamics(x[:n], still, still)[self._robot.actuated]
        return np.asarray(np.clip(torque, *self._robot.torque_limits.T))

    def _note(self, step: FilterStep, fault: str) -> None:
        """Write down what this step did, and tell the controller."""
        self.history.append(step)
        record = StepRecord(step.applied, step.applied, np.zeros_like(step.applied)) if fault else None
        record = record or self.controller.last_step
        command = record.command
        if step.decision != "passed":
            command = step.applied - record.compensation_torque
            stopped = step.decision in ("backup", "uncertified")
            record = replace(
                record,
                command=command,
                corrective_torque=command,
                status="fallback" if stopped else record.status,
                reason="; ".join(filter(None, (record.reason, fault, step.reason)))
                if stopped
                else record.reason,
            )
            if isinstance(self.controller, ObservesApplied):
                self.controller.observe_applied(step.applied, command)
        self.last_step = replace(record, solve_seconds=record.solve_seconds + step.solve_seconds)


@dataclass(frozen=True, slots=True, eq=False)
class _Option:
    """A stop that could be followed."""

    excess: float
    beyond: float
    torque: FloatArray
    offset: FloatArray
    plan: StoppingPlan | None
    """What it begins with; None for the brake, or a torque before it."""
    braking: bool = False
