"""The figures: the same for the same data, whatever the data look like."""

import dataclasses
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from report_samples import sample_report

from ampc.report import figures
from ampc.report.data import ErrorCurves, ReportData, WorkspaceMap
from ampc.report.strip import error_strip
from ampc.report.style import Palette
from ampc.robots import Robot


@pytest.fixture(scope="module")
def data(rigid_arm: Robot) -> ReportData:
    return sample_report(rigid_arm, tasks=30)


@pytest.fixture(scope="module")
def palette(data: ReportData) -> Palette:
    return Palette(data.controllers, data.expert, data.policy)


def draw_all(data: ReportData, palette: Palette) -> list[str]:
    assert data.errors
    assert data.workspace
    assert data.traces
    assert data.robot
    assert data.step_times
    assert data.training
    pair = (data.expert, data.policy)
    return [
        figures.error_over_time(data.errors, palette, data.success_threshold),
        figures.workspace(data.workspace, palette, data.success_threshold),
        figures.torques(data.traces, pair, data.robot.joint_names, data.robot.torque_limits, palette),
        figures.latency(data.step_times, palette, data.control_period),
        figures.training(data.training, palette),
    ]


def test_same_data_same_figures_whatever_the_users_style(data: ReportData, palette: Palette) -> None:
    first = draw_all(data, palette)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "path"}):
        assert draw_all(data, palette) == first
        assert mpl.rcParams["font.size"] == 30
    for svg in first:
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_controllers_keep_their_colours_and_differ(data: ReportData, palette: Palette) -> None:
    colors = [palette.color(name) for name in data.controllers]
    assert len(set(colors)) == len(colors)
    again = Palette(tuple(reversed(data.controllers)), data.expert, data.policy)
    assert again.color(data.expert) == palette.color(data.expert)
    assert again.color(data.policy) == palette.color(data.policy)


def test_diverged_and_perfect_controllers_are_drawn(palette: Palette) -> None:
    time = np.arange(5) * 0.05
    errors = {"MPC (exact)": np.zeros((3, 5)), "FFN": np.full((3, 5), np.inf)}
    curves = [ErrorCurves("interior", time, errors)]
    assert "<svg" in figures.error_over_time(curves, palette, 0.01)


def test_workspace_of_failures_only(palette: Palette) -> None:
    goals = np.array([[0.3, 0.1, 0.2], [0.4, -0.1, 0.3]])
    failed = WorkspaceMap("FFN", goals, np.zeros(2, bool), np.array([np.inf, 0.2]), ("interior",) * 2)
    assert "2 of 2 failed" in figures.workspace([failed], palette, 0.01)


@pytest.mark.parametrize("limits", [(-np.inf, np.inf), (-80.0, 80.0), (-0.5, 0.5), (-10.0, 500.0)])
def test_any_torque_limit(data: ReportData, palette: Palette, limits: tuple[float, float]) -> None:
    assert data.traces
    box = np.tile(limits, (3, 1))
    svg = figures.torques(data.traces[:1], (data.expert, data.policy), ("a", "b", "c"), box, palette)
    assert ("limit" in svg) == bool(np.isfinite(limits[0]))


def test_median_drawn_is_that_of_the_data(palette: Palette) -> None:
    errors = np.full((7, 5), 0.1)
    errors[0] = 5.0
    curve = ErrorCurves("interior", np.arange(5) * 0.05, {"FFN": errors})
    tenfold = dataclasses.replace(curve, errors={"FFN": 10 * errors})
    first = figures.error_over_time([curve], palette, 0.01)
    assert first != figures.error_over_time([tenfold], palette, 0.01)


def test_strip_knows_where_time_is(palette: Palette) -> None:
    time = np.arange(21) * 0.05
    strip = error_strip(time, {"FFN": np.full(21, 0.1)}, palette, 400, 120, 1.0)
    assert strip.full.shape == strip.faint.shape == (120, 400, 3)
    assert 0 < strip.column(0.0) < strip.column(1.0) < 400
    assert np.any(strip.full != strip.faint)
