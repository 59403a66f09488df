"""A learner that drives the arm while an expert, in its shadow, says what it would have done."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller, ObservesApplied, StepRecord, Watches
from ampc.episodes.rollout import Plant
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots.robot import Robot
from ampc.tasks.task import Task

Mixing = Literal["episode", "step"]

_DRIVER_STREAM = 1
"""Distinguishes the random numbers of who drives from those of the sensor noise, which have the same seed."""


@dataclass(frozen=True)
class ShadowSettings:
    """How often the expert drives, and how that is decided."""

    beta: float = 0.0
    """Probability that the expert drives and not the learner."""
    mixing: Mixing = "episode"
    """Whether that is drawn once for each episode or for each step."""
    ask_every: int = 1
    """The expert is asked at every n-th step of an episode, the first included; where it drives it is
    asked at every step, but the other answers are not labels."""
    doubtful_share: float = 0.0
    """Share of an episode's labels that are asked for where an ensemble disagrees most, see `Hindsight`; the
    others are spread evenly."""
    derivative_share: float = 0.0
    """Share of an episode's labels that come with the expert's derivative by the state."""

    @property
    def in_hindsight(self) -> bool:
        """Whether the expert is asked for labels when the episode is over."""
        return self.doubtful_share > 0.0 or self.derivative_share > 0.0

    def __post_init__(self) -> None:
        if self.ask_every < 1:
            raise SettingsError(f"shadow.ask_every is {self.ask_every}; it must be at least 1")
        for name in ("doubtful_share", "derivative_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"shadow.{name} is {getattr(self, name)}; it must be a share from 0 to 1")
        if not 0.0 <= self.beta <= 1.0:
            raise SettingsError(f"shadow.beta is {self.beta}; it must be a probability from 0 to 1")


class Seen(NamedTuple):
    """What an expert needs to be told about a step to be asked about it, or a later one, afterwards."""

    measurement: Measurement
    """What was measured."""
    torque: FloatArray
    """What was sent (m,) [N m]."""
    command: FloatArray
    """The command that it comes from (m,)."""


class ShadowedController:
    """The mixture of DAgger (Ross, Gordon and Bagnell 2011, algorithm 3.1) as a controller.

    The expert is asked; what it would have commanded is the step's label. The torque is the
    expert's or the learner's, as drawn from the task's seed. Whoever did not drive is told
    what was sent, if it has a use for that; an expert that is not asked watches. Where labels
    are asked for in hindsight, no step has one yet.

    Attributes:
        name: The expert's name.
        seen: The steps of the episode, where labels are asked for in hindsight.
        reference: The expert's joint reference (n,) [rad], if it has one.
    """

    def __init__(self, expert: Controller, learner: Controller, settings: ShadowSettings) -> None:
        """Put an expert in a learner's shadow.

        Raises:
            SettingsError: If the two run at different rates.
        """
        if abs(expert.control_period - learner.control_period) > 1e-9:
            raise SettingsError(
                f"expert {expert.name!r} runs every {expert.control_period:g} s, learner {learner.name!r} "
                f"every {learner.control_period:g} s; give both the same control period"
            )
        self.name = expert.name
        self.control_period = expert.control_period
        self.reference: FloatArray | None = None
        self.last_step = expert.last_step
        self._expert, self._learner, self._settings = expert, learner, settings
        self._tell_expert, self._tell_learner = listener(expert), listener(learner)
        self._generator = np.random.default_rng(0)
        self._expert_drives = False
        self._step = 0
        self.seen: list[Seen] = []

    def reset(self, task: Task) -> None:
        """Begin a task with both."""
        self._expert.reset(task)
        self._learner.reset(task)
        self.reference = getattr(self._expert, "reference", None)
        sequence = np.random.SeedSequence(task.seed, spawn_key=(_DRIVER_STREAM,))
        self._generator = np.random.default_rng(sequence)
        self._step = 0
        self.seen = []
        self._draw_driver()

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque of whoever drives (m,) [N m]; never raises, since neither of the two does."""
        torque = self._act(measurement)
        if self._settings.in_hindsight:
            self.seen.append(Seen(measurement, torque.copy(), self.last_step.command.copy()))
        return torque

    def observe_applied(self, torque: FloatArray, command: FloatArray) -> None:
        """Tell both what was sent in place of the last torque, such as by a safety filter."""
        self._tell_expert(torque, command)
        self._tell_learner(torque, command)
        if self.seen:
            self.seen[-1] = self.seen[-1]._replace(torque=torque.copy(), command=command.copy())

    def _act(self, measurement: Measurement) -> FloatArray:
        if self._settings.mixing == "step":
            self._draw_driver()
        is_asked = not self._settings.in_hindsight and self._step % self._settings.ask_every == 0
        self._step += 1
        if not is_asked and not self._expert_drives:
            return self._unlabelled(measurement)
        experts_torque = self._expert.act(measurement)
        if self._expert_drives and self._settings.mixing == "episode":
            self.last_step = _labelled(self._expert.last_step, self._expert.last_step, is_asked)
            return experts_torque
        learners_torque = self._learner.act(measurement)
        if self._expert_drives:
            torque, step, tell = experts_torque, self._expert.last_step, self._tell_learner
        else:
            torque, step, tell = learners_torque, self._learner.last_step, self._tell_expert
        tell(torque, step.command)
        self.last_step = _labelled(step, self._expert.last_step, is_asked)
        return torque

    def _unlabelled(self, measurement: Measurement) -> FloatArray:
        """A step of the learner's that the expert is not asked about."""
        if isinstance(self._expert, Watches):
            self._expert.watch(measurement)
        torque, step = self._learner.act(measurement), self._learner.last_step
        self._tell_expert(torque, step.command)
        self.last_step = replace(step, label=np.full_like(step.command, np.nan))
        return torque

    def _draw_driver(self) -> None:
        self._expert_drives = bool(self._generator.random() < self._settings.beta)


