"""The figures of a report: plain arrays in, SVG out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from ampc.arrays import BoolArray, FloatArray
from ampc.report.data import ErrorCurves, TaskTrace, TrainingCurve, WorkspaceMap
from ampc.report.plotting import ERROR_FLOOR, SMALLEST, plain_decades, styled, time_decades, to_svg
from ampc.report.style import BAD, INK, MUTED, Palette, quantity, significant

WIDTH = 10.4
"""Width of a figure [inch]; the page shows it at about 100 pixels an inch."""


@styled
def error_over_time(curves: Sequence[ErrorCurves], palette: Palette, threshold: float) -> str:
    """Median error over tasks, one panel per region; for expert and policy the 5 to 95 % band as well.

    The bands of all controllers on top of each other cannot be told apart, so baselines have only a median.
    """
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(WIDTH, 0.45 + 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis, curve in zip(axes.flat, curves, strict=False):
        _error_bands(axis, curve, palette, threshold)
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("end-effector error [mm]")
    for axis in axes[-1]:
        axis.set_xlabel("time [s]")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(6, len(labels)), handlelength=2.2)
    return to_svg(figure)


def _error_bands(axis: Axes, curve: ErrorCurves, palette: Palette, threshold: float) -> None:
    # A policy of several seeds has every task several times.
    tasks = min(len(errors) for errors in curve.errors.values())
    axis.set_title(f"{curve.region}  ({tasks:,} tasks)")
    for rank, (name, errors) in enumerate(curve.errors.items()):
        finite = np.where(np.isfinite(errors), errors, np.nanmax(errors[np.isfinite(errors)], initial=1.0))
        low, median, high = np.quantile(np.maximum(finite, SMALLEST), (0.05, 0.5, 0.95), axis=0) * 1e3
        color = palette.color(name)
        if palette.is_main(name):
            axis.fill_between(curve.time, low, high, color=color, alpha=0.16, linewidth=0, zorder=2)
        axis.plot(curve.time, median, linestyle=palette.dash(name), color=color, label=name, zorder=20 - rank)
    axis.set_yscale("log")
    axis.set_ylim(bottom=max(axis.get_ylim()[0], 1e3 * ERROR_FLOOR))
    plain_decades(axis, "y")
    axis.axhline(1e3 * threshold, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axis.annotate(
        f"success: below {1e3 * threshold:g} mm",
        (curve.time[-1], 1e3 * threshold), xytext=(-2, 3), textcoords="offset points", ha="right",
        color=MUTED, fontsize=7.5,
    )  # fmt: skip
    axis.set_xlim(curve.time[0], curve.time[-1])


@styled
def workspace(maps: Sequence[WorkspaceMap], palette: Palette, threshold: float) -> str:
    """Goals of each controller in the r-z and x-y planes, coloured by steady error, failures as crosses."""
    goals = np.concatenate([each.goals for each in maps])
    radius = np.hypot(goals[:, 0], goals[:, 1])
    spans = [np.ptp(radius), np.ptp(goals[:, 0])]
    heights = [np.ptp(goals[:, 2]), np.ptp(goals[:, 1])]
    ratios = [max(s, 1e-3) / max(h, 1e-3) for s, h in zip(spans, heights, strict=True)]
    widths = np.clip([ratios[0]] * len(maps) + [ratios[1]] * len(maps), 0.3, 2.5)
    height = min(4.6, 0.8 + (WIDTH - 0.85 * 2 * len(maps) - 0.6) / float(np.sum(widths)))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(1, 2 * len(maps), width_ratios=list(widths))
    small = [float(np.nanquantile(each.final_error, 0.02)) for each in maps]
    floor = float(np.clip(max(small), ERROR_FLOOR, 0.1 * threshold))
    norm = LogNorm(1e3 * floor, 1e3 * threshold)
    points: Any = None
    for index, each in enumerate(maps):
        flat = np.hypot(each.goals[:, 0], each.goals[:, 1])
        side, top = axes[index], axes[len(maps) + index]
        points = _goals(side, flat, each.goals[:, 2], each, norm)
        _goals(top, each.goals[:, 0], each.goals[:, 1], each, norm)
        side.set(xlabel="radius r [m]")
        top.set(xlabel="x [m]")
        failures = int(np.count_nonzero(~each.success))
        for axis in (side, top):
            axis.set_title(each.controller, color=palette.color(each.controller), pad=18)
        side.annotate(
            f"{failures:,} of {len(each.success):,} failed", (0, 1), xycoords="axes fraction", xytext=(0, 6),
            textcoords="offset points", color=BAD if failures else MUTED, fontsize=8,
        )  # fmt: skip
    axes[0].set_ylabel("height z [m]")
    axes[len(maps)].set_ylabel("y [m]")
    bar = figure.colorbar(points, ax=list(axes), shrink=0.85, aspect=28, pad=0.012, extend="min")
    bar.set_label("steady error [mm]")
    bar.outline.set_visible(False)
    plain_decades(bar.ax, "y")
    return to_svg(figure)


def _goals(axis: Axes, x: FloatArray, y: FloatArray, each: WorkspaceMap, norm: LogNorm) -> Any:
    good: BoolArray = each.success
    error = np.maximum(each.final_error, ERROR_FLOOR) * 1e3
    style: dict[str, Any] = {"linewidths": 0, "rasterized": True, "zorder": 2}
    size = float(np.clip(9000 / max(len(x), 1), 5, 26))
    points = axis.scatter(x[good], y[good], size, error[good], norm=norm, cmap="cividis_r", **style)
    axis.scatter(x[~good], y[~good], 26, BAD, marker="x", linewidths=1.3, zorder=3)
    axis.set_aspect("equal", adjustable="box", anchor="SW")
    axis.locator_params(nbins=4)
    return points


@styled
def torques(
    traces: Sequence[TaskTrace], controllers: Sequence[str], joints: Sequence[str], limits: FloatArray,
    palette: Palette,
) -> str:  # fmt: skip
    """Applied torque of each joint (rows) in a few tasks (columns), with the joint's limits (m, 2) [N m]."""
    figure = Figure(figsize=(WIDTH, 0.7 + 1.5 * len(joints)), layout="constrained")
    axes = figure.subplots(len(joints), len(traces), sharex="col", sharey="row", squeeze=False)
    for column, trace in enumerate(traces):
        axes[0, column].set_title(trace.title)
        axes[-1, column].set_xlabel("time [s]")
        for row, _ in enumerate(joints):
            for name in controllers:
                axes[row, column].step(
                    trace.time, trace.torque[name][:, row], where="post", color=palette.color(name),
                    linestyle="-" if name == controllers[0] else (0, (4, 1.5)),
                    linewidth=1.8 if name == controllers[0] else 1.4, label=name,
                )  # fmt: skip
            axes[row, column].set_xlim(trace.time[0], trace.time[-1])
    for row, joint in enumerate(joints):
        axes[row, 0].set_ylabel(f"{joint}\n[N m]")
        peak = max(float(np.nanmax(np.abs(t.torque[c][:, row]))) for t in traces for c in controllers)
        _limits(axes[row], limits[row], peak)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), handlelength=2.4)
    return to_svg(figure)


