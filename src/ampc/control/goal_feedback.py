"""What the nonlinear MPC does near rest on a goal: its derivative there."""

from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.braking import Brake
from ampc.control.gravity import gravity_derivative
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.reference_choice import ReferenceChoice
from ampc.control.situation import Situation, StateWriter
from ampc.errors import SolverError
from ampc.robots import Robot
from ampc.solvers.optimal_control import OptimalControlProblem, Query
from ampc.solvers.real_time_iteration import RealTimeIteration
from ampc.tasks.obstacles import among
from ampc.tasks.task import Task


@dataclass(frozen=True, eq=False)
class GoalFeedback:
    """Command of the expert near rest on a goal: zero there, to first order ``gain @ (x - x_ref)``."""

    situation: Situation
    """At rest on the goal."""
    gain: FloatArray
    """Derivative of the torque on top of that against gravity by the state [q, dq] (m, 2n)."""


class GoalExpert:
    """The nonlinear MPC, asked about arms that rest on their goals.

    Limits are not met there, so margins make no difference and are left out: one solver serves all goals.
    """

    def __init__(
        self, robot: Robot, settings: NonlinearMPCControllerSettings, control_period: float = 0.004
    ) -> None:
        """Prepare the solver.

        Args:
            robot: The model that the expert believes in.
            settings: Those of the expert.
            control_period: Time between two steps of the expert [s].

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors.
            SolverError: The solver cannot be used.
        """
        problem = OptimalControlProblem(robot, settings.problem)
        for name in ("stage_limits", "terminal_limits"):
            free = [each for each in getattr(problem, name) if each.kind not in ("distance", "approach")]
            setattr(problem, name, tuple(free))
        self._alone, self._robot, self._solver = robot, robot, RealTimeIteration(problem)
        self._route_margin = settings.route_margin
        self._choice = ReferenceChoice(robot, settings.route_margin)
        self._brake, self._writer = Brake(robot, control_period), StateWriter(robot)

    def feedback(self, task: Task) -> GoalFeedback:
        """Derivative at rest on a task's goal, in the way that is chosen from its start, for its stiffness.

        Raises:
            TaskError: The goal is not three finite numbers, or the task's obstacles are not those of the
                robot by number and names.
            SolverError: There is no plan.
        """
        robot = among(self._alone, task)
        if robot is not self._robot:
            self._robot, self._writer = robot, StateWriter(robot)
            self._choice = ReferenceChoice(robot, self._route_margin)
        self._choice.take(task.goal)
        scale = task.variation.stiffness_scale
        q = self._choice.branches(task.start)[0].at(scale)
        rest = np.zeros_like(q)
        x, gravity = np.concatenate([q, rest]), self._brake.gravity_torque(q)
        query = Query(x, self._choice.goal, x, gravity, scale)
        self._solver.reset()
        plan = self._solver.converge(query)
        if not plan.usable:
            raise SolverError(f"no plan for an arm at rest on {task.goal}: {plan.reason or plan.status}")
        gain = self._solver.sensitivities(query, exact=False).x0
        gain[:, : len(q)] -= gravity_derivative(self._brake.gravity_torque, q)
        state = self._writer.written(q, rest, scale)
        return GoalFeedback(Situation(state, q, self._choice.goal.copy()), gain)
