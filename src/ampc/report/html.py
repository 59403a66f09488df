"""Writes the report: one HTML file that needs nothing else, neither files beside it nor a network."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from ampc.report import figures
from ampc.report.data import Cell, Column, ReportData, Section, Table
from ampc.report.style import Palette, number
from ampc.report.video import HOW_TO_INSTALL, RenderingUnavailableError, VideoSettings, film

NOT_RECORDED = "This run did not record it."
MOST_TRACES = 3
MOST_VIDEOS = 2


@dataclass
class Part:
    """A section of the page, ready for the template."""

    key: Section
    """Its anchor."""
    title: str
    """Its heading."""
    short: str
    """Its name in the navigation."""
    lead: str
    """What it shows and how to read it."""
    tables: Sequence[Table] = ()
    """Tables."""
    images: list[tuple[str, str]] = field(default_factory=list)
    """Figures: data URI and what it shows, for those who cannot see it."""
    videos: list[tuple[str, str]] = field(default_factory=list)
    """Videos: data URI and caption."""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values."""
    absent: str = ""
    """Why the section is empty."""


def write_report(data: ReportData, path: Path, video: VideoSettings | None = None) -> Path:
    """Write the report of a run.

    Args:
        data: What to show.
        path: File to write.
        video: Size and pace of the videos.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(data, video), encoding="utf-8")
    return path


def render(data: ReportData, video: VideoSettings | None = None) -> str:
    """The report as one HTML text."""
    palette = Palette(data.controllers, data.expert, data.policy)
    environment = Environment(
        loader=PackageLoader("ampc.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["cell"] = cell
    return environment.get_template("report.html.j2").render(
        data=data, palette=palette, parts=list(_parts(data, palette, video)), verdicts=data.verdicts or ()
    )


def cell(value: Cell, column: Column) -> str:
    """A table cell as text."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else number(value, column.digits)


def _parts(data: ReportData, palette: Palette, video: VideoSettings | None) -> list[Part]:
    pair = tuple(dict.fromkeys((data.expert, data.policy)))
    parts = [
        Part(
            "verdicts",
            "Verdicts",
            "Verdicts",
            "What was claimed and what was measured. A verdict judges the figure itself; it is marked as "
            "close where the confidence interval reaches across the bound.",
        ),
        Part(
            "comparison",
            "Comparison",
            "Comparison",
            "All controllers on the same tasks, by region of the workspace.",
            tables=data.comparison or (),
        ),
        Part(
            "errors",
            "Error over time",
            "Error",
            "Distance of the end effector from its goal: median over tasks and, for expert and policy, the "
            "band that holds the middle 90 % of the tasks.",
        ),
        Part(
            "workspace",
            "Success over the workspace",
            "Workspace",
            "Every dot is the goal of one task, coloured by the error that remained; a red cross is a "
            "failure. Left: from the side. Right: from above.",
        ),
        Part(
            "video",
            "Side by side" if len(pair) > 1 else "Film",
            "Video",
            f"The same task under {' and '.join(pair)}." if len(pair) > 1 else "The arm, slowed down.",
        ),
        Part(
            "torques",
            "Joint torques",
            "Torques",
            "Torques that the plant applied, after its limits.",
        ),
        Part(
            "latency",
            "Time per control step",
            "Latency",
            "Wall time from measurement to torque. What lies right of the dashed line misses its deadline.",
        ),
        Part(
            "training",
            "Training",
            "Training",
            "Loss on the commands of the expert, in units of their spread.",
        ),
        Part(
            "dataset",
            "Demonstrations",
            "Data",
            "What the policies learned from.",
            tables=[data.dataset.columns] if data.dataset and data.dataset.columns else (),
            facts=data.dataset.facts if data.dataset else (),
        ),
        Part(
            "ik",
            "Inverse kinematics",
            "Kinematics",
            "How often it converges within its budget, by region.",
            tables=[data.ik] if data.ik else (),
        ),
    ]
    shown = [part for part in parts if data.sections is None or part.key in data.sections]
    for part in shown:
        _fill(part, data, palette, pair, video)
    return shown


def _fill(
    part: Part, data: ReportData, palette: Palette, pair: tuple[str, ...], video: VideoSettings | None
) -> None:
    """Draw what a section shows, or say why it is empty."""
    source = {
        "video": data.traces if data.robot else None,
        "torques": data.traces,
        "latency": data.step_times,
    }.get(part.key, getattr(data, part.key, None))
    if part.key in data.missing or not source:
        part.absent = data.missing.get(part.key, NOT_RECORDED)
        return
    traces = (data.traces or ())[:MOST_TRACES]
    if part.key == "errors" and data.errors:
        svg = figures.error_over_time(data.errors, palette, data.success_threshold)
        part.images.append((_svg(svg), "End-effector error over time by region and controller"))
    elif part.key == "workspace" and data.workspace:
        svg = figures.workspace(data.workspace, palette, data.success_threshold)
        part.images.append((_svg(svg), "Goals in the r-z and x-y planes, coloured by steady error"))
    elif part.key == "torques":
        count = traces[0].torque[data.expert].shape[1]
        names, limits = _actuated(data, count)
        part.images.append(
            (
                _svg(figures.torques(traces, pair, names, limits, palette)),
                "Joint torques over time against limits",
            )
        )
    elif part.key == "latency" and data.step_times:
        svg = figures.latency(data.step_times, palette, data.control_period)
        part.images.append((_svg(svg), "Distribution of the time per control step by controller"))
    elif part.key == "training" and data.training:
        part.images.append((_svg(figures.training(data.training, palette)), "Loss over epochs"))
    elif part.key == "video" and data.robot:
        try:
            for trace in traces[:MOST_VIDEOS]:
                mp4 = film(data.robot, trace, pair, palette, video)
                part.videos.append((_uri("video/mp4", mp4), trace.title))
        except RenderingUnavailableError as error:
            part.absent = (
                f"The video could not be drawn off-screen on this machine ({error}). {HOW_TO_INSTALL}"
            )


def _actuated(data: ReportData, count: int) -> tuple[list[str], np.ndarray]:
    """Names and torque limits of the actuated joints."""
    if data.robot is None:
        return [f"joint {i + 1}" for i in range(count)], np.full((count, 2), np.nan)
    return [data.robot.joint_names[i] for i in data.robot.actuated], data.robot.torque_limits


def _svg(text: str) -> str:
    return _uri("image/svg+xml", text.encode())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
