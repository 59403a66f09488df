"""Figures of studies: whatever the kinds of axes, a picture; lines that coincide share one label."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from ampc.report.studies import Panel, _draw, draw_panels

POINTS = {1: (90.0, 80.0, 95.0), 10: (99.0, 97.0, 100.0)}


def pixels(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize("log_x", [False, True])
def test_numbers_on_the_horizontal_axis_make_lines_with_bands(log_x: bool) -> None:
    axis = Figure().subplots()
    _draw(axis, Panel("noise", {"states": POINTS}, "success [%]", log_x=log_x), {"states": "C0"})
    (line,) = axis.lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 10])
    np.testing.assert_array_equal(line.get_ydata(), [90, 99])
    assert len(axis.collections) == 1


def test_words_make_dots_side_by_side() -> None:
    axis = Figure().subplots()
    series = {name: {"clean": (1.0, 0.5, 2.0), "noise": (2.0, 1.0, 3.0)} for name in ("mpc", "ffn")}
    _draw(axis, Panel("", series, "RMSE [mm]"), {"mpc": "C0", "ffn": "C1"})
    first, second = (bars.lines[0].get_xdata() for bars in axis.containers)
    assert (np.asarray(first) < np.asarray(second)).all()
    assert [label.get_text() for label in axis.get_xticklabels()] == ["clean", "noise"]


def test_marks_of_one_height_share_a_line_and_a_label() -> None:
    axis = Figure().subplots()
    marks = {"mpc": 100.0, "mpc-observer": 100.0, "bound": 95.0}
    _draw(axis, Panel("", {"states": POINTS}, "success [%]", marks=marks), {"states": "C0"})
    assert [text.get_text() for text in axis.texts] == ["mpc, mpc-observer", "bound"]
    assert len(axis.lines) == 3


def test_panels_are_laid_out_in_columns_and_drawn_alike_every_time() -> None:
    panels = [Panel(str(i), {"states": POINTS}, "success [%]") for i in range(3)]
    one, again, row = draw_panels(panels), draw_panels(panels), draw_panels(panels, columns=3)
    assert one == again
    assert pixels(one).shape[0] > pixels(row).shape[0]
    assert pixels(one).std() > 0.0
