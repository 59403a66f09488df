"""One look for figures, video and page: colours by controller, type, and number formats."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl

INK = "#1b2733"
MUTED = "#5d6b78"
RULE = "#d5dbe1"
GOAL = "#e69f00"
GOOD = "#00735c"
BAD = "#b3261e"
EXPERT = "#1f3a5f"
POLICY = "#d55e00"
OTHERS = ("#009e73", "#56b4e9", "#cc79a7", "#8c6d31", "#7a7a7a", "#0072b2", "#b8a000", "#5b4a9e")
"""After Okabe and Ito's colours, which colour-blind readers tell apart."""
DASHES: tuple[Any, ...] = ("-", "-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)))

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7.0,
    "axes.labelsize": 8.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#9aa6b1",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6eaee",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": "#9aa6b1",
    "ytick.color": "#9aa6b1",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.7,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "ampc",
    "mathtext.default": "regular",
}


class Palette:
    """Colour and dash of every controller, the same in each figure, table and frame."""

    def __init__(self, controllers: Sequence[str], expert: str, policy: str) -> None:
        """Give the expert and the policy their fixed colours and the others the rest in order."""
        others = [name for name in controllers if name not in (expert, policy)]
        order = [expert, policy, *others]
        colors = (EXPERT, POLICY, *(OTHERS[i % len(OTHERS)] for i in range(len(others))))
        self._color = dict(zip(order, colors, strict=True))
        self._main = (expert, policy)
        self._dash = {name: DASHES[i % len(DASHES)] for i, name in enumerate(order)}

    def color(self, controller: str) -> str:
        """Colour as ``#rrggbb``."""
        return self._color.get(controller, MUTED)

    def dash(self, controller: str) -> Any:
        """Matplotlib line style, which tells controllers apart in print."""
        return self._dash.get(controller, "-")

    def is_main(self, controller: str) -> bool:
        """Whether this is the expert or the policy."""
        return controller in self._main

    def rgb(self, controller: str) -> tuple[float, float, float]:
        """Colour as three shares of one."""
        red, green, blue = mpl.colors.to_rgb(self.color(controller))
        return red, green, blue


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """A quantity with an SI prefix and significant digits, such as ``12.3 µs``."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "–"
    if value == 0:
        return f"0 {unit}"
    prefixes = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
    factor, prefix = next((pair for pair in prefixes if abs(value) >= 0.9995 * pair[0]), prefixes[-1])
    return f"{significant(value / factor, digits)} {prefix}{unit}"


def significant(value: float, digits: int = 3) -> str:
    """A number with this many significant digits, never in scientific notation."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def number(value: float, digits: int) -> str:
    """A table cell: fixed digits, thin thousands separators, a true minus, ∞ for what never ends."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "−")
