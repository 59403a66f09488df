"""Everything a report shows, as plain arrays and rows; a part that is None was not recorded in the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ampc.arrays import BoolArray, FloatArray
from ampc.evaluation.verdicts import Verdict
from ampc.robots.robot import Robot

Section = Literal[
    "verdicts",
    "comparison",
    "errors",
    "workspace",
    "video",
    "torques",
    "latency",
    "training",
    "dataset",
    "ik",
]
"""The sections of a report after its header."""

Cell = str | float | None
"""A table cell; None is shown as a dash."""


@dataclass(frozen=True)
class Headline:
    """One figure of the header."""

    value: str
    """The figure with its unit, such as ``99.9 %``."""
    label: str
    """What it is, such as ``policy success, interior``."""
    note: str = ""
    """What to compare it with, such as ``expert 100 %``."""


@dataclass(frozen=True)
class Column:
    """Heading and number format of one table column."""

    title: str
    """Heading."""
    unit: str = ""
    """Unit, shown under the heading."""
    digits: int = 2
    """Digits after the decimal point of numeric cells."""


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    title: str
    """Caption; for the comparison, the region."""
    columns: tuple[Column, ...]
    """Columns, the first being the row names."""
    rows: tuple[tuple[Cell, ...], ...]
    """Cells in the units of the columns."""
    note: str = ""
    """How to read it, in one sentence."""


@dataclass(frozen=True, eq=False)
class ErrorCurves:
    """End-effector error over time of paired tasks in one region."""

    region: str
    """Workspace region."""
    time: FloatArray
    """Time since the start (T,) [s]."""
    errors: Mapping[str, FloatArray]
    """Controller to distances from the goal (N, T) [m]."""


@dataclass(frozen=True, eq=False)
class WorkspaceMap:
    """Where one controller succeeded."""

    controller: str
    """Controller's name."""
    goals: FloatArray
    """Goals, world frame (N, 3) [m]."""
    success: BoolArray
    """Whether each task succeeded (N,)."""
    final_error: FloatArray
    """Steady end-effector error of each task (N,) [m]."""
    regions: tuple[str, ...]
    """Region of each task (N,)."""


@dataclass(frozen=True, eq=False)
class TaskTrace:
    """The same task driven by several controllers."""

    title: str
    """Name of the task, such as ``interior, task 3``."""
    goal: FloatArray
    """End-effector goal, world frame (3,) [m]."""
    time: FloatArray
    """Times of the rows (T,) [s]."""
    q: Mapping[str, FloatArray]
    """Controller to true joint positions (T, n) [rad]."""
    dq: Mapping[str, FloatArray]
    """Controller to true joint velocities (T, n) [rad/s]."""
    end_effector: Mapping[str, FloatArray]
    """Controller to true end-effector positions, world frame (T, 3) [m]."""
    torque: Mapping[str, FloatArray]
    """Controller to torques applied by the plant, held over each period (T, m) [N m]."""


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """Losses of one policy's training."""

    policy: str
    """Name of the policy."""
    epoch: FloatArray
    """Epoch numbers (E,)."""
    training_loss: FloatArray
    """Training loss (E,)."""
    validation_loss: FloatArray
    """Validation loss (E,)."""


@dataclass(frozen=True)
class DatasetSection:
    """What the policies learned from."""

    facts: tuple[tuple[str, str], ...]
    """Name and value, such as ``("episodes", "5,000")``."""
    columns: Table | None = None
    """Mean, deviation and range of the stored quantities."""


@dataclass(frozen=True, eq=False)
class ReportData:
    """One run, ready to be drawn. Controllers keep the order of `controllers` and its colours everywhere."""

    title: str
    """Name of the run."""
    summary: str
    """What was run, in one or two sentences."""
    facts: tuple[tuple[str, str], ...]
    """Provenance: name and value, such as ``("commit", "1a2b3c4")``."""
    expert: str
    """Controller that the policy imitates."""
    policy: str
    """Policy that the verdicts are about."""
    controllers: tuple[str, ...]
    """All compared controllers, in the order of tables and legends."""
    control_period: float
    """Period of the control loop [s]."""
    success_threshold: float = 0.01
    """Largest error of a successful task in its final window [m]."""
    headlines: tuple[Headline, ...] = ()
    """Figures of the header, at most six."""
    verdicts: tuple[Verdict, ...] | None = None
    """The study's claims."""
    comparison: tuple[Table, ...] | None = None
    """One table per region, one row per controller."""
    errors: tuple[ErrorCurves, ...] | None = None
    """Error over time, one per region."""
    workspace: tuple[WorkspaceMap, ...] | None = None
    """Success over the workspace, one per controller shown (usually expert and policy)."""
    traces: tuple[TaskTrace, ...] | None = None
    """Tasks whose torques and video are shown."""
    robot: Robot | None = None
    """The arm; the video and the torque limits need it."""
    step_times: Mapping[str, FloatArray] | None = None
    """Controller to wall times of its control steps (S,) [s]."""
    training: tuple[TrainingCurve, ...] | None = None
    """Training curves, one per policy."""
    dataset: DatasetSection | None = None
    """What the policies learned from."""
    ik: Table | None = None
    """Convergence of the inverse kinematics by region."""
    missing: Mapping[Section, str] = field(default_factory=dict)
    """Why a section has no data, for the sections that are left out."""
    sections: tuple[Section, ...] | None = None
    """Sections to show; None for all, those without data saying why."""
