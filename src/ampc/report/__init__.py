"""Figures, videos and the HTML report of a run: one file that shows what was claimed and what was measured."""

from ampc.report.data import ReportData
from ampc.report.html import write_report
from ampc.report.video import RenderingUnavailableError, render_robot

__all__ = ["RenderingUnavailableError", "ReportData", "render_robot", "write_report"]
