"""Margins from measurements: by how much an arm comes nearer to obstacles than its model predicts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.plane import PlanarStatics
from ampc.control.controller import Controller
from ampc.control.estimator import Estimate
from ampc.control.safety_settings import CertificateSettings
from ampc.episodes.rollout import Plant, run_episode
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import Robot
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
    """By how much obstacle points were nearer to an obstacle than predicted, by time ahead."""

    times: FloatArray
    """Times ahead (J + 1,) [s], from 0: the estimation error."""
    shortfall: FloatArray
    """Quantile over predictions of the largest shortfall over obstacles (J + 1, points) [m]."""
    predictions: int
    """Number of predictions."""

    def certificate(self, base: CertificateSettings) -> CertificateSettings:
        """Settings whose margins cover the shortfall: at time 0, and a line above it from there on."""
        margins = np.maximum(self.shortfall[0], 0.0)
        beyond = np.maximum(self.shortfall[1:] - margins, 0.0).max(axis=1)
        growth = float((beyond / self.times[1:]).max(initial=0.0))
        return replace(
            base,
            margins=tuple(margins.tolist()),
            growth=growth,
            largest_growth=float(beyond.max(initial=0.0)),
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
    shortfalls = []
    for task in tasks:
        episode = run_episode(plant, recorder, task, duration)
        true = _distances(robot, np.vstack((episode.q, episode.final_q)))
        starts = np.arange(first, len(episode) - ahead + 1, settings.stride)
        if len(starts) == 0:
            raise SettingsError(f"episodes of {duration:g} s leave no room to predict {settings.horizon:g} s")
        shortfalls.append(_shortfall(model, recorder, episode.applied_torque, true, starts, ahead, period))
    found = np.concatenate(shortfalls)
    order = np.sort(found, axis=0)
    rank = min(len(order) - 1, int(np.ceil(settings.quantile * len(order))) - 1)
    return PredictionError(
        np.asarray(period * np.arange(ahead + 1), dtype=np.float64), order[rank], len(order)
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


def _distances(robot: Robot, q: FloatArray) -> FloatArray:
    """Distances (B, points, obstacles) [m] at joint positions (B, n)."""
    plane = PlanarStatics(YawChain.from_robot(robot).parameters)
    points = plane.positions(q[:, 0], plane.angles(q[:, 1:]))
    return np.stack([obstacle.distance(points) for obstacle in robot.obstacles], axis=-1)


def _shortfall(
    model: Robot,
    recorder: _Recorder,
    torque: FloatArray,
    true: FloatArray,
    starts: np.ndarray,
    ahead: int,
    period: float,
) -> FloatArray:
    """Predicted less true distance, the largest over obstacles (starts, ahead + 1, points) [m]."""
    chain, n = YawChain.from_robot(model), model.n_joints
    groups = np.round(np.array(recorder.scales)[starts] / _SCALE_STEP).astype(int)
    x = np.array(recorder.states)[starts]
    found = np.empty((len(starts), ahead + 1, true.shape[1]))
    for j in range(ahead + 1):
        found[:, j] = (_distances(model, x[:, :n]) - true[starts + j]).max(axis=-1)
        if j == ahead:
            break
        for group in np.unique(groups):
            of = groups == group
            softened = chain.with_stiffness_scale(_SCALE_STEP * float(group))
            x[of], _ = softened.step_many(
                x[of], torque[starts[of] + j], period, scheme="radau", substeps=1, threads=1
            )
    return found
