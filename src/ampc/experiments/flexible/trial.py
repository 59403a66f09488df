"""Controllers of the arm with flexible links on tasks, as a cell."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller, StepRecord
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.motion import measure_motion, traces
from ampc.plants import PUBLISHED_NOISE
from ampc.plants.measurement import Measurement
from ampc.robots import Robot
from ampc.tasks import PlantVariation, Task
from ampc.tasks.flexible import FlexibleRegion, FlexibleTaskSampler

TRACES = "traces.npz"
"""File of a finished cell: error, speed and torque over time, and solver's time, of every contestant."""


@dataclass(frozen=True)
class FlexibleTasks:
    """Tasks on a plant with the published noise."""

    region: FlexibleRegion
    """Where the goals are."""
    seed: int
    """Seed of the set."""
    first: int = 0
    """Number of the first task."""
    count: int = 20
    """How many."""
    stiffness_scale: float = 1.0
    """Young's modulus of the plant, relative to what controllers are told."""
    payload: float = 0.0
    """Mass at the end effector that controllers are not told of [kg]."""
    noise: float = 1.0
    """Factor on the published noise."""

    def sample(self, robot: Robot) -> list[Task]:
        """Draw them for a simulated arm."""
        tasks = FlexibleTaskSampler(robot).sample(self.count, self.region, self.seed, self.first)
        published = PUBLISHED_NOISE
        variation = PlantVariation(
            payload=self.payload,
            position_noise=self.noise * published.position_noise,
            velocity_noise=self.noise * published.velocity_noise,
            end_effector_noise=self.noise * published.end_effector_noise,
            stiffness_scale=self.stiffness_scale,
        )
        return [replace(task, variation=variation) for task in tasks]


@dataclass(frozen=True)
class Contestant:
    """A closed loop."""

    name: str
    """Name of the controller in tables."""
    setup: FlexibleSetup = field(default_factory=FlexibleSetup)
    """Plant, controller, and the model that it believes in."""
    policy: Cell | None = None
    """The cell whose folder holds the policy that drives; None for the controller of the setup."""

    def closed_loop(self, store: Store) -> FlexibleSetup:
        """The setup with the policy in place, which runs in C."""
        if self.policy is None:
            return self.setup
        return replace(self.setup, kind="policy", policy=store.folder(self.policy))


@dataclass(frozen=True)
class FlexibleTrial(Cell):
    """Episodes of several controllers that take turns on each task."""

    tasks: FlexibleTasks
    """Which tasks."""
    contestants: tuple[Contestant, ...]
    """Which controllers; the plant of the first has to serve all."""
    duration: float = 3.0
    """Length of an episode [s]."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Run all episodes."""
        loops = {}
        for contestant in self.contestants:
            plant, built = contestant.closed_loop(store).build()
            loops[contestant.name] = plant, _Timed(built)
        robot = self.contestants[0].setup.build_robot()
        episodes: list[dict[str, Any]] = []
        kept: dict[str, list[FloatArray]] = {}
        for task in self.tasks.sample(robot):
            for name, (plant, controller) in loops.items():
                episode = run_episode(plant, controller, task, self.duration)
                seconds = np.array(controller.solve_seconds)
                figures = measure_motion(episode, robot)
                figures |= {"contestant": name, "first solve": float(seconds[0])}
                episodes.append(figures)
                motion = traces(episode, robot)
                arrays = {
                    "error": motion.error,
                    "speed": motion.speed,
                    "torque": motion.torque,
                    "solve": seconds[1:],
                    "step": episode.step_time[1:],
                }
                for key, value in arrays.items():
                    kept.setdefault(f"{name}/{key}", []).append(value)
        packed: dict[str, Any] = {key: np.array(values, np.float32) for key, values in kept.items()}
        np.savez_compressed(folder / TRACES, **packed)
        return {"episodes": episodes}


class _Timed:
    """A controller whose solver's time is noted in every step."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.name, self.control_period = controller.name, controller.control_period
        self.solve_seconds: list[float] = []

    @property
    def reference(self) -> FloatArray | None:
        return getattr(self._controller, "reference", None)

    def reset(self, task: Task) -> None:
        self.solve_seconds = []
        self._controller.reset(task)

    def act(self, measurement: Measurement) -> FloatArray:
        return self._controller.act(measurement)

    @property
    def last_step(self) -> StepRecord:
        """Read once after every step, when `act` has been timed: putting it together is not its work."""
        step = self._controller.last_step
        self.solve_seconds.append(step.solve_seconds)
        return step

    @last_step.setter
    def last_step(self, step: StepRecord) -> None:
        self._controller.last_step = step
