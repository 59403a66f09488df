"""Tasks: where an arm starts, where it has to go, and which plant it meets.

Tasks are data. They are sampled once, each from its own seed, written down, and the same for every controller
that is compared on them.
"""

from ampc.tasks.convergence import ConvergenceRow, convergence_by_region
from ampc.tasks.flexible import FLEXIBLE_REGIONS, FlexibleRegion, FlexibleTaskSampler, FlexibleTaskSettings
from ampc.tasks.goals import GoalCheck, check_goals, task_for_goal
from ampc.tasks.obstacles import WallSettings, among
from ampc.tasks.sampler import TaskSampler, TaskSettings
from ampc.tasks.storage import load_tasks, save_tasks
from ampc.tasks.task import PlantVariation, Task
from ampc.tasks.variation import VARIATIONS, VariationSettings
from ampc.tasks.workspace import REGIONS, Region, RegionSettings, Workspace

__all__ = [
    "FLEXIBLE_REGIONS",
    "REGIONS",
    "VARIATIONS",
    "ConvergenceRow",
    "FlexibleRegion",
    "FlexibleTaskSampler",
    "FlexibleTaskSettings",
    "GoalCheck",
    "PlantVariation",
    "Region",
    "RegionSettings",
    "Task",
    "TaskSampler",
    "TaskSettings",
    "VariationSettings",
    "WallSettings",
    "Workspace",
    "among",
    "check_goals",
    "convergence_by_region",
    "load_tasks",
    "save_tasks",
    "task_for_goal",
]
