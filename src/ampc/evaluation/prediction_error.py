"""Prediction errors: how much nearer to obstacles, and faster, an arm is than its model predicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain import YawChain
from ampc.chain.plane import PlanarStatics
from ampc.control.controller import Controller
from ampc.control.estimator import Estimate
from ampc.control.jolts import Jolts, jolts_of
from ampc.control.safety_settings import CertificateSettings
from ampc.episodes.episode import Episode
from ampc.episodes.rollout import Plant, run_episode
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot
from ampc.tasks.obstacles import among
from ampc.tasks.task import Task

_SCALE_STEP = 0.005
"""Stiffnesses within this of each other share a model."""


@dataclass(frozen=True)
class PredictionErrorSettings:
    """What is measured."""

    horizon: float = 0.25
    """Longest prediction [s]."""
    stride: int = 10
    """Control steps between two predictions."""
    settle: float = 0.0
    """Time at the start of an episode that is left out [s]; 0 to count an estimate that has not settled."""

    def __post_init__(self) -> None:
        """Refuse what measures nothing."""
        if not (0.0 < self.horizon < np.inf and self.stride >= 1 and self.settle >= 0.0):
            raise SettingsError(
                f"prediction error: horizon {self.horizon} and stride {self.stride} have to be positive, "
                f"settle {self.settle} 0 or more"
            )


@dataclass(frozen=True, eq=False)
class PredictionErrors:
    """How much nearer to an obstacle points were, and how much faster motors, than in B predictions."""

    times: FloatArray
    """Times ahead (J + 1,) [s], from 0: the estimation error."""
    shortfall: FloatArray
    """Predicted less true distance, the largest over obstacles (B, J + 1, points) [m]."""
    way: FloatArray
    """Way that the point is predicted to have gone (B, J + 1, points) [m]."""
    agitation: FloatArray
    """How agitated the arm was where the prediction began, as the filter's certificate has it (B,)."""
    speed: FloatArray
    """True less predicted speed of each motor one control period ahead (B, m) [rad/s]."""
    change: FloatArray
    """Changes of each motor's torque in this control period and the one before, together (B, m) [N m]."""
    speed_limits: FloatArray
    """Of the motors (m,) [rad/s]."""


def combine(errors: Sequence[PredictionErrors]) -> PredictionErrors:
    """All predictions of several measurements.

    Raises:
        SettingsError: There are none, or they do not belong together.
    """
    if not errors or any(each.shortfall.shape[1:] != errors[0].shortfall.shape[1:] for each in errors):
        raise SettingsError("prediction errors can be combined where they have the same points and times")
    names = ("shortfall", "way", "agitation", "speed", "change")
    together = {name: np.concatenate([getattr(each, name) for each in errors]) for name in names}
    return PredictionErrors(times=errors[0].times, speed_limits=errors[0].speed_limits, **together)


def measure_prediction_errors(
    plant: Plant,
    robot: Robot,
    controller: Controller,
    model: Robot,
    tasks: Sequence[Task],
    duration: float,
    certificate: CertificateSettings | None = None,
    settings: PredictionErrorSettings | None = None,
) -> PredictionErrors:
    """Run episodes and compare what the model predicts from each estimate with what the plant did.

    The model is integrated from the estimate under the torques that were applied afterwards, so that the
    error is that of estimate, model and noise, not of what the controller was going to do.

    Args:
        plant: The simulated arm.
        robot: The same arm, whose points and obstacles are judged.
        controller: A controller with an ``estimate``, such as `SafetyFilter`.
        model: The arm as the filter believes it to be.
        tasks: Tasks; their variation is what the margins are to cover.
        duration: Length of an episode [s].
        certificate: What counts as agitated.
        settings: What is measured.

    Raises:
        SettingsError: The controller has no estimate, or episodes are shorter than the horizon.
    """
    settings, certificate = settings or PredictionErrorSettings(), certificate or CertificateSettings()
    recorder = _Recorder(controller)
    period = plant.control_period
    ahead, first = round(settings.horizon / period), round(settings.settle / period)
    found = []
    for task in tasks:
        episode = run_episode(plant, recorder, task, duration)
        starts = np.arange(first, len(episode) - ahead + 1, settings.stride)
        if len(starts) == 0:
            raise SettingsError(f"episodes of {duration:g} s leave no room to predict {settings.horizon:g} s")
        predicted = _predict(among(robot, task), among(model, task), recorder, episode, starts, ahead)
        jolts = jolts_of(certificate, robot.n_actuated, period)
        found.append((*predicted, *_jolted(jolts, episode.applied_torque, starts)))
    shortfall, way, speed, agitation, change = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return PredictionErrors(
        times=np.asarray(period * np.arange(ahead + 1), dtype=np.float64),
        shortfall=shortfall,
        way=way,
        agitation=agitation,
        speed=speed,
        change=change,
        speed_limits=robot.velocity_limits[robot.actuated],
    )


