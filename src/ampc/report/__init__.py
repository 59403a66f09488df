"""Figures, videos and the HTML report of a run: one file with what was claimed and what was measured."""

from ampc.report.data import ReportData
from ampc.report.episode import show_episode
from ampc.report.from_run import build_report, read_run
from ampc.report.html import write_report
from ampc.report.video import RenderingUnavailableError, render_robot

__all__ = [
    "RenderingUnavailableError",
    "ReportData",
    "build_report",
    "read_run",
    "render_robot",
    "show_episode",
    "write_report",
]