def _limits(axes: Sequence[Axes], limits: FloatArray, peak: float) -> None:
    """Draw a joint's limits, or say where they are when they would flatten the curves."""
    finite = limits[np.isfinite(limits)]
    if not len(finite):
        return
    used = peak / float(np.min(np.abs(finite)))
    if used < 0.3:
        low, high = (significant(limit, 2) for limit in limits)
        text = f"limit ±{high} N m" if limits[0] == -limits[1] else f"limits {low} to {high} N m"
        axes[-1].annotate(
            f"{text}, at most {100 * used:.0f} % used", (1, 1), xycoords="axes fraction", xytext=(-2, -2),
            textcoords="offset points", ha="right", va="top", color=MUTED, fontsize=7.5,
        )  # fmt: skip
        bottom, top = axes[-1].get_ylim()
        axes[-1].set_ylim(bottom, top + 0.18 * (top - bottom))
        return
    lowest, highest = float(finite.min()), float(finite.max())
    pad = 0.12 * (highest - lowest)
    for axis in axes:
        axis.set_ylim(lowest - pad, highest + pad)
        for limit in finite:
            axis.axhspan(limit, limit + np.sign(limit) * pad, color=BAD, alpha=0.08, linewidth=0)
            axis.axhline(limit, color=BAD, linewidth=0.9, alpha=0.75)
    axes[-1].annotate(
        "torque limit", (1, highest), xycoords=("axes fraction", "data"), xytext=(-3, -2.5),
        textcoords="offset points", ha="right", va="top", fontsize=7, color=BAD,
    )  # fmt: skip


