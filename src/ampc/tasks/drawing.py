"""What all samplers of tasks share: random numbers that belong to one task alone, and its plant."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.robot import HalfSpace, Robot
from ampc.tasks.task import PlantVariation, Task
from ampc.tasks.variation import VariationSettings

_TASK_STREAM, _VARIATION_STREAM, _OBSTACLE_STREAM = 0, 1, 2


@dataclass(frozen=True)
class Drawing:
    """Consecutive tasks of one region, on the way from random numbers to tasks.

    The random numbers of a task depend on the seed, the region and its index alone, and those of its plant
    and of its obstacles are apart from those of its start and goal: other variations leave both as they are.
    """

    robot: Robot
    """The arm."""
    variation: VariationSettings
    """How its plants vary."""
    region: str
    """Name of the region."""
    region_number: int
    """Its place among the regions."""
    seed: int
    """Seed of the task set."""
    indices: range
    """Which tasks."""
    generators: list[np.random.Generator] = field(init=False)
    """Random numbers for start and goal of each task."""
    _noise_seeds: list[int] = field(init=False)

    def __post_init__(self) -> None:
        generators = [self._generator(index, _TASK_STREAM) for index in self.indices]
        object.__setattr__(self, "generators", generators)
        object.__setattr__(self, "_noise_seeds", [int(each.integers(2**31)) for each in generators])

    def tasks(
        self,
        starts: FloatArray,
        goals: FloatArray,
        witnesses: FloatArray,
        obstacles: Sequence[tuple[HalfSpace, ...]] | None = None,
    ) -> list[Task]:
        """The tasks with these starts (B, m) [rad], goals (B, 3) [m] and witnesses (B, m) [rad].

        Args:
            starts: Positions of the motors.
            goals: Of the end effector.
            witnesses: Positions of the motors at the goals.
            obstacles: Those of each task (B,); None for the robot's.
        """
        places = [None] * len(self.indices) if obstacles is None else obstacles
        rows = zip(self.indices, starts, goals, witnesses, self._noise_seeds, places, strict=True)
        return [
            Task(index, self.region, start, goal, witness, noise_seed, self._vary(index), place)
            for index, start, goal, witness, noise_seed, place in rows
        ]

    def of_obstacles(self) -> list[np.random.Generator]:
        """Random numbers for the obstacles of each task."""
        return [self._generator(index, _OBSTACLE_STREAM) for index in self.indices]

    def _vary(self, index: int) -> PlantVariation:
        if self.variation.nominal:
            return PlantVariation()
        return self.variation.sample(self._generator(index, _VARIATION_STREAM), self.robot)

    def _generator(self, index: int, stream: int) -> np.random.Generator:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.region_number, index, stream))
        return np.random.default_rng(sequence)
