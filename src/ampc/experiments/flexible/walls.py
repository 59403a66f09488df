"""Trials of controllers on tasks that have a wall of their own, as cells."""

from dataclasses import dataclass, replace

from ampc.experiments.flexible.trial import FlexibleTasks, FlexibleTrial
from ampc.robots import Robot
from ampc.tasks import FlexibleTaskSampler, FlexibleTaskSettings, Task, WallSettings


@dataclass(frozen=True, kw_only=True)
class WalledTasks(FlexibleTasks):
    """`FlexibleTasks` with a wall that is drawn for each; plants and noise are those without."""

    walls: WallSettings
    """Where walls stand."""

    def sample(self, robot: Robot) -> list[Task]:
        """Draw them for a simulated arm."""
        sampler = FlexibleTaskSampler(robot, FlexibleTaskSettings(walls=self.walls))
        walled = sampler.sample(self.count, self.region, self.seed, self.first)
        return [
            replace(task, variation=plain.variation)
            for task, plain in zip(walled, super().sample(robot), strict=True)
        ]


@dataclass(frozen=True)
class WalledTrial(FlexibleTrial):
    """A `FlexibleTrial` on such tasks."""

    tasks: WalledTasks


def walled(tasks: FlexibleTasks, walls: WallSettings) -> WalledTasks:
    """The same tasks, with a wall that is drawn for each."""
    return WalledTasks(**vars(tasks), walls=walls)


def among_walls(trial: FlexibleTrial, walls: WallSettings) -> WalledTrial:
    """A trial on the same tasks, with a wall that is drawn for each."""
    return WalledTrial(**vars(trial) | {"tasks": walled(trial.tasks, walls)})
