"""Figures of studies: a figure of merit against a quantity, or of several methods, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ampc.report.canvas import Point, add_legend, add_marks, colors_of, lay_out, reaches, to_png
from ampc.report.plotting import plain_decades, styled

__all__ = ["Panel", "Point", "draw_panels"]


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    """What it is of."""
    series: Mapping[str, Mapping[float | str, Point]]
    """Figures by method (legend) and place on the horizontal axis: a number, or a word."""
    label: str
    """Vertical axis, with unit."""
    x_label: str = ""
    """Horizontal axis, with unit."""
    log_x: bool = False
    """Whether the horizontal axis is logarithmic."""
    log_y: bool = False
    """Whether the vertical axis is logarithmic."""
    marks: Mapping[str, float] = field(default_factory=dict)
    """Horizontal lines with their names, such as a bound."""


@styled
def draw_panels(panels: Sequence[Panel], columns: int = 2, share_y: bool = False) -> bytes:
    """Draw panels side by side, with one legend, as PNG.

    Numbers on the horizontal axis make lines with bands, words make dots with bars.
    """
    figure, axes = lay_out(len(panels), columns, 2.7, sharey=share_y)
    colors = colors_of(name for panel in panels for name in panel.series)
    handles: dict[str, Any] = {}
    for axis, panel in zip(axes, panels, strict=True):
        handles |= _draw(axis, panel, colors)
    add_legend(figure, {name: handles[name] for name in colors})
    return to_png(figure)


def _draw(axis: Axes, panel: Panel, colors: Mapping[str, str]) -> dict[str, Any]:
    places = list(dict.fromkeys(place for points in panel.series.values() for place in points))
    words = any(isinstance(place, str) for place in places)
    handles: dict[str, Any] = {}
    for rank, (name, points) in enumerate(panel.series.items()):
        shift = 0.6 * ((rank + 0.5) / len(panel.series) - 0.5) if words else 0.0
        x = np.array([places.index(place) + shift if words else float(place) for place in points])
        y, low, high = (np.array([point[i] for point in points.values()], dtype=float) for i in range(3))
        if words:
            handles[name] = axis.errorbar(
                x, y, reaches(list(points.values())),
                fmt="o", color=colors[name], markersize=4.5, elinewidth=1.4,
            )  # fmt: skip
        else:
            (handles[name],) = axis.plot(x, y, "o-", color=colors[name], markersize=4)
            axis.fill_between(x, low, high, color=colors[name], alpha=0.15, linewidth=0)
    axis.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.label)
    if panel.log_y:
        axis.set_yscale("log")
        plain_decades(axis, "y")
    if words:
        turn = 25 if sum(map(len, map(str, places))) > 60 else 0
        axis.set_xticks(range(len(places)), [str(place) for place in places], rotation=turn)
        axis.grid(axis="x", visible=False)
    elif panel.log_x:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator([float(place) for place in places]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    add_marks(axis, panel.marks)
    return handles