@styled
def latency(step_times: Mapping[str, FloatArray], palette: Palette, control_period: float) -> str:
    """Distribution of the time per control step: shares on the left, percentiles on the right."""
    names = list(step_times)
    figure = Figure(figsize=(WIDTH, max(3.0, 0.9 + 0.36 * len(names))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    for row, name in enumerate(names):
        times = np.sort(step_times[name]) * 1e6
        share = np.linspace(0, 100, min(len(times), 400))
        color = palette.color(name)
        left.plot(np.quantile(times, share / 100), share, linestyle=palette.dash(name), color=color)
        p5, p50, p99 = np.quantile(times, (0.05, 0.5, 0.99))
        right.plot((times[0], times[-1]), (row, row), color=color, linewidth=1.0, solid_capstyle="butt")
        right.plot((p5, p99), (row, row), color=color, linewidth=6, alpha=0.45, solid_capstyle="butt")
        right.plot(p50, row, "o", color=color, markersize=6.5, markeredgecolor="white")
        right.plot(times[-1], row, "|", color=color, markersize=8)
        text = f"{quantity(1e-6 * p50, 's')}  ·  {quantity(1e-6 * p99, 's')}"
        right.annotate(
            text, (1, row), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8, color=INK, annotation_clip=False,
        )  # fmt: skip
    right.set_yticks(range(len(names)), names)
    right.set_ylim(len(names) - 0.4, -0.6)
    right.tick_params(axis="y", length=0, labelcolor=INK)
    right.grid(axis="y", visible=False)
    right.set_title("5–99 % (bar), median (dot), extremes (line)")
    right.annotate(
        "median  ·  p99", (1, 1), xycoords="axes fraction", xytext=(4, 7), textcoords="offset points",
        fontsize=8, color=MUTED, annotation_clip=False,
    )  # fmt: skip
    left.set(ylabel="share of steps [%]", ylim=(0, 101))
    left.set_title("share of control steps done within")
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xlim(right=max(axis.get_xlim()[1], 2.2e6 * control_period))
        axis.set_xlabel("time per control step")
        time_decades(axis)
        axis.axvline(1e6 * control_period, color=BAD, linewidth=1.1, linestyle=(0, (4, 2)))
    left.annotate(
        f"control period {quantity(control_period, 's', 2)}", (1e6 * control_period, 50), xytext=(3, 0),
        textcoords="offset points", rotation=90, va="center", color=BAD, fontsize=7.5,
    )  # fmt: skip
    return to_svg(figure)


@styled
def training(curves: Sequence[TrainingCurve], palette: Palette) -> str:
    """Training and validation loss over epochs, one panel per policy, the best epoch marked."""
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(WIDTH, 0.3 + 2.7 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis, curve in zip(axes.flat, curves, strict=False):
        color = palette.color(curve.policy)
        axis.plot(curve.epoch, curve.training_loss, color=MUTED, linewidth=1.2, label="training")
        axis.plot(curve.epoch, curve.validation_loss, color=color, label="validation")
        best = int(np.nanargmin(curve.validation_loss))
        axis.plot(curve.epoch[best], curve.validation_loss[best], "o", color=color, markeredgecolor="white")
        axis.set_title(curve.policy)
        note = f"best: epoch {curve.epoch[best]:g}, loss {curve.validation_loss[best]:.2e}"
        axis.text(0.98, 0.96, note, transform=axis.transAxes, ha="right", va="top", color=MUTED, fontsize=8)
        axis.set(yscale="log", xlabel="epoch")
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("loss (normalised)")
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return to_svg(figure)
