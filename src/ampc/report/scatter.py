"""Scatter of studies: how far, how safe and how fast each method is under each condition, in one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from ampc.report.canvas import Point, add_legend, add_marks, colors_of, lay_out, reaches, to_png
from ampc.report.plotting import plain_decades, styled, time_decades
from ampc.report.style import MUTED

SHAPES = ("o", "s", "^", "D", "v", "P")
LINEAR = 1.0
"""Shares are drawn linearly up to here and logarithmically beyond, so that none at all has a place [%]."""


@dataclass(frozen=True)
class Spot:
    """A method under a condition."""

    method: str
    """Its colour."""
    condition: str
    """Its shape."""
    distance: Point
    """Distance with its interval, in the unit of the axis."""
    violations: Point
    """Share of episodes with a violation, with its interval [%]."""
    time: Point
    """Time of a control step, and what it spreads over [us]."""


@styled
def draw_scatter(
    spots: Sequence[Spot],
    label: str,
    period: float,
    title: str = "",
    hollow: Mapping[str, str] | None = None,
) -> bytes:
    """Draw violations against distance on the left and against time on the right, as PNG.

    Args:
        spots: What to draw.
        label: What the distance is, with unit.
        period: Time that a control step has [s], which is marked.
        title: What all of it is of.
        hollow: Methods that are drawn hollow, and the method whose colour each has: the same one, without
            a filter.
    """
    hollow = hollow or {}
    methods = list(dict.fromkeys(spot.method for spot in spots))
    plain = colors_of(hollow.get(method, method) for method in methods)
    colors = {method: plain[hollow.get(method, method)] for method in methods}
    conditions = list(dict.fromkeys(spot.condition for spot in spots))
    shapes = {name: SHAPES[i % len(SHAPES)] for i, name in enumerate(conditions)}
    figure, (left, right) = lay_out(2, 2, 3.6, sharey=True)
    for spot in spots:
        style = _style(colors[spot.method], shapes[spot.condition], spot.method in hollow)
        for axis, value in ((left, spot.distance), (right, spot.time)):
            axis.errorbar(
                value[0], spot.violations[0], reaches([spot.violations]), reaches([value]),
                elinewidth=0.8, ecolor=(colors[spot.method], 0.4), **style,
            )  # fmt: skip
    _axes(left, right, label, 1e6 * period)
    left.set_title(title)
    add_marks(right, {f"{1e3 * period:g} ms": 1e6 * period}, vertical=True)
    room = 0.55 if len(conditions) > 1 else 1.0
    add_legend(
        figure, {name: Line2D([], [], **_style(colors[name], "o", name in hollow)) for name in methods},
        share=room,
    )  # fmt: skip
    shown = {name: Line2D([], [], **_style(MUTED, shape, False)) for name, shape in shapes.items()}
    add_legend(figure, shown, "right", 1.0 - room)
    return to_png(figure)


def _style(color: str, shape: str, hollow: bool) -> dict[str, Any]:
    """Of a mark."""
    return {
        "marker": shape, "color": color, "linestyle": "none", "markersize": 6.0, "markeredgewidth": 1.3,
        "markerfacecolor": "white" if hollow else color,
    }  # fmt: skip


def _axes(left: Axes, right: Axes, label: str, period: float) -> None:
    left.set(xlabel=label, ylabel="episodes with a violation [%]", xscale="log")
    right.set(xlabel="time of a control step", xscale="log")
    left.set_yscale("symlog", linthresh=LINEAR, linscale=0.4)
    highest = left.get_ylim()[1]
    left.set_ylim(-0.35 * LINEAR, max(highest, 1.3 * LINEAR))
    left.set_yticks([0.0, *(10.0**k for k in range(int(np.ceil(np.log10(highest))) + 1) if 10**k <= 100)])
    left.yaxis.set_minor_locator(NullLocator())
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    fastest, slowest = right.get_xlim()
    right.set_xlim(10.0 ** np.floor(np.log10(fastest)), max(slowest, 2.0 * period))
    plain_decades(left, "x")
    time_decades(right)
