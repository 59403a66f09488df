"""Margins from measurements: by how much an arm comes nearer to obstacles than its model predicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain import YawChain
from ampc.chain.plane import PlanarStatics
from ampc.control.controller import Controller
from ampc.control.estimator import Estimate
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
    quantile: float = 0.999
    """Share of the predictions that a margin covers."""
    free_way: float = 0.02
    """Way on which errors belong to the margin itself, and not to its growth [m]."""
    settle: float = 0.0
    """Time at the start of an episode that is left out [s]; 0 to count an estimate that has not settled."""

    def __post_init__(self) -> None:
        """Refuse what measures nothing."""
        if not (0.0 < self.horizon < np.inf and self.stride >= 1 and 0.0 < self.quantile <= 1.0):
            raise SettingsError(
                f"prediction error: horizon {self.horizon}, stride {self.stride} and quantile "
                f"{self.quantile} have to be positive, the quantile at most 1"
            )


@dataclass(frozen=True, eq=False)
class PredictionError:
    """By how much obstacle points were nearer to an obstacle, and motors faster, than predicted."""

    times: FloatArray
    """Times ahead (J + 1,) [s], from 0: the estimation error."""
    shortfall: FloatArray
    """Quantile over predictions of the largest shortfall over obstacles (J + 1, points) [m]."""
    margins: FloatArray
    """Quantile of the largest shortfall on a way of at most `free_way`, and not below 0 (points,) [m]."""
    growth: FloatArray
    """Share of the way that a point goes by which it falls short of its margin at most, as the quantile over
    predictions of the largest share at all times ahead (points,) [m/m]."""
    excess_speed: float
    """Quantile over predictions and motors of the speed beyond the one predicted for one control period
    ahead, as a share of its limit."""
    free_way: float
    """Way on which errors belong to the margin [m]."""
    predictions: int
    """Number of predictions."""

    def certificate(self, base: CertificateSettings) -> CertificateSettings:
        """Settings whose margins and speed limits cover the errors; agitated margins are not below them."""
        share = max(0.0, 1.0 - max(0.0, self.excess_speed))
        margins: list[float] = np.round(self.margins, 4).tolist()
        agitated = [base.agitated[min(i, len(base.agitated) - 1)] for i in range(len(margins))]
        return replace(
            base,
            margins=tuple(margins),
            agitated=tuple(map(max, agitated, margins)),
            growth=tuple(np.round(self.growth, 4).tolist()),
            free_way=self.free_way,
            speed_factor=round(share, 3),
        )


def combine(errors: Sequence[PredictionError]) -> PredictionError:
    """What covers several measurements: the largest of each figure.

    Raises:
        SettingsError: There are none, or they do not belong together.
    """
    if not errors or any(each.shortfall.shape != errors[0].shortfall.shape for each in errors):
        raise SettingsError("prediction errors can be combined where they have the same points and times")
    return PredictionError(
        times=errors[0].times,
        shortfall=np.max([each.shortfall for each in errors], axis=0),
        margins=np.max([each.margins for each in errors], axis=0),
        growth=np.max([each.growth for each in errors], axis=0),
        excess_speed=max(each.excess_speed for each in errors),
        free_way=max(each.free_way for each in errors),
        predictions=sum(each.predictions for each in errors),
    )


def measure_prediction_error(
    plant: Plant,
    robot: Robot,
    controller: Controller,
    model: Robot,
    tasks: Sequence[Task],
    duration: float,
    settings: PredictionErrorSettings | None = None,
) -> PredictionError:
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
        settings: What is measured.

    Raises:
        SettingsError: The controller has no estimate, or episodes are shorter than the horizon.
    """
    settings = settings or PredictionErrorSettings()
    recorder = _Recorder(controller)
    period = plant.control_period
    ahead, first = round(settings.horizon / period), round(settings.settle / period)
    found = []
    for task in tasks:
        episode = run_episode(plant, recorder, task, duration)
        starts = np.arange(first, len(episode) - ahead + 1, settings.stride)
        if len(starts) == 0:
            raise SettingsError(f"episodes of {duration:g} s leave no room to predict {settings.horizon:g} s")
        found.append(_predict(among(robot, task), among(model, task), recorder, episode, starts, ahead))
    shortfall, way, speed = (np.concatenate(parts) for parts in zip(*found, strict=True))
    by_time = _quantile(shortfall, settings.quantile)
    near = np.where(way <= settings.free_way, shortfall, -np.inf).max(axis=1)
    margins = np.maximum(_quantile(near, settings.quantile), 0.0)
    share = np.maximum(shortfall - margins, 0.0) / np.maximum(way - settings.free_way, settings.free_way)
    return PredictionError(
        times=np.asarray(period * np.arange(ahead + 1), dtype=np.float64),
        shortfall=by_time,
        margins=margins,
        growth=_quantile(share.max(axis=1), settings.quantile),
        excess_speed=float(_quantile(speed.ravel(), settings.quantile)),
        free_way=settings.free_way,
        predictions=len(shortfall),
    )


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


def _quantile(values: FloatArray, share: float) -> FloatArray:
    """Smallest value that at least so many of the first axis do not exceed."""
    order = np.sort(values, axis=0)
    return np.asarray(order[max(0, math.ceil(share * len(order)) - 1)])


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
        control period, as a share of the limit (starts, m).
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
            excess = (speeds[starts + 1] - predicted) / robot.velocity_limits[robot.actuated]
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
