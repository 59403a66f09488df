"""Logarithmic axes have labels that can be read, however many decades they span."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from ampc.report.plotting import plain_decades, styled, time_decades, to_svg


def labels(low: float, high: float, draw) -> list[str]:
    figure = Figure()
    axis = figure.subplots()
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    draw(axis)
    figure.canvas.draw()
    shown = zip(axis.get_xticks(), axis.get_xticklabels(), strict=True)
    return [text.get_text() for place, text in shown if low <= place <= high]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.05, 20.0, ["0.1", "1", "10"]),
        (1e-5, 1e5, ["0.0001", "0.01", "1", "100", "10000"]),
        (0.15, 0.7, ["0.2", "0.5"]),
        (3.2, 4.8, ["4"]),
        (3.2, 5.8, ["4", "5"]),
    ],
)
def test_decades_are_plain_numbers_and_not_too_many(low, high, expected) -> None:
    assert labels(low, high, lambda axis: plain_decades(axis, "x")) == expected


def test_times_have_units() -> None:
    assert labels(2.0, 2e4, time_decades) == ["10 µs", "100 µs", "1 ms", "10 ms"]
    assert labels(0.5, 2e6, time_decades) == ["1 µs", "100 µs", "10 ms", "1 s"]


def test_a_figure_does_not_depend_on_the_users_style_nor_change_it() -> None:
    @styled
    def draw() -> str:
        """Draw it."""
        figure = Figure(figsize=(2, 2))
        figure.subplots().plot([0, 1])
        return to_svg(figure)

    assert draw.__doc__ == "Draw it."
    plain = draw()
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30}):
        assert draw() == plain
        assert mpl.rcParams["font.size"] == 30
