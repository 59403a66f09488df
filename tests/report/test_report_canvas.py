"""What figures of studies share: axes in a grid, colours by name, and a legend that fits."""

import numpy as np
import pytest
from matplotlib.lines import Line2D

from ampc.report.canvas import COLORS, add_legend, colors_of, lay_out, reaches


@pytest.mark.parametrize(("panels", "columns", "shape"), [(1, 2, (1, 1)), (3, 2, (2, 2)), (4, 4, (1, 4))])
def test_every_panel_has_axes_and_the_rest_is_empty(panels, columns, shape) -> None:
    figure, axes = lay_out(panels, columns, 2.0)
    assert len(axes) == panels
    assert all(axis.axison for axis in axes)
    assert len(figure.axes) == np.prod(shape)
    assert sum(axis.axison for axis in figure.axes) == panels


def test_a_name_has_one_colour_and_neighbours_differ() -> None:
    names = [f"method {i}" for i in range(len(COLORS) + 1)]
    colors = colors_of([*names, *names])
    assert list(colors) == names
    assert len(set(colors.values())) == len(COLORS)


def test_long_names_take_more_lines_of_the_legend() -> None:
    def height(length: int) -> float:
        figure, _ = lay_out(1, 1, 2.0)
        add_legend(figure, {"x" * length + str(i): Line2D([], []) for i in range(6)})
        figure.canvas.draw()
        return figure.legends[0].get_window_extent().height

    assert height(40) > 1.5 * height(4)


def test_one_name_needs_no_legend() -> None:
    figure, _ = lay_out(1, 1, 2.0)
    add_legend(figure, {"": Line2D([], [])})
    assert not figure.legends


def test_intervals_reach_out_from_their_figure_and_never_inwards() -> None:
    np.testing.assert_array_equal(reaches([(2.0, 1.0, 5.0), (3.0, 3.5, 3.0)]), [[1.0, 0.0], [3.0, 0.0]])
