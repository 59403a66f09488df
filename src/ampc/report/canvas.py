"""What all figures of studies share: size, colours, the legend and the way out as PNG."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ampc.report.style import BAD, EXPERT, MUTED, OTHERS, POLICY

COLORS = (EXPERT, POLICY, *OTHERS)
WIDTH = 9.0
"""Width of a figure [inch]."""
_HANDLE, _LETTER = 0.5, 0.065
"""Room in a legend for the mark of an entry and for a letter of its name [in]."""

Side = Literal["left", "right"]
_PLACES: dict[Side, Literal["outside upper left", "outside upper right"]] = {
    "left": "outside upper left",
    "right": "outside upper right",
}

Point = tuple[float, float, float]
"""A figure, and the lower and upper end of its interval."""


def lay_out(panels: int, columns: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with axes for so many panels, row by row; places that stay empty are not shown.

    Args:
        panels: Number of panels.
        columns: Panels side by side, at most.
        height: Height of a row [in].
        options: Of `Figure.subplots`, such as which axes have the same limits.
    """
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(WIDTH, 0.5 + height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axis in axes[panels:]:
        axis.set_axis_off()
    return figure, axes[:panels]


def colors_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, the same for the same order of names."""
    return {name: COLORS[i % len(COLORS)] for i, name in enumerate(dict.fromkeys(names))}


def add_legend(figure: Figure, handles: Mapping[str, Any], side: Side = "left", share: float = 1.0) -> None:
    """Put one legend above all panels, in as many lines as it takes; none for a single name.

    Args:
        figure: Where.
        handles: What is shown, by name.
        side: At which end it begins.
        share: How much of the width it may take.
    """
    if len(handles) > 1:
        columns = int(share * WIDTH / (_HANDLE + _LETTER * max(map(len, handles))))
        figure.legend(
            list(handles.values()), list(handles), loc=_PLACES[side],
            ncols=max(1, min(columns, len(handles))),
        )  # fmt: skip


def add_marks(axis: Axes, marks: Mapping[str, float], vertical: bool = False) -> None:
    """Draw lines with their names, such as a bound, across the panel; those that coincide share one."""
    for level in dict.fromkeys(marks.values()):
        names = ", ".join(name for name, own in marks.items() if own == level)
        draw = axis.axvline if vertical else axis.axhline
        draw(level, color=BAD, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        data, share = "data", "axes fraction"
        axis.annotate(
            names, (level, 1.0) if vertical else (0.0, level),
            xycoords=(data, share) if vertical else (share, data),
            xytext=(3, -2) if vertical else (3, 3), textcoords="offset points",
            va="top" if vertical else "baseline", color=MUTED, fontsize=7.5,
        )  # fmt: skip


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG image, the same for the same data."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130, metadata={"Software": None})
    return file.getvalue()


def reaches(points: Sequence[Point]) -> np.ndarray:
    """How far intervals reach below and above their figures (2, N), as error bars want it."""
    middle, low, high = (np.array([point[i] for point in points], dtype=float) for i in range(3))
    return np.array([np.maximum(middle - low, 0.0), np.maximum(high - middle, 0.0)])
