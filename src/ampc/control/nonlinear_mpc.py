"""Nonlinear MPC of an arm with flexible links: estimator, reference, solver, and what replaces a plan."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.braking import Brake, LastPlan
from ampc.control.controller import StepRecord
from ampc.control.estimator import Estimate, ExtendedKalmanFilter, MeasurementError
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.reference_choice import Branch, ReferenceChoice
from ampc.control.stuck import StuckDetector
from ampc.errors import AmpcError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot
from ampc.solvers.optimal_control import NonlinearMPCSolver, OptimalControlProblem, Plan, Query
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.tasks.task import Task

LONGEST_SENSOR_GAP = 0.25
"""How long the model's prediction stands in for measurements before the arm brakes [s]."""

PLAN_ANEW_AFTER = 25
"""Successive failures after which the solver begins anew instead of going on from its last plan."""

MakeSolver = Callable[[OptimalControlProblem], NonlinearMPCSolver]


class NonlinearMPCController:
    """Brings the end effector of an arm with flexible links to its goal, clear of obstacles.

    At the first measurement it chooses the way to rest on the goal that is quickest and freest and solves the
    optimal control problem to convergence; from then on each period improves the plan by one iteration for
    the estimated state. References and model follow the estimated stiffness of the links, so that no steady
    error remains. If the arm comes to rest away from its goal, the next best way is tried.

    In the loop it never raises and never emits a non-finite torque; `last_step` says what went wrong:

    - without a plan in time, the last plan that keeps clear of the obstacles is followed, by feedback at the
      motors; when it is over, the arm brakes and is held; as soon as there is a plan again, it is taken;
    - without measurements the model's prediction is used, after `LONGEST_SENSOR_GAP` the arm brakes;
    - before the first measurement the torque is zero;
    - a goal out of reach is replaced by the nearest point where the arm can rest.
    """

    def __init__(
        self,
        robot: Robot,
        settings: NonlinearMPCControllerSettings | None = None,
        control_period: float = 0.004,
        make_solver: MakeSolver = RealTimeIteration,
    ) -> None:
        """Make a controller.

        Args:
            robot: The model that the controller believes in, such as the flexible arm with 3 segments.
            settings: Plan, estimator and limits.
            control_period: Time between two calls of `act` [s].
            make_solver: Makes the solver of the problem; called again for goals near obstacles, where margins
                are smaller.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors.
            SettingsError: The settings do not fit the robot.
            SolverError: The solver cannot be used.
        """
        self.name = "nonlinear MPC"
        self.control_period = control_period
        self._robot, self._settings = robot, settings or NonlinearMPCControllerSettings()
        self._make_solver = make_solver
        self._problem = OptimalControlProblem(robot, self._settings.problem)
        self._usual_solver = self._solver = make_solver(self._problem)
        self._filter = ExtendedKalmanFilter(robot, self._settings.estimator, control_period)
        self._choice = ReferenceChoice(robot, self._settings.route_margin)
        self._brake = Brake(robot)
        self._last_plan = LastPlan(self._problem, control_period)
        self._stuck = StuckDetector(self._settings.stuck, control_period)
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self.estimate: Estimate | None = None
        """What the estimator believed at the last step."""
        self.plan: Plan | None = None
        """What the solver returned at the last step; None where it was not asked or raised an error."""
        self.reference: FloatArray | None = None
        """Joint positions at rest that the arm is sent to (n,) [rad]; None before the first step."""
        self._forget()

    def _forget(self) -> None:
        self.estimate = self.plan = self.reference = None
        self._torque: FloatArray = np.zeros(self._robot.n_actuated)
        self._gravity = np.zeros(self._robot.n_actuated)
        self._branches: list[Branch] = []
        self._goal_fault = ""
        self._anew, self._failures, self._blind = True, 0, 0.0
        self._last_plan.forget()
        self._brake.release()
        self._stuck.forget()

    def reset(self, task: Task) -> None:
        """Take the task's goal; of the task nothing else is read."""
        self._forget()
        try:
            self._choice.take(task.goal)
        except AmpcError as error:
            self._goal_fault = f"the arm is held where it is: {error}"

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Take the torque that was sent in place of the last one, see `ObservesApplied`."""
        if np.isfinite(torque).all():
            self._torque = np.clip(torque, *self._robot.torque_limits.T)

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite and within the limits."""
        faults: list[str] = []
        self.plan = None
        self._last_plan.age()
        try:
            torque = self._decide(measurement, faults)
        except Exception as error:  # whatever happens, the arm must be left with a safe torque
            faults.append(f"the controller failed: {error or type(error).__name__}")
            torque = self._without_plan(faults)
        if not np.isfinite(torque).all():
            faults.append("torque is not finite: arm is held up as it was")
            torque = self._gravity
        self._torque = np.clip(torque, *self._robot.torque_limits.T)
        plan = self.plan
        self.last_step = StepRecord(
            command=self._torque.copy(),
            corrective_torque=self._torque - self._gravity,
            compensation_torque=self._gravity,
            status="fallback" if faults else "ok",
            reason="; ".join(faults),
            solve_seconds=0.0 if plan is None else plan.seconds,
            iterations=0 if plan is None else plan.iterations,
        )
        return self._torque.copy()

    def _decide(self, measurement: Measurement, faults: list[str]) -> FloatArray:
        estimate = self._estimate(measurement, faults)
        if estimate is None:
            return np.zeros_like(self._torque)
        self._gravity = self._brake.gravity_torque(estimate.q)
        if self._goal_fault:
            faults.append(self._goal_fault)
            return self._brake.torque(estimate.q, estimate.dq)
        if self._choice.objection:
            faults.append(self._choice.objection)
        if self._blind > LONGEST_SENSOR_GAP:
            faults.append("and has been missing for too long: braking")
            self._anew = True
            return self._brake.torque(estimate.q, estimate.dq)
        self._choose(estimate)
        self.plan = plan = self._solve(self._query(estimate))
        if not plan.usable:
            self._failures += 1
            if self._failures >= PLAN_ANEW_AFTER:
                self._anew, self._failures = True, 0
            faults.append(f"no new plan ({plan.reason or plan.status})")
            return self._without_plan(faults)
        self._anew, self._failures = False, 0
        self._last_plan.offer(plan)
        self._brake.release()
        return np.asarray(plan.u[0])

    def _estimate(self, measurement: Measurement, faults: list[str]) -> Estimate | None:
        if self.estimate is None:
            try:
                self.estimate = self._filter.reset(measurement)
            except MeasurementError as error:
                faults.append(f"zero torque: {error}")
            return self.estimate
        self.estimate = estimate = self._filter.step(self._torque, measurement)
        self._blind = 0.0 if estimate.n_used else self._blind + self.control_period
        if estimate.restarted:
            faults.append(f"estimator {estimate.restarted}")
        elif self._blind:
            faults.append("no measurement")
        return estimate

    def _choose(self, estimate: Estimate) -> None:
        """Choose a branch at the start, and another one if the arm is stuck."""
        motors = self._robot.actuated
        if not self._branches:
            self._branches = self._choice.branches(estimate.q[motors])
            self._prepare()
        distance = float(np.linalg.norm(estimate.end_effector - self._choice.goal))
        if self._stuck.update(distance, float(np.abs(estimate.dq[motors]).max())) and len(self._branches) > 1:
            self._branches.append(self._branches.pop(0))
            self._prepare()

    def _prepare(self) -> None:
        """Make the margins fit the branch and begin a new plan."""
        branch, settings = self._branches[0], self._settings
        self.reference = branch.reference
        usual = np.resize(
            [*settings.problem.margins, *[settings.problem.margins[-1]] * len(branch.clearance)],
            len(branch.clearance),
        )[:, None]
        least = np.minimum(usual, settings.nearest_margin)
        margins = np.clip(branch.clearance, least, usual)
        near = bool((margins < usual).any())
        self._solver = (
            self._make_solver(_with_margins(self._problem, margins)) if near else self._usual_solver
        )
        self._anew = True

    def _query(self, estimate: Estimate) -> Query:
        q = self._branches[0].at(estimate.stiffness_scale)
        return Query(
            x0=estimate.x,
            goal=self._choice.goal,
            x_ref=np.concatenate([q, np.zeros_like(q)]),
            u_ref=self._brake.gravity_torque(q),
            stiffness_scale=estimate.stiffness_scale,
        )

    def _solve(self, query: Query) -> Plan:
        if self._anew:
            self._solver.reset()
            return self._solver.converge(query)
        deadline = self._settings.deadline
        plan = self._solver.step(
            query,
            elapsed=self.control_period,
            iterations=self._settings.iterations,
            budget=np.inf if deadline is None else deadline,
        )
        if deadline is not None and plan.seconds > deadline:
            return replace(plan, status="failed", reason=f"it came {plan.seconds - deadline:.1e} s late")
        return plan

    def _without_plan(self, faults: list[str]) -> FloatArray:
        """Torque (m,) of the last plan or, without one, of braking."""
        if self.estimate is None:
            return np.zeros_like(self._torque)
        q, dq = self.estimate.q, self.estimate.dq
        at_hand = self._last_plan.at_hand(q)
        if at_hand is None:
            faults.append("braking")
            return self._brake.torque(q, dq)
        faults.append("following the last one")
        torque, position, velocity = at_hand
        return torque + self._brake.towards(q, dq, position, velocity)


def _with_margins(problem: OptimalControlProblem, margins: FloatArray) -> OptimalControlProblem:
    """The problem with the margin of each obstacle point from each obstacle (points, obstacles) [m]."""
    changed = OptimalControlProblem(problem.robot, problem.settings)
    for name in ("stage_limits", "terminal_limits"):
        limits = []
        for limit in getattr(changed, name):
            if limit.kind in ("distance", "approach"):
                margin = float(margins[limit.index, limit.obstacle])
                lower = margin if limit.kind == "distance" else limit.lower
                limit = replace(limit, lower=lower, margin=margin)
            limits.append(limit)
        setattr(changed, name, tuple(limits))
    return changed
