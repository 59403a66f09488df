"""Stops of an arm: braking after a torque, a plan, what is left of one; and what certifies them."""

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.control.brake_law import brake_law
from ampc.control.jolts import jolts_of
from ampc.control.safety_settings import CertificateSettings, SafetyFilterSettings
from ampc.solvers.optimal_control import OptimalControlProblem
from ampc.solvers.real_time_iteration_library import Layout
from ampc.solvers.stop_rollout import PreparedStop, Stop, StopLimits, StopRollout, steps_of

DISTANCE, SPEED, POSITION = 0.01, 0.5, 0.05
"""Excess over a limit that counts as 1, where stops that are not safe are compared [m, rad/s, rad]."""


LEAVE = 0.75
"""Share of its margin below which a point has to leave an obstacle, whatever is proposed."""
LARGEST_JOLT = 0.5
"""Share of a speed limit that is kept free for the jolt of a torque at most."""


class Stops:
    """Rolls out and judges the stops of one loop."""

    def __init__(
        self, problem: OptimalControlProblem, settings: SafetyFilterSettings, control_period: float
    ) -> None:
        """Prepare brake and limits.

        Raises:
            SolverError: The compiled library is missing or old.
        """
        certificate = settings.certificate
        longest = max(control_period, *certificate.brake.lengths, *certificate.tail.lengths)
        law = brake_law(problem.chain, problem.robot, settings.brake, longest)
        self._rollout = StopRollout(problem, law)
        self._limits, self._kept = stop_limits(problem, certificate)
        self._share = certificate.kept
        self._calm, self._agitated = _margins(problem, certificate)
        columns = _columns(problem)
        self._distances, self._speeds = columns["distance"], columns["velocity"]
        limited = problem.robot.velocity_limits[problem.robot.actuated] < np.inf
        self._jolted = np.flatnonzero(limited)
        self._jolts = jolts_of(certificate, problem.robot.n_actuated, control_period)
        self._scheme, self._period = certificate.brake.scheme, control_period
        self._tail = steps_of(certificate.tail)
        self._times, self._plan_substeps = problem.times, problem.substeps
        one = np.array([control_period]), problem.substeps[:1]
        self._one = self._prepare(one, steps_of(certificate.brake), self._limits, 1)
        self._at_once = self._prepare(one, steps_of(certificate.brake), self._kept)
        self._after_plan = self._prepare(
            (problem.steps, problem.substeps), self._tail, self._limits, problem.horizon
        )
        self._motors = problem.robot.actuated
        self._chain, self._obstacles = problem.chain, problem.robot.obstacles
        self._nothing = np.zeros((0, len(self._motors)))
        self._stopped = law.stopped
        self.forget()

    def forget(self) -> None:
        """Nothing was applied yet."""
        self.held: FloatArray | None = None
        """Where the braking motors are held (m,) [rad]; None while they are not."""
        self._offset: FloatArray | None = None
        self._jolts.forget()

    def note(self, torque: FloatArray) -> None:
        """This torque (m,) [N m] is applied in this control period, whatever it came from."""
        self._jolts.note(torque)

    def after_torque(self, x: FloatArray, torque: FloatArray, scale: float) -> Stop:
        """A torque (m,) for one control period, then the brake."""
        self._tighten(self._one, torque)
        return self._rollout.run(self._one, x, torque[None], scale)

    def after_plan(self, x: FloatArray, torques: FloatArray, scale: float) -> Stop:
        """The torques (N, m) of a plan, then the brake."""
        self._tighten(self._after_plan, torques[0])
        return self._rollout.run(self._after_plan, x, torques, scale)

    def after_rest_of(self, plan: "StoppingPlan", x: FloatArray, scale: float) -> Stop:
        """What is left of a plan, then the brake."""
        return self._follow_on(plan, x, scale)[0]

    def at_once(self, x: FloatArray, scale: float) -> Stop:
        """The brake alone, held where it is held."""
        return self._brake(x, scale)[0]

    def torques_of_stop(self, plan: "StoppingPlan | None", x: FloatArray, scale: float) -> FloatArray | None:
        """A stop, what is left of a plan if there is one, by its mean torques in the problem's steps (N, m).

        None where it cannot be integrated.
        """
        going_on = plan is not None and not plan.over
        stop, lengths = self._follow_on(plan, x, scale) if plan and going_on else self._brake(x, scale)
        if not np.isfinite(stop.excess):
            return None
        times = np.concatenate([[0.0], np.cumsum(lengths[: len(stop.u)]), [np.inf]])
        times[-1] = max(times[-2], self._times[-1]) + self._period
        torques = np.vstack([stop.u, stop.u[-1:]])
        impulse = np.vstack(
            [np.zeros(len(self._motors)), np.cumsum(torques * np.diff(times)[:, None], axis=0)]
        )
        at_nodes = np.column_stack([np.interp(self._times, times, each) for each in impulse.T])
        return np.asarray(np.diff(at_nodes, axis=0) / np.diff(self._times)[:, None])

    def _follow_on(self, plan: "StoppingPlan", x: FloatArray, scale: float) -> tuple[Stop, FloatArray]:
        """The roll-out, and the lengths of its steps (K,) [s]."""
        lengths, first = plan.left()
        torques, substeps = plan.torques[first:], self._plan_substeps[first:]
        if lengths[0] > self._period + 1e-9:  # a jolt that is over at the end of a long step is seen in it
            lengths = np.concatenate([[self._period, lengths[0] - self._period], lengths[1:]])
            torques, substeps = np.vstack([torques[:1], torques]), np.append(substeps[:1], substeps)
        prepared = self._prepare((lengths, substeps), self._tail, self._kept, len(lengths))
        self._keep(prepared)
        return self._rollout.run(prepared, x, torques, scale), prepared.arrays["lengths"]

    def _brake(self, x: FloatArray, scale: float) -> tuple[Stop, FloatArray]:
        self._keep(self._at_once)
        stop = self._rollout.run(self._at_once, x, self._nothing, scale, self.held, self._offset)
        return stop, self._at_once.arrays["lengths"]

    def follow(self, offset: FloatArray, *, braking_at: FloatArray | None = None) -> None:
        """Note what was applied.

        Args:
            offset: `Stop.offset` of the stop whose first torque it was (m,) [N m].
            braking_at: The state (2n,), if the torque was the brake's: slow motors are held from now on.
        """
        self._offset = offset
        if braking_at is None:
            self.held = None
        elif (
            self.held is None
            and np.abs(braking_at[len(braking_at) // 2 + self._motors]).max() < self._stopped
        ):
            self.held = braking_at[self._motors].copy()

    def too_near(self, x: FloatArray) -> bool:
        """Whether a point is so far within its margin of an obstacle that it has to leave first."""
        points = self._chain.points(x)[0]
        distances = np.array([obstacle.distance(points) for obstacle in self._obstacles]).reshape(-1)
        margins = self._margins(self._jolts.agitation).reshape(len(points), -1).T.reshape(-1)
        return bool((distances < LEAVE * margins).any())

    def _tighten(self, prepared: PreparedStop, torque: FloatArray) -> None:
        """Limits of what is to be certified anew, by how agitated the arm is and what the torque adds."""
        lower, upper = prepared.arrays["lower"], prepared.arrays["upper"]
        lower[1:, self._distances] = self._margins(self._jolts.agitation)
        most = self._limits.upper[self._speeds]
        most = most - np.minimum(self._jolts.speeds(torque)[self._jolted], LARGEST_JOLT * most)
        lower[1, self._speeds], upper[1, self._speeds] = -most, most

    def _keep(self, prepared: PreparedStop) -> None:
        """Limits of a stop that was certified a control period ago."""
        margins = self._margins(self._jolts.agitation_before)
        prepared.arrays["lower"][1:, self._distances] = self._share * margins

    def _margins(self, agitation: float) -> FloatArray:
        return np.asarray(self._calm + agitation * (self._agitated - self._calm))

    def _prepare(
        self,
        first: tuple[FloatArray, IntArray],
        then: tuple[FloatArray, IntArray],
        limits: StopLimits,
        given: int = 0,
    ) -> PreparedStop:
        lengths = np.concatenate([first[0], then[0]])
        substeps = np.concatenate([first[1], then[1]])
        return self._rollout.prepare(lengths, substeps, limits, given, self._scheme)


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


def stop_limits(
    problem: OptimalControlProblem, certificate: CertificateSettings
) -> tuple[StopLimits, StopLimits]:
    """Limits in the problem's layout: of new torques and plans, and of stops that are followed.

    Speeds of motors, positions of joints and distances of points.
    """
    return _limits(problem, certificate, 1.0), _limits(problem, certificate, certificate.kept)


def _limits(problem: OptimalControlProblem, certificate: CertificateSettings, share: float) -> StopLimits:
    """With a share of the margins."""
    layout, robot = Layout(problem), problem.robot
    lower, upper = np.full(layout.width, -np.inf), np.full(layout.width, np.inf)
    growth, unit, braking = np.zeros(layout.width), np.full(layout.width, np.inf), np.ones(layout.width)
    for limit in problem.stage_limits:
        column = layout.column(limit)
        if limit.kind == "velocity":
            unit[column] = SPEED
            most = robot.velocity_limits[limit.index] * (1.0 - share * (1.0 - certificate.speed_factor))
            lower[column], upper[column] = -most, most
            braking[column] = certificate.brake_speed_factor
        elif limit.kind == "position":
            unit[column] = POSITION
            lower[column], upper[column] = limit.lower, limit.upper
        elif limit.kind == "distance":
            unit[column] = DISTANCE
            lower[column] = share * _of(certificate.margins, limit.index)
            growth[column] = share * _of(certificate.growth, limit.index)
    return StopLimits(
        lower=lower,
        upper=upper,
        braking=braking,
        growth=growth,
        free_way=certificate.free_way,
        largest_growth=share * certificate.largest_growth,
        unit=unit,
        rest_speed=certificate.rest_speed,
        speed_unit=SPEED,
    )


def _margins(
    problem: OptimalControlProblem, certificate: CertificateSettings
) -> tuple[FloatArray, FloatArray]:
    """Of a calm and of an agitated arm, one for each distance."""
    points = [limit.index for limit in problem.stage_limits if limit.kind == "distance"]
    calm = np.array([_of(certificate.margins, point) for point in points])
    return calm, np.array([_of(certificate.agitated, point) for point in points])


def _columns(problem: OptimalControlProblem) -> dict[str, IntArray]:
    """Where limits of each kind stand, in the problem's order."""
    layout, found = Layout(problem), problem.stage_limits
    kinds = ("distance", "velocity")
    return {kind: np.array([layout.column(x) for x in found if x.kind == kind], int) for kind in kinds}


def _of(values: tuple[float, ...], index: int) -> float:
    """The last one holds for all further points, or motors."""
    return values[min(index, len(values) - 1)]
