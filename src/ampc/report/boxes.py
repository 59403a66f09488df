"""Box plots of studies: quartiles, median, whiskers and outliers of a figure by method and condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ampc.arrays import FloatArray
from ampc.report.canvas import add_legend, add_marks, colors_of, lay_out, to_png
from ampc.report.plotting import SMALLEST, plain_decades, styled

WHISKER = 1.5
"""Whiskers reach the last value within so many interquartile ranges of the box (Tukey)."""
BEYOND = 2.0
"""Infinite values are drawn at so many times the largest finite one, on a line that says so."""
CAPTION = (
    "Boxes: quartiles and median of the tasks, all seeds together; whiskers reach the last value within 1.5 "
    "interquartile ranges, what is beyond is a dot."
)
"""What a figure shows, where tasks and seeds are pooled."""
_BOX, _GAP = 0.2, 0.14
"""Height of a box, and of the room between two rows [in]."""


@dataclass(frozen=True)
class BoxPanel:
    """One pair of axes: a row for each method, in it a box for each condition; the figure's axis is level."""

    title: str
    """What it is of."""
    series: Mapping[str, Mapping[str, FloatArray]]
    """Values that are not negative, infinite ones included, by condition (legend) and method (row)."""
    label: str
    """What they are, with unit."""
    marks: Mapping[str, float] = field(default_factory=dict)
    """Vertical lines with their names, such as a bound."""


@dataclass(frozen=True)
class Box:
    """What is drawn of a set of values. All five are values of the set."""

    median: float
    """Half of the values are not larger."""
    low: float
    """Lower quartile."""
    high: float
    """Upper quartile."""
    whisker_low: float
    """Smallest value within `WHISKER` interquartile ranges of the box."""
    whisker_high: float
    """Largest value within as many."""
    outliers: FloatArray
    """Values beyond the whiskers, in order."""


def box_of(values: FloatArray) -> Box:
    """Summarise values (N,); quartiles are not interpolated, so that infinite ones stay what they are."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    low, median, high = np.quantile(ordered, (0.25, 0.5, 0.75), method="inverted_cdf").tolist()
    inside = np.ones(len(ordered), dtype=bool)
    if np.isfinite(high):
        reach = WHISKER * (high - low)
        inside = (ordered >= low - reach) & (ordered <= high + reach)
    return Box(
        median=median,
        low=low,
        high=high,
        whisker_low=float(ordered[inside][0]),
        whisker_high=float(ordered[inside][-1]),
        outliers=ordered[~inside],
    )


@styled
def draw_boxes(panels: Sequence[BoxPanel], columns: int = 2, floor: float = SMALLEST) -> bytes:
    """Draw panels side by side on the same logarithmic axis, with one legend, as PNG.

    Args:
        panels: What to draw.
        columns: Panels side by side, at most.
        floor: What is less is drawn here.
    """
    colors = colors_of(name for panel in panels for name in panel.series)
    rows = {method: None for panel in panels for boxes in panel.series.values() for method in boxes}
    height = 0.65 + len(rows) * (_BOX * len(colors) + _GAP)
    figure, axes = lay_out(len(panels), columns, height, sharex=True, sharey=True)
    every = [values for panel in panels for boxes in panel.series.values() for values in boxes.values()]
    finite = np.concatenate([np.ravel(values) for values in every])
    largest = BEYOND * float(np.max(finite, initial=floor, where=np.isfinite(finite)))
    for axis, panel in zip(axes, panels, strict=True):
        _draw(axis, panel, list(rows), colors, (floor, largest))
    for axis in axes:
        axis.set_xscale("log")
        plain_decades(axis, "x")
        axis.xaxis.set_tick_params(labelbottom=True)
    add_legend(figure, {name: Patch(fc=_pale(color), ec=color) for name, color in colors.items()})
    return to_png(figure)


def _draw(
    axis: Axes, panel: BoxPanel, rows: Sequence[str], colors: Mapping[str, str], ends: tuple[float, float]
) -> None:
    share = _BOX / (_BOX * len(colors) + _GAP)
    for rank, condition in enumerate(colors):
        boxes = panel.series.get(condition, {})
        if not boxes:
            continue
        places = [rows.index(method) + share * (rank - 0.5 * (len(colors) - 1)) for method in boxes]
        stats = [_drawable(box_of(values), ends) for values in boxes.values()]
        color = colors[condition]
        axis.bxp(
            stats, positions=places, orientation="horizontal", widths=0.78 * share, patch_artist=True,
            capwidths=0.4 * share, boxprops={"fc": _pale(color), "ec": color, "lw": 0.9},
            medianprops={"color": color, "lw": 2.2, "solid_capstyle": "butt"},
            whiskerprops={"color": color, "lw": 0.9}, capprops={"color": color, "lw": 0.9},
            flierprops={"marker": "o", "ms": 2.6, "mfc": color, "mec": "none", "alpha": 0.6},
        )  # fmt: skip
    if any(np.isinf(values).any() for boxes in panel.series.values() for values in boxes.values()):
        add_marks(axis, {"never": ends[1]}, vertical=True)
    axis.set(title=panel.title, xlabel=panel.label)
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    add_marks(axis, panel.marks, vertical=True)


def _drawable(box: Box, ends: tuple[float, float]) -> dict[str, Any]:
    """A box as Matplotlib wants it, within what the axis shows."""

    def shown(value: float) -> float:
        return float(np.clip(value, *ends))

    return {
        "med": shown(box.median), "q1": shown(box.low), "q3": shown(box.high),
        "whislo": shown(box.whisker_low), "whishi": shown(box.whisker_high),
        "fliers": np.clip(box.outliers, *ends),
    }  # fmt: skip


def _pale(color: str) -> tuple[str, float]:
    return color, 0.22
