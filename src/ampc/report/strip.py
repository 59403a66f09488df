"""The error curves at the foot of a video."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ampc.arrays import FloatArray
from ampc.report.plotting import ERROR_FLOOR, SMALLEST, plain_decades, styled
from ampc.report.style import Palette


@dataclass(frozen=True, eq=False)
class Strip:
    """Error curves as two pictures, so that a video shows them growing."""

    full: NDArray[np.uint8]
    """Curves in colour (height, width, 3)."""
    faint: NDArray[np.uint8]
    """Curves yet to come."""
    left: float
    """Column of time zero [pixels]."""
    scale: float
    """Pixels per second."""
    top: int
    """Rows above the axes [pixels]."""
    bottom: int
    """Rows below the axes [pixels]."""

    def column(self, time: float) -> int:
        """Column of a time [s]."""
        return round(self.left + self.scale * time)


@styled
def error_strip(
    time: FloatArray, error: Mapping[str, FloatArray], palette: Palette, width: int, height: int, end: float
) -> Strip:
    """Error over time of one task, for the foot of a video [pixels]."""
    pictures = []
    left, right, top, bottom = 78, 28, 12, 36
    shown = time <= end + 1e-9
    for alpha in (1.0, 0.18):
        figure = Figure(figsize=(width / 100, height / 100), dpi=100)
        axis = figure.add_axes((
            left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height,
        ))  # fmt: skip
        for index, (name, values) in enumerate(error.items()):
            style: Any = "-" if index == 0 else (0, (4, 1.6))
            values = np.maximum(values, SMALLEST) * 1e3
            axis.plot(
                time[shown],
                values[shown],
                color=palette.color(name),
                alpha=alpha,
                linewidth=2.2,
                linestyle=style,
            )
        axis.set(yscale="log", xlim=(0, end))
        axis.set_ylim(bottom=max(axis.get_ylim()[0], 1e3 * ERROR_FLOOR))
        axis.set_ylabel("error [mm]", fontsize=9.5)
        axis.set_xlabel("time [s]", fontsize=9.5, labelpad=1)
        axis.tick_params(labelsize=9)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        plain_decades(axis, "y", most=6)
        pictures.append(_pixels(figure))
    scale = (width - left - right) / end
    return Strip(pictures[0], pictures[1], left, scale, top, bottom)


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
