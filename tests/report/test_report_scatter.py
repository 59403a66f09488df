"""Scatter of studies: every method under every condition has its mark, and none at all has a place."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from ampc.report import scatter
from ampc.report.scatter import Spot, draw_scatter


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures that have been drawn."""
    found: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        figure.canvas.draw()
        found.append(figure)
        return b""

    monkeypatch.setattr(scatter, "to_png", keep)
    return found


def spot(method: str, condition: str, distance: float, share: float, time: float) -> Spot:
    return Spot(
        method, condition, (distance, 0.5 * distance, 2.0 * distance), (share, share, share + 5.0),
        (time, time, 2.0 * time),
    )  # fmt: skip


SPOTS = [
    spot("NMPC", "nominal", 1.0, 0.0, 4000.0),
    spot("NMPC", "softer", 1.1, 0.0, 4100.0),
    spot("SAC", "nominal", 80.0, 60.0, 20.0),
    spot("SAC + filter", "nominal", 90.0, 0.0, 150.0),
]


def test_marks_stand_where_the_figures_are(figures: list[Figure]) -> None:
    draw_scatter(SPOTS, "distance [mm]", 0.004)
    left, right = figures[0].axes
    for axis, along in ((left, "distance"), (right, "time")):
        marks = [each.lines[0].get_xydata()[0].tolist() for each in axis.containers]
        assert marks == [[getattr(each, along)[0], each.violations[0]] for each in SPOTS]
        low, high = axis.get_ylim()
        assert low < 0.0 < 60.0 < high
    assert right.texts[0].get_text() == "4 ms"


def test_the_period_is_seen_even_if_all_are_much_faster(figures: list[Figure]) -> None:
    draw_scatter([spot("BC", "nominal", 1.0, 0.0, 20.0)], "distance [mm]", 0.004)
    fastest, slowest = figures[0].axes[1].get_xlim()
    assert fastest <= 20.0 < 4000.0 < slowest


def test_the_filtered_is_the_hollow_one_of_the_same_colour(figures: list[Figure]) -> None:
    draw_scatter(SPOTS, "distance [mm]", 0.004, hollow={"SAC + filter": "SAC"})
    marks = {
        each.method: bars.lines[0] for each, bars in zip(SPOTS, figures[0].axes[0].containers, strict=True)
    }
    assert marks["SAC"].get_color() == marks["SAC + filter"].get_color() != marks["NMPC"].get_color()
    assert marks["SAC + filter"].get_markerfacecolor() == "white" != marks["SAC"].get_markerfacecolor()


def test_the_legend_tells_methods_and_conditions(figures: list[Figure]) -> None:
    draw_scatter(SPOTS, "distance [mm]", 0.004)
    draw_scatter([each for each in SPOTS if each.condition == "nominal"], "distance [mm]", 0.004)
    names = [[[text.get_text() for text in each.texts] for each in figure.legends] for figure in figures]
    methods = ["NMPC", "SAC", "SAC + filter"]
    assert names == [[methods, ["nominal", "softer"]], [methods]]
    left, right = (each.get_window_extent() for each in figures[0].legends)
    assert not left.overlaps(right)


def test_shares_are_labelled_up_to_all_of_them(figures: list[Figure]) -> None:
    draw_scatter([spot("BC", "nominal", 300.0, 95.0, 17.0)], "distance [mm]", 0.004)
    draw_scatter([spot("NMPC", "nominal", 1.0, 0.0, 17.0)], "distance [mm]", 0.004)
    for figure, expected in zip(figures, (["0", "1", "10", "100"], ["0", "1", "10"]), strict=True):
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == expected


def test_it_is_drawn_alike_every_time() -> None:
    one = draw_scatter(SPOTS, "distance [mm]", 0.004, "near the wall")
    assert one == draw_scatter(SPOTS, "distance [mm]", 0.004, "near the wall")
    assert one.startswith(b"\x89PNG")
    assert np.frombuffer(one, np.uint8).std() > 0.0
