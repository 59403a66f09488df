"""How figures are written for people: units, digits and signs, the same in the console and in reports."""

import math
from dataclasses import dataclass

from ampc.evaluation.statistics import Relation


@dataclass(frozen=True)
class Quantity:
    """How a metric is written."""

    label: str
    """What it is, in words."""
    scale: float = 1.0
    """Factor from SI to the unit shown."""
    unit: str = ""
    """Unit shown."""
    digits: int = 2
    """Digits after the decimal point."""
    difference_unit: str | None = None
    """Unit of differences, where it is another one."""


QUANTITIES = {
    "rmse": Quantity("RMSE", 1e3, "mm"),
    "success": Quantity("success", 100.0, "%", 1, "points"),
    "steady_error": Quantity("steady error", 1e3, "mm", 3),
    "steady_error_max": Quantity("largest steady error", 1e3, "mm", 3),
    "final_error": Quantity("final error", 1e3, "mm", 3),
    "t95": Quantity("t95", 1.0, "s", 3),
    "torque_saturation": Quantity("steps with torque at its limit", 100.0, "%", 2, "points"),
    "command_saturation": Quantity("steps with command at its limit", 100.0, "%", 2, "points"),
    "position_violations": Quantity("samples beyond position limits", 1.0, "per episode"),
    "position_excess": Quantity("worst position excess", 180.0 / math.pi, "deg"),
    "velocity_violations": Quantity("samples beyond speed limits", 1.0, "per episode"),
    "velocity_excess": Quantity("worst speed excess", 1.0, "rad/s"),
    "torque_variation": Quantity("torque variation", 1.0, "N m", 1),
    "torque_roughness": Quantity("torque roughness", 100.0, "%"),
    "fallback_steps": Quantity("fallback steps", 1.0, "per episode"),
    "step_time_p50": Quantity("time per step", 1e6, "µs", 1),
    "step_time_p99": Quantity("slowest 1 % of steps", 1e6, "µs", 1),
    "step_time_max": Quantity("longest step", 1e3, "ms", 1),
}
"""Every metric of `ampc.evaluation.metrics.EpisodeMetrics`."""


def write_number(metric: str, value: float) -> str:
    """A figure in its shown unit, the unit left out; ``never`` for an infinite t95."""
    if metric == "t95" and math.isinf(value):
        return "never"
    return _fixed(value * QUANTITIES[metric].scale, QUANTITIES[metric].digits)


def write_value(metric: str, value: float | None) -> str:
    """A figure in its shown unit, such as ``12.31 mm``; a dash for None, ``never`` for an infinite t95."""
    if value is None:
        return "-"
    number = write_number(metric, value)
    return number if number == "never" else f"{number} {QUANTITIES[metric].unit}".rstrip()


def write_interval(metric: str, low: float | None, high: float | None) -> str:
    """An interval in the metric's unit, such as ``12.10 to 12.52 mm``; empty where there is none."""
    if low is None or high is None:
        return ""
    return f"{write_number(metric, low)} to {write_number(metric, high)} {QUANTITIES[metric].unit}".rstrip()


def write_relative(metric: str, relation: Relation, value: float | None) -> str:
    """A comparison with the expert: ``+0.31 %`` for ratios, ``-0.2 points`` for differences."""
    if value is None:
        return "-"
    number, unit = _relative(metric, relation, value)
    return f"{number} {unit}".rstrip()


def write_relative_interval(
    metric: str, relation: Relation, low: float | None, high: float | None, unit: bool = True
) -> str:
    """An interval of a comparison, such as ``+0.10 to +0.52 %``; empty where there is none."""
    if low is None or high is None:
        return ""
    (lower, name), (upper, _) = _relative(metric, relation, low), _relative(metric, relation, high)
    return f"{lower} to {upper} {name if unit else ''}".rstrip()


def _relative(metric: str, relation: Relation, value: float) -> tuple[str, str]:
    if relation == "ratio":
        return _fixed((value - 1.0) * 100.0, 2, "+"), "%"
    quantity = QUANTITIES[metric]
    unit = quantity.unit if quantity.difference_unit is None else quantity.difference_unit
    return _fixed(value * quantity.scale, quantity.digits, "+"), unit


def _fixed(value: float, digits: int, sign: str = "") -> str:
    rounded = round(value, digits) + 0.0
    return f"{rounded:{sign}.{digits}f}"
