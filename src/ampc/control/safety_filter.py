"""A predictive safety filter: what is applied is a torque after which the arm can still stop safely.

Wabersich and Zeilinger, "A predictive safety filter for learning-based control of constrained nonlinear
dynamical systems", Automatica 129 (2021). docs/safety_filter.md has the argument and its assumptions.
"""

import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller, ObservesApplied, StepRecord
from ampc.control.estimator import Estimate, ExtendedKalmanFilter, MeasurementError
from ampc.control.safety_settings import SafetyFilterSettings
from ampc.control.stopping import StoppingPlan, Stops
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot, RobotDynamics
from ampc.solvers.optimal_control import OptimalControlProblem, Plan, Query
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.solvers.stop_rollout import Stop
from ampc.tasks.task import Task

Decision = Literal["passed", "modified", "backup", "uncertified"]

SAME_TORQUE = 1e-9
"""Difference of two torques that is none [N m]."""


@dataclass(frozen=True, slots=True, eq=False)
class FilterStep:
    """What the filter did in a step."""

    decision: Decision
    """``passed``: the proposed torque was certified and is applied untouched. ``modified``: the nearest one
    that the optimisation found and the certificate allows. ``backup``: a stop that is certified is followed.
    ``uncertified``: no known stop keeps all limits; the one that exceeds them least is followed."""
    proposed: FloatArray
    """Torque that the controller proposed (m,) [N m]; NaN where it proposed none."""
    applied: FloatArray
    """Torque that is applied (m,) [N m]."""
    reserve: float
    """What the applied torque's stop leaves of its limits at its tightest place, in units of 1 cm, 0.5 rad/s
    or 0.05 rad; negative where it is not certified, -inf without a roll-out."""
    slack: float
    """Excess over the certificate's limits, in the same units; 0 where it is certified."""
    seconds: float
    """Time of the filter without estimator and controller [s]."""
    solve_seconds: float = 0.0
    """Of it for the optimisation [s]."""
    reason: str = ""
    """Why the proposed torque was not optimised or the plan not taken."""

    @property
    def change(self) -> float:
        """Largest difference between applied and proposed torque [N m]; NaN where none was proposed."""
        return float(np.abs(self.applied - self.proposed).max())


class SafetyFilter:
    """Any controller, with torques from which a safe stop remains possible, whatever it proposes.

    In each step: if the proposed torque, held for a control period and followed by the brake, keeps all
    limits in a nonlinear roll-out, it is applied untouched. Otherwise a quadratic program finds the nearest
    torque that begins a plan to rest, and the roll-out of that plan is certified in the same way. Otherwise
    the stop that was certified before is followed: what is left of the last plan, or the brake.

    The filter has its own state estimator; it tells the controller which torque was applied. A controller
    that raises, stalls or proposes what is no finite torque is stopped.
    """

    def __init__(
        self,
        controller: Controller,
        robot: Robot,
        settings: SafetyFilterSettings | None = None,
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
        self._robot = robot
        self._problem = OptimalControlProblem(robot, settings.problem)
        if settings.verify and abs(self._problem.steps[0] - self.control_period) > 1e-9:
            raise SettingsError(
                f"the filter's first step is {self._problem.steps[0]:g} s, the control period of "
                f"{controller.name!r} {self.control_period:g} s; set problem.grid.lengths accordingly"
            )
        self._solver = RealTimeIteration(self._problem)
        self._stops = Stops(self._problem, settings, self.control_period)
        self._filter = ExtendedKalmanFilter(robot, settings.estimator, self.control_period)
        self._dynamics = RobotDynamics(robot)
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self.history: list[FilterStep] = []
        """What was done in the steps of the current task."""
        self._forget()

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
        self._stops.release()
        self._solver.reset()

    def reset(self, task: Task) -> None:
        """Forget the past; the controller takes the goal."""
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
                self._stops.release()
                return FilterStep("passed", proposed, proposed, -stop.excess, 0.0, 0.0)
        if fault:
            self._goes_on = False
            return self._back_up(x, scale, proposed, [], fault)
        return self._optimise(x, scale, proposed)

    def _optimise(self, x: FloatArray, scale: float, proposed: FloatArray) -> FilterStep:
        query, began = self._query(x, scale, proposed), time.perf_counter()
        budget = np.inf if self.settings.deadline is None else self.settings.deadline
        elapsed = self.control_period
        if not self._goes_on:
            self._begin_from_braking(x, scale)
            elapsed = 0.0
        plan = self._solver.step(query, elapsed=elapsed, iterations=self.settings.iterations, budget=budget)
        seconds, tried = plan.seconds, []
        for left in reversed(range(self.settings.further_iterations + 1)):
            if not plan.usable:
                break
            stop = self._stops.after_plan(x, plan.u, scale)
            if stop.safe or not self.settings.backup:
                return self._take(plan, stop, proposed, seconds)
            tried.append((stop.excess, plan.u[0].copy(), StoppingPlan(self._problem.steps, plan.u)))
            if left and time.perf_counter() - began < budget:
                plan = self._solver.step(query, elapsed=0.0, budget=budget)
                seconds += plan.seconds
        self._goes_on = plan.usable
        reason = plan.reason or "no plan was certified"
        return replace(self._back_up(x, scale, proposed, tried, reason), solve_seconds=seconds)

    def _begin_from_braking(self, x: FloatArray, scale: float) -> None:
        """Give the optimisation a stop to begin with: the proposed torque may lead anywhere."""
        stop, N = self._stops.at_once(x, scale), self._problem.horizon
        self._solver.reset()
        if np.isfinite(stop.excess) and len(stop.u) >= N:
            self._solver.take_up(stop.x[: N + 1], stop.u[:N])

    def _take(self, plan: Plan, stop: Stop, proposed: FloatArray, seconds: float) -> FilterStep:
        self._plan, self._goes_on = StoppingPlan(self._problem.steps, plan.u), True
        self._stops.release()
        torque = plan.u[0].copy()
        same = np.abs(torque - proposed).max() <= SAME_TORQUE
        decision: Decision = "uncertified" if not stop.safe else "passed" if same else "modified"
        slack = max(0.0, stop.excess)
        return FilterStep(decision, proposed, torque, -stop.excess, slack, 0.0, seconds)

    def _back_up(
        self,
        x: FloatArray,
        scale: float,
        proposed: FloatArray,
        tried: list[tuple[float, FloatArray, StoppingPlan]],
        reason: str,
    ) -> FilterStep:
        """Follow a certified stop or, if there is none, the one that exceeds the limits least."""
        stops: list[tuple[float, FloatArray, StoppingPlan | None]] = []
        if self._plan is not None and not self._plan.over:
            stop = self._stops.after_rest_of(self._plan, x, scale)
            stops.append((stop.excess, stop.u[0].copy(), self._plan))
        if not stops or stops[0][0] > 0.0:
            stop = self._stops.at_once(x, scale)
            stops.append((stop.excess, stop.u[0].copy(), None))
        excess, torque, plan = min([*stops, *tried], key=lambda each: each[0])
        self._plan = plan
        if plan is None:
            self._stops.braked(x)
        else:
            self._stops.release()
        if not np.isfinite(torque).all():
            torque, excess = self._gravity(x), np.inf
        decision: Decision = "backup" if excess <= 0.0 else "uncertified"
        return FilterStep(decision, proposed, torque, -excess, max(0.0, excess), 0.0, reason=reason)

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
            proposed_weight=self.settings.proposed_weight,
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