def _jolted(jolts: Jolts, torques: FloatArray, starts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Agitation before each start (B,), and what torques change then and before (B, m) [N m]."""
    agitation = []
    for torque in torques:
        agitation.append(jolts.agitation)
        jolts.note(torque)
    changes = np.abs(np.diff(torques, axis=0, prepend=torques[:1]))
    before = np.vstack([np.zeros_like(changes[:1]), changes[:-1]])
    return np.array(agitation)[starts], (changes + before)[starts]


class _Recorder:
    """Notes a controller's estimates."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.name, self.control_period = controller.name, controller.control_period
        self.last_step = controller.last_step
        self.states: list[FloatArray] = []
        self.scales: list[float] = []

    def reset(self, task: Task) -> None:
        self.states, self.scales = [], []
        self._controller.reset(task)

    def act(self, measurement: Measurement) -> FloatArray:
        torque = self._controller.act(measurement)
        self.last_step = self._controller.last_step
        estimate = getattr(self._controller, "estimate", None)
        if not isinstance(estimate, Estimate):
            raise SettingsError(f"controller {self.name!r} has no estimate to predict from")
        self.states.append(estimate.x)
        self.scales.append(estimate.stiffness_scale)
        return torque


def _points(robot: Robot, q: FloatArray) -> FloatArray:
    """Obstacle points (B, points, 3) [m] at joint positions (B, n)."""
    plane = PlanarStatics(YawChain.from_robot(robot).parameters)
    return plane.positions(q[:, 0], plane.angles(q[:, 1:]))


def _distances(robot: Robot, points: FloatArray) -> FloatArray:
    """Distances (B, points, obstacles) [m]."""
    return np.stack([obstacle.distance(points) for obstacle in robot.obstacles], axis=-1)


def _predict(
    robot: Robot, model: Robot, recorder: _Recorder, episode: Episode, starts: IntArray, ahead: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What predictions have missed.

    Returns:
        Predicted less true distance, the largest over obstacles (starts, ahead + 1, points) [m]; predicted
        way of each point (starts, ahead + 1, points) [m]; true less predicted speed of motors after one
        control period (starts, m) [rad/s].
    """
    chain, n = YawChain.from_robot(model), model.n_joints
    period, torque = episode.control_period, episode.applied_torque
    true = _distances(robot, _points(robot, np.vstack((episode.q, episode.final_q))))
    speeds = np.abs(np.vstack((episode.dq, episode.final_dq))[:, robot.actuated])
    groups = np.round(np.array(recorder.scales)[starts] / _SCALE_STEP).astype(int)
    x = np.array(recorder.states)[starts]
    shape = len(starts), ahead + 1, true.shape[1]
    shortfall, way, excess = np.empty(shape), np.zeros(shape), np.empty((len(starts), robot.n_actuated))
    before = _points(model, x[:, :n])
    for j in range(ahead + 1):
        points = _points(model, x[:, :n])
        shortfall[:, j] = (_distances(model, points) - true[starts + j]).max(axis=-1)
        way[:, j] = way[:, max(j - 1, 0)] + np.linalg.norm(points - before, axis=-1)
        if j == 1:
            predicted = np.abs(x[:, n + model.actuated])
            excess = speeds[starts + 1] - predicted
        before = points
        if j == ahead:
            break
        for group in np.unique(groups):
            of = groups == group
            softened = chain.with_stiffness_scale(_SCALE_STEP * float(group))
            x[of], _ = softened.step_many(
                x[of], torque[starts[of] + j], period, scheme="radau", substeps=1, threads=1
            )
    return shortfall, way, excess
