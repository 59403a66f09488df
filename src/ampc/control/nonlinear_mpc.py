"""Nonlinear MPC of an arm with flexible links: the solver, and what replaces a plan."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.braking import LastPlan
from ampc.control.estimator import Estimate
from ampc.control.flexible_arm_controller import FlexibleArmController
from ampc.control.gravity import gravity_derivative
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.reference_choice import Branch
from ampc.control.situation import Situation
from ampc.errors import SolverError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot
from ampc.solvers.optimal_control import NonlinearMPCSolver, OptimalControlProblem, Plan, Query
from ampc.solvers.real_time_iteration import RealTimeIteration

GOAL_ROOM = 0.003
"""How much further from an obstacle than the margin the end effector's goal should be [m]: noise moves it."""

PLAN_ANEW_AFTER = 25
"""Successive failures after which the solver begins anew instead of going on from its last plan."""

OLDEST_PLAN = 0.1
"""Age of the last plan from which the solver begins anew instead of going on from it [s]."""

MakeSolver = Callable[[OptimalControlProblem], NonlinearMPCSolver]


class NonlinearMPCController(FlexibleArmController):
    """Plans the way of the end effector to its goal, clear of obstacles, see `FlexibleArmController`.

    At the first measurement the optimal control problem is solved to convergence; from then on each period
    improves the plan by an iteration for the estimated state. References and model follow the estimated
    stiffness of the links, so that no steady error remains.

    Without a plan in time, the last plan that keeps clear of the obstacles is followed, by feedback at the
    motors; when it is over, the arm brakes and is held; as soon as there is a plan again, it is taken.
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
        self._settings = settings or NonlinearMPCControllerSettings()
        self._make_solver, self._period = make_solver, control_period
        self._pose(robot)
        self.plan: Plan | None = None
        """What the solver returned at the last step; None where it was not asked or raised an error."""
        super().__init__("nonlinear MPC", robot, self._settings.guidance, control_period)

    def _pose(self, robot: Robot) -> None:
        """Pose the problem for a robot."""
        self._problem = OptimalControlProblem(robot, self._settings.problem)
        self._usual_solver = self._solver = self._make_solver(self._problem)
        self._last_plan = LastPlan(self._problem, self._period)

    def _surround(self, robot: Robot) -> None:
        super()._surround(robot)
        self._pose(robot)

    def _forget(self) -> None:
        super()._forget()
        self.plan = None
        self._anew, self._failures, self._age = True, 0, 0.0
        self._last_plan.forget()

    def _perceive(self, measurement: Measurement, faults: list[str]) -> Situation | None:
        self.plan = None
        self._age += self.control_period
        self._last_plan.age()
        return super()._perceive(measurement, faults)

    def _torque_for(self, estimate: Estimate, situation: Situation, faults: list[str]) -> FloatArray | None:
        self._anew = self._anew or self._age > OLDEST_PLAN
        self.plan = plan = self._solve(self._query(estimate, situation))
        if not plan.usable:
            self._failures += 1
            if self._failures >= PLAN_ANEW_AFTER:
                self._anew, self._failures = True, 0
            faults.append(f"no new plan ({plan.reason or plan.status})")
            return None
        if self._anew:
            self._since_start = 0.0
        self._anew, self._failures = False, 0
        self._last_plan.offer(plan)
        return np.asarray(plan.u[0])

    def _fallback(self, estimate: Estimate, faults: list[str]) -> FloatArray:
        """Torque (m,) of the last plan or, without one, of braking."""
        at_hand = self._last_plan.at_hand(estimate.x)
        if at_hand is None:
            return super()._fallback(estimate, faults)
        faults.append("following the last one")
        torque, planned = at_hand
        return torque + self._brake.feedback(estimate.x, planned)

    def _note(self, torque: FloatArray, faults: list[str]) -> None:
        super()._note(torque, faults)
        if self.plan is not None:
            self.last_step = replace(
                self.last_step, solve_seconds=self.plan.seconds, iterations=self.plan.iterations
            )

    def _begin(self, branch: Branch, estimate: Estimate) -> None:
        """Make the margins fit the branch and begin a new plan."""
        super()._begin(branch, estimate)
        settings = self._settings
        usual = np.resize(
            [*settings.problem.margins, *[settings.problem.margins[-1]] * len(branch.clearance)],
            len(branch.clearance),
        )[:, None]
        least = np.minimum(usual, settings.nearest_margin)
        margins = np.clip(branch.clearance - GOAL_ROOM, least, usual)
        near = bool((margins < usual).any())
        self._solver = (
            self._make_solver(_with_margins(self._problem, margins)) if near else self._usual_solver
        )
        self._anew = True

    def derivative(self) -> FloatArray | None:
        """Derivative of the last command by the estimated positions and velocities (m, 2n); None without it.

        That of the plan's Gauss-Newton approximation, in which limits that are met stay met; the plan is
        brought to convergence for it.

        Raises:
            SolverError: The solver is none that knows derivatives.
        """
        estimate, situation, solver = self.estimate, self._situation, self._solver
        if not isinstance(solver, RealTimeIteration):
            raise SolverError("only the real-time iteration has derivatives of its plans")
        if self.plan is None or not self.plan.usable or estimate is None or situation is None:
            return None
        query = self._query(estimate, situation)
        try:
            if not solver.converge(query).usable:
                return None
            gain = solver.sensitivities(query, exact=False).x0
        except SolverError:  # it is no strict minimum, such as where two ways are equally good
            return None
        gain[:, : len(estimate.q)] -= gravity_derivative(self._brake.gravity_torque, estimate.q)
        return gain

    def _query(self, estimate: Estimate, situation: Situation) -> Query:
        q = situation.reference
        return Query(
            x0=estimate.x,
            goal=situation.goal,
            x_ref=np.concatenate([q, np.zeros_like(q)]),
            u_ref=self._brake.gravity_torque(q),
            stiffness_scale=estimate.stiffness_scale,
        )

    def _solve(self, query: Query) -> Plan:
        elapsed, self._age = self._age, 0.0
        if self._anew:
            self._solver.reset()
            return self._solver.converge(query)
        deadline = self._settings.deadline
        plan = self._solver.step(
            query,
            elapsed=elapsed,
            # A plan that has to move on further than usual, since it was not asked for, needs another one.
            iterations=self._settings.iterations + int(elapsed > 1.5 * self.control_period),
            budget=np.inf if deadline is None else deadline,
        )
        if deadline is not None and plan.seconds > deadline:
            return replace(plan, status="failed", reason=f"it came {plan.seconds - deadline:.1e} s late")
        return plan


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
