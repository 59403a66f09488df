"""From rest to rest: estimator, path through shapes at rest, and LQR about it. Simple, and safe to start with."""

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import solve_discrete_are

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.statics import Equilibrium, StaticEquilibrium
from ampc.control.controller import StepRecord
from ampc.control.estimator import Estimate, EstimatorSettings, ExtendedKalmanFilter, MeasurementError
from ampc.control.rest_path import MotionSettings, RestPath
from ampc.errors import AmpcError, SettingsError, UnreachableGoalError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot
from ampc.tasks.task import Task

_SOFTER = 0.9
"""Stiffness of the second path; between it and the first, paths are interpolated in 1 / stiffness."""
_GAINS = 5
"""Points of the path at which the feedback gain is computed; in between it is interpolated."""
_PENETRATION_COST = 8.0
"""Travel time that one metre of a path's penetration into an obstacle is worth [s/m]."""
_DETOUR_COST = 0.05
"""Travel time that one radian of the joints' summed travel is worth [s/rad]."""


@dataclass(frozen=True)
class RestSettings:
    """Path, feedback and estimator of the rest-to-rest controller."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    """How fast it moves."""
    margin: float = 0.03
    """Distance that a path should keep from obstacles [m]; a path that keeps less is chosen only over worse ones."""
    position_weight: float = 100.0
    """Of the actuated joints' deviation from the path [1/rad^2]."""
    velocity_weight: float = 1.0
    """Of the actuated joints' velocity deviation [s^2/rad^2]."""
    torque_weight: float = 1.0
    """Of the torque's deviation from what holds the shape [1/(N m)^2]."""
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    """The state estimator."""