class OmniscientController:
    """Any controller, told the plant's true state in place of the measurement.

    An expert whose labels are free of measurement noise, to be had wherever data come from a simulation.

    Attributes:
        name: The controller's name.
        control_period: Its control period [s].
        reference: Its joint reference (n,) [rad], if it has one.
        last_step: What its last call of `act` did.
        observe_applied: Takes the torque and the command that were sent in its place.
    """

    def __init__(self, plant: Plant, robot: Robot, controller: Controller) -> None:
        """Take the plant that measurements come from, its arm, and the controller."""
        self.name = controller.name
        self.control_period = controller.control_period
        self.reference: FloatArray | None = None
        self.last_step = controller.last_step
        self.observe_applied = listener(controller)
        self._plant, self._actuated, self._controller = plant, robot.actuated, controller

    def reset(self, task: Task) -> None:
        """Begin a task."""
        self._controller.reset(task)
        self.reference = getattr(self._controller, "reference", None)

    def act(self, measurement: Measurement) -> FloatArray:
        """Torque for the true state (m,) [N m]; of the measurement only time and kind are read."""
        plant, actuated = self._plant, self._actuated
        end_effector = None if measurement.end_effector is None else plant.end_effector
        truth = Measurement(measurement.time, plant.q[actuated], plant.dq[actuated], end_effector)
        torque = self._controller.act(truth)
        self.last_step = self._controller.last_step
        return torque


def listener(controller: Controller) -> Callable[[FloatArray, FloatArray], None]:
    """How a controller is told what was sent in its place, if it has a use for that."""
    if isinstance(controller, ObservesApplied):
        return controller.observe_applied
    return lambda torque, command: None


def _labelled(step: StepRecord, expert: StepRecord, is_asked: bool) -> StepRecord:
    """A step with the expert's command as label, NaN where it is none.

    A fallback of the expert's is one of the step's.
    """
    label = expert.command if is_asked else np.full_like(expert.command, np.nan)
    situation = expert.situation or step.situation
    if expert is step or expert.status == "ok":
        return replace(step, label=label, situation=situation)
    reason = "; ".join(filter(None, (step.reason, f"expert: {expert.reason}")))
    return replace(step, label=label, situation=situation, status="fallback", reason=reason)
