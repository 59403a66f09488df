"""What all figures share: the style, the logarithmic axes and the way out as SVG."""

import io
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ampc.report.style import FONTS, RC, quantity

P = ParamSpec("P")
R = TypeVar("R")

ERROR_FLOOR = 1e-6
"""Figures of errors begin here: what is smaller leaves them at the bottom [m]."""
SMALLEST = 1e-12
"""Stands for zero on a logarithmic axis [m]."""


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function in the report's style, whatever the user's Matplotlib settings are."""

    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(cast(Any, RC))
            return draw(*args, **kwargs)

    wrapper.__name__, wrapper.__doc__ = draw.__name__, draw.__doc__
    return wrapper


def to_svg(figure: Figure) -> str:
    """The figure as an SVG text in the page's fonts, the same for the same data."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg") :].replace("'DejaVu Sans'", FONTS)


def plain_decades(axis: Any, which: str, most: int = 8) -> None:
    """Label powers of ten as plain numbers, such as 0.1, 1, 10; where hardly one is seen, numbers between."""
    target = axis.yaxis if which == "y" else axis.xaxis
    low, high = axis.get_ylim() if which == "y" else axis.get_xlim()
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    every = -(-(last - first + 1) // most)
    powers = [10.0**k for k in range(first, last + 1) if k % every == 0]
    for digits in ((1,), (1, 2, 5), range(1, 10)):
        ticks = [digit * power for power in powers for digit in digits]
        if every > 1 or sum(low <= tick <= high for tick in ticks) > 1:
            break
    target.set_major_locator(FixedLocator(ticks))
    target.set_minor_locator(NullLocator())
    target.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def time_decades(axis: Axes) -> None:
    """Label a logarithmic axis in microseconds as 1 µs, 10 µs, ... 1 s."""
    plain_decades(axis, "x")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(1e-6 * value, "s", 1)))