class RestController:
    """Moves an arm with elastic links to its goal through shapes at rest.

    The torque is what holds the shape of the moment, plus LQR feedback of the estimated state about it; the
    feedback damps the links, which a PD on the motors cannot: the sampled motor of a light link allows too
    little velocity feedback. Where the estimator finds the links softer or stiffer than the model, the path
    and its end move with it, so that no steady error remains.

    In the loop it never raises and never emits a non-finite torque; `last_step` says what went wrong:
    without a first measurement it does nothing, without a reachable goal it holds the arm where it is, without
    measurements it goes on with the model's prediction.
    """

    def __init__(
        self, robot: Robot, settings: RestSettings | None = None, control_period: float = 0.004
    ) -> None:
        """Make a controller.

        Args:
            robot: The model that the controller believes in, such as the flexible arm with 3 segments.
            settings: Path, feedback and estimator.
            control_period: Time between two calls of `act` [s].

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain with two motors.
            SettingsError: The control period or a weight is not positive.
        """
        self.name = "rest to rest"
        self.control_period = control_period
        self._robot, self._settings = robot, settings or RestSettings()
        for name in ("position_weight", "velocity_weight", "torque_weight"):
            value = getattr(self._settings, name)
            if not 0.0 < value < np.inf:
                raise SettingsError(f"{name} is {value}; it has to be positive and finite")
        self._chains = YawChain.from_robot(robot), YawChain.from_robot(robot, _SOFTER)
        self._statics = StaticEquilibrium(robot), StaticEquilibrium(robot, _SOFTER)
        self._filter = ExtendedKalmanFilter(robot, self._settings.estimator, control_period)
        self._limits = robot.torque_limits
        zero = np.zeros(robot.n_actuated)
        self.last_step = StepRecord(zero, zero, zero)
        self.estimate: Estimate | None = None
        """What the estimator believed at the last step."""
        self.reference: FloatArray | None = None
        """Joint positions of the equilibrium that the path leads to (n,) [rad]; None before the first step."""
        self._forget()

    def _forget(self) -> None:
        self.estimate = self.reference = None
        self._torque: FloatArray = np.zeros(self._robot.n_actuated)
        self._paths: tuple[RestPath, RestPath] | None = None
        self._gains: FloatArray = np.empty(0)
        self._elapsed = 0.0
        self._equilibria: list[Equilibrium] = []
        self._unreachable = ""

    def reset(self, task: Task) -> None:
        """Take the task's goal; of the task nothing else is read."""
        self._forget()
        self._goal = task.goal
        try:
            self._equilibria = self._statics[0].solve(task.goal)
        except UnreachableGoalError as error:
            self._unreachable = f"{error}: the arm is held where it is"

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the next control period (m,) [N m]; always finite."""
        faults: list[str] = []
        zero = np.zeros(self._robot.n_actuated)
        try:
            corrective, holding = self._split(measurement, faults)
        except Exception as error:  # whatever happens, the arm must be left with a safe torque
            faults.append(
                f"no torque could be computed, the last one is held: {error or type(error).__name__}"
            )
            corrective, holding = zero, self._torque
        if not np.isfinite(corrective + holding).all():
            faults.append("torque is not finite, the last one is held")
            corrective, holding = zero, self._torque
        self._torque = np.clip(corrective + holding, self._limits[:, 0], self._limits[:, 1])
        status = "fallback" if faults else "ok"
        self.last_step = StepRecord(corrective, self._torque - holding, holding, status, "; ".join(faults))
        return self._torque.copy()

    def _split(self, measurement: Measurement, faults: list[str]) -> tuple[FloatArray, FloatArray]:
        """Feedback and holding torque (m,), with reasons appended to `faults`."""
        estimate = self._estimate(measurement, faults)
        if estimate is None:
            return np.zeros_like(self._torque), np.zeros_like(self._torque)
        if self._paths is None:
            self._plan(estimate)
        if self._unreachable:
            faults.append(self._unreachable)
        assert self._paths is not None
        state, holding = self._at(self._elapsed, estimate.stiffness_scale)
        gain = self._gain(self._paths[0].progress(self._elapsed)[0])
        self._elapsed += self.control_period
        return -gain @ (estimate.x - state), holding

    def _estimate(self, measurement: Measurement, faults: list[str]) -> Estimate | None:
        if self.estimate is None:
            try:
                self.estimate = self._filter.reset(measurement)
            except MeasurementError as error:
                faults.append(f"{error}: zero torque")
        else:
            self.estimate = self._filter.step(self._torque, measurement)
            if self.estimate.restarted:
                faults.append(f"estimator {self.estimate.restarted}")
            if not self.estimate.n_used:
                faults.append("no measurement: the model's prediction stands in")
        return self.estimate

    def _at(self, time: float, stiffness_scale: float) -> tuple[FloatArray, FloatArray]:
        """State (2n,) and holding torque (m,) of the path for a stiffness."""
        assert self._paths is not None
        nominal, softer = (path.at(time) for path in self._paths)
        share = (1.0 / stiffness_scale - 1.0) / (1.0 / _SOFTER - 1.0)
        return nominal[0] + share * (softer[0] - nominal[0]), nominal[1] + share * (softer[1] - nominal[1])

    def _plan(self, estimate: Estimate) -> None:
        """Choose an equilibrium and the paths to it for both stiffnesses, and compute the gains."""
        motors = self._robot.actuated
        start = estimate.q[motors]
        goals = start, start
        if not self._unreachable:
            target = min(self._turned(start), key=lambda q: self._cost(start, q))
            self.reference = target
            goals = target[motors], self._softer_goal(target)
        self._paths = tuple(
            RestPath(chain, self._robot, start, goal, self._settings.motion)
            for chain, goal in zip(self._chains, goals, strict=True)
        )  # type: ignore[assignment]
        path = self._paths[0]
        indices = np.linspace(0, len(path.q) - 1, _GAINS).round().astype(int)
        self._gains = np.array([self._lqr(path.q[i], path.torque[i]) for i in indices])

    def _turned(self, start: FloatArray) -> list[FloatArray]:
        """The equilibria, each with the turns of yaw that bring it to within a turn of the start (n,) [rad]."""
        lower, upper = self._robot.position_limits[0]
        turned = []
        for equilibrium in self._equilibria:
            for turn in (-1.0, 0.0, 1.0):
                q = equilibrium.q.copy()
                q[0] += 2.0 * np.pi * (turn + np.round((start[0] - q[0]) / (2.0 * np.pi)))
                if lower <= q[0] <= upper:
                    turned.append(q)
        return turned

    def _cost(self, start: FloatArray, q: FloatArray) -> float:
        """Travel time to an equilibrium [s], with a penalty for a path that comes too near to an obstacle."""
        robot, motion, motors = self._robot, self._settings.motion, self._robot.actuated
        path = RestPath(self._chains[0], robot, start, q[motors], motion)
        still = np.zeros(robot.n_joints)
        points = np.array(
            [self._chains[0].points(np.concatenate([shape, still]))[0] for shape in path.q[1:-1]]
        )
        clearance = min(
            (float(obstacle.distance(points).min()) for obstacle in robot.obstacles), default=np.inf
        )
        detour = float(np.abs(q[motors] - start).sum())
        penetration = max(self._settings.margin - clearance, 0.0)
        return path.duration + _PENETRATION_COST * penetration + _DETOUR_COST * detour

    def _softer_goal(self, target: FloatArray) -> FloatArray:
        """Motor positions of the same branch of a softer arm (m,); the target's own where that has none."""
        motors = self._robot.actuated
        candidates = self._statics[1].candidates(self._goal)
        distance = [np.abs(_nearest_turn(other.q, target) - target)[motors].max() for other in candidates]
        if not distance or min(distance) > 0.5:
            return target[motors]
        return _nearest_turn(candidates[int(np.argmin(distance))].q, target)[motors]

    def _lqr(self, q: FloatArray, torque: FloatArray) -> FloatArray:
        """Gain (m, 2n) of the discrete-time LQR about a shape at rest."""
        settings, n, motors = self._settings, self._robot.n_joints, self._robot.actuated
        state = np.concatenate([q, np.zeros(n)])
        _, A, B = self._chains[0].step_with_sensitivities(
            state, torque, self.control_period, scheme="radau", substeps=1
        )
        weights = np.full(2 * n, 1e-6 * settings.position_weight)
        weights[motors], weights[n + motors] = settings.position_weight, settings.velocity_weight
        R = settings.torque_weight * np.eye(len(motors))
        cost_to_go = solve_discrete_are(A, B, np.diag(weights), R)
        return np.asarray(np.linalg.solve(R + B.T @ cost_to_go @ B, B.T @ cost_to_go @ A))

    def _gain(self, progress: float) -> FloatArray:
        position = progress * (_GAINS - 1)
        i = min(int(position), _GAINS - 2)
        return np.asarray((1.0 + i - position) * self._gains[i] + (position - i) * self._gains[i + 1])


def _nearest_turn(q: FloatArray, to: FloatArray) -> FloatArray:
    """The same configuration with the yaw turned to the one nearest to another's (n,) [rad]."""
    q = q.copy()
    q[0] += 2.0 * np.pi * np.round((to[0] - q[0]) / (2.0 * np.pi))
    return q
