"""Box plots of studies: quartiles and whiskers are values of the set, and what is infinite is shown so."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread

from ampc.report.boxes import BoxPanel, _draw, box_of, draw_boxes

DISTANCES = st.lists(st.floats(0.0, 1e3) | st.just(np.inf), min_size=1, max_size=40).map(np.array)


def test_a_box_of_known_values() -> None:
    box = box_of(np.array([9.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 30.0]))
    assert (box.low, box.median, box.high) == (3.0, 5.0, 7.0)
    assert (box.whisker_low, box.whisker_high) == (2.0, 9.0)
    assert box.outliers.tolist() == [30.0]


@given(DISTANCES)
def test_boxes_are_of_the_values(values: np.ndarray) -> None:
    box = box_of(values)
    ends = [box.whisker_low, box.low, box.median, box.high, box.whisker_high]
    assert ends == sorted(ends)
    assert set(ends) <= set(values)
    assert np.mean(values <= box.median) >= 0.5
    beyond = (values < box.whisker_low) | (values > box.whisker_high)
    np.testing.assert_array_equal(np.sort(values[beyond]), box.outliers)


def drawn(series, **options):
    axis = Figure().subplots()
    panel = BoxPanel("", series, "distance [mm]", **options)
    rows = list(dict.fromkeys(method for boxes in series.values() for method in boxes))
    _draw(axis, panel, rows, dict.fromkeys(series, "C0"), (0.01, 100.0))
    return axis


def test_methods_are_rows_from_the_top_and_conditions_lie_beside_each_other() -> None:
    values = np.arange(1.0, 9.0)
    series = {name: {"NMPC": values, "DAgger": values} for name in ("nominal", "softer")}
    axis = drawn(series)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["NMPC", "DAgger"]
    bottom, top = axis.get_ylim()
    assert bottom > top
    middles = sorted(patch.get_path().get_extents().y0 for patch in axis.patches)
    assert len(middles) == 4
    assert len(set(middles)) == 4


def test_what_is_beyond_the_ends_is_drawn_there() -> None:
    axis = drawn({"nominal": {"NMPC": np.array([1e-9, 1e-8, 1.0, 1e4])}})
    along = np.concatenate([np.ravel(line.get_xdata()) for line in axis.lines])
    assert (along.min(), along.max()) == (0.01, 100.0)


def test_what_never_ends_is_on_a_line_that_says_so() -> None:
    assert not drawn({"nominal": {"NMPC": np.array([1.0, 2.0])}}).texts
    (text,) = drawn({"nominal": {"NMPC": np.array([1.0, 2.0, np.inf])}}).texts
    assert text.get_text() == "never"
    both = drawn({"nominal": {"NMPC": np.array([1.0, np.inf])}}, marks={"1 cm": 10.0})
    assert {each.get_text() for each in both.texts} == {"never", "1 cm"}


@pytest.mark.parametrize("values", [[0.0, 1.0], [np.inf, np.inf], [3.0]])
def test_a_picture_whatever_the_values(values: list[float]) -> None:
    panels = [BoxPanel(str(i), {"nominal": {"NMPC": np.array(values)}}, "distance [mm]") for i in range(3)]
    one, again, row = draw_boxes(panels), draw_boxes(panels), draw_boxes(panels, columns=3)
    assert one == again
    shapes = [imread(io.BytesIO(png), format="png").shape for png in (one, row)]
    assert shapes[0][0] > shapes[1][0]


def test_panels_may_lack_methods_and_conditions() -> None:
    values = np.array([1.0, 2.0])
    panels = [
        BoxPanel("random", {"nominal": {"NMPC": values, "SAC": values}}, "distance [mm]"),
        BoxPanel("near-wall", {"nominal": {"NMPC": values}, "softer": {"BC": values}}, "distance [mm]"),
    ]
    assert imread(io.BytesIO(draw_boxes(panels)), format="png").std() > 0.0
