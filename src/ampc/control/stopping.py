"""Stops of an arm: braking after a torque, a plan, what is left of one; and what certifies them."""

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain.statics import rest_shape
from ampc.control.rest_feedback import rest_gain
from ampc.control.safety_settings import CertificateSettings, SafetyFilterSettings
from ampc.robots import RobotDynamics
from ampc.solvers.optimal_control import OptimalControlProblem
from ampc.solvers.real_time_iteration_library import Layout
from ampc.solvers.stop_rollout import BrakeLaw, PreparedStop, Stop, StopLimits, StopRollout, steps_of

DISTANCE, SPEED, POSITION = 0.01, 0.5, 0.05
"""Excess over a limit that counts as 1, where stops that are not safe are compared [m, rad/s, rad]."""


class Stops:
    """Rolls out and judges the stops of one loop."""

    def __init__(
        self, problem: OptimalControlProblem, settings: SafetyFilterSettings, control_period: float
    ) -> None:
        """Prepare brake and limits.

        Raises:
            SolverError: The compiled library is missing or old.
        """
        law = brake_law(problem, settings, control_period)
        self._rollout = StopRollout(problem, law, stop_limits(problem, settings.certificate))
        brake, tail = settings.certificate.brake, settings.certificate.tail
        self._scheme = brake.scheme
        self._tail = steps_of(tail)
        self._plan_substeps = problem.substeps
        one = np.array([control_period]), problem.substeps[:1]
        self._one = self._prepare(one, steps_of(brake))
        self._after_plan = self._prepare((problem.steps, problem.substeps), self._tail)
        self._motors = problem.robot.actuated
        self._stopped = law.stopped
        self.held: FloatArray | None = None
        """Where the braking motors are held (m,) [rad]; None while they are not."""

    def after_torque(self, x: FloatArray, torque: FloatArray, scale: float) -> Stop:
        """A torque (m,) for one control period, then the brake."""
        return self._rollout.run(self._one, x, torque[None], scale)

    def after_plan(self, x: FloatArray, torques: FloatArray, scale: float) -> Stop:
        """The torques (N, m) of a plan, then the brake."""
        return self._rollout.run(self._after_plan, x, torques, scale)

    def after_rest_of(self, plan: "StoppingPlan", x: FloatArray, scale: float) -> Stop:
        """What is left of a plan, then the brake."""
        lengths, first = plan.left()
        prepared = self._prepare((lengths, self._plan_substeps[first:]), self._tail)
        return self._rollout.run(prepared, x, plan.torques[first:], scale)

    def at_once(self, x: FloatArray, scale: float) -> Stop:
        """The brake alone, held where it is held."""
        return self._rollout.run(self._one, x, np.zeros((0, len(self._motors))), scale, self.held)

    def braked(self, x: FloatArray) -> None:
        """The brake's torque was applied at a state (2n,): slow motors are held from now on."""
        n = len(x) // 2
        if self.held is None and np.abs(x[n + self._motors]).max() < self._stopped:
            self.held = x[self._motors].copy()

    def release(self) -> None:
        """The brake is not applied any more."""
        self.held = None

    def _prepare(self, first: tuple[FloatArray, IntArray], then: tuple[FloatArray, IntArray]) -> PreparedStop:
        lengths = np.concatenate([first[0], then[0]])
        substeps = np.concatenate([first[1], then[1]])
        return self._rollout.prepare(lengths, substeps, self._scheme)


class StoppingPlan:
    """A certified plan as time goes on."""

    def __init__(self, steps: FloatArray, torques: FloatArray) -> None:
        """Take the torques (N, m) of steps (N,) [s]."""
        self._ends, self.torques = np.cumsum(steps), torques.copy()
        self._time = 0.0

    def pass_time(self, seconds: float) -> None:
        """Time went on."""
        self._time += seconds

    @property
    def over(self) -> bool:
        """Whether nothing of it is left."""
        return bool(self._time >= self._ends[-1] - 1e-9)

    def left(self) -> tuple[FloatArray, int]:
        """Lengths of the steps that are left, the first one cut short [s], and the number of that step."""
        first = int(np.searchsorted(self._ends, self._time + 1e-9, side="right"))
        ends = self._ends[first:] - self._time
        return np.diff(ends, prepend=0.0), first


def brake_law(
    problem: OptimalControlProblem, settings: SafetyFilterSettings, control_period: float
) -> BrakeLaw:
    """The velocity part of the LQR about the robot's home, with the motors' position part for holding.

    A regulator of the model sampled as slowly as roll-outs hold its torque, so that they do not oscillate;
    and of a sampled one, since damping that knows of the links only as an inertia would shake
    them: the piece of a strip next to its motor weighs next to nothing.
    """
    robot = problem.robot
    n, motors = robot.n_joints, robot.actuated
    shape = rest_shape(problem.chain, robot.home[motors])
    certificate = settings.certificate
    longest = max(control_period, *certificate.brake.lengths, *certificate.tail.lengths)
    gain = rest_gain(problem.chain, RobotDynamics(robot), shape, longest, settings.brake_weights)
    return BrakeLaw(gain[:, n:], np.diag(gain[:, motors]).copy(), settings.stopped)


def stop_limits(problem: OptimalControlProblem, certificate: CertificateSettings) -> StopLimits:
    """The certificate in the columns of the problem's layout.

    Speeds and positions of joints, distances of points; at the end also rest and the speed of points.
    """
    layout, robot = Layout(problem), problem.robot
    lower, upper = np.full(layout.width, -np.inf), np.full(layout.width, np.inf)
    first_lower, first_upper = lower.copy(), upper.copy()
    last_lower, last_upper = lower.copy(), upper.copy()
    growth, largest, unit = np.zeros(layout.width), np.zeros(layout.width), np.full(layout.width, np.inf)
    for limit in {*problem.stage_limits, *problem.terminal_limits}:
        column = layout.column(limit)
        if limit.kind == "velocity":
            unit[column] = SPEED
            if limit.index in robot.actuated:
                most = robot.velocity_limits[limit.index]
                upper[column] = certificate.brake_speed_factor * most
                first_upper[column] = certificate.speed_factor * most
                lower[column], first_lower[column] = -upper[column], -first_upper[column]
            last_lower[column], last_upper[column] = -certificate.rest_speed, certificate.rest_speed
        elif limit.kind == "position":
            unit[column] = POSITION
            lower[column], upper[column] = limit.lower, limit.upper
        else:
            unit[column] = DISTANCE if limit.kind == "distance" else SPEED
            margin = certificate.margins[min(limit.index, len(certificate.margins) - 1)]
            if limit.kind == "distance":
                lower[column] = margin
                growth[column], largest[column] = certificate.growth, certificate.largest_growth
            else:
                last_lower[column] = limit.slope * (margin - limit.margin)
    return StopLimits(lower, upper, first_lower, first_upper, last_lower, last_upper, growth, largest, unit)
