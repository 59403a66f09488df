"""Margins from measurements: what a certificate has to leave free for what predictions get wrong."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.safety_settings import CertificateSettings
from ampc.errors import SettingsError
from ampc.evaluation.prediction_error import PredictionErrors

CALM = 0.25
"""Agitation below which an arm counts as calm: the sum of unpredicted speeds is half of a full one."""
LEAST_CHANGE = 0.5
"""Change of a motor's torque beyond which it counts as a jolt [N m]."""
FEWEST = 20
"""Predictions of a kind from which a quantile is taken at least."""


@dataclass(frozen=True, eq=False)
class DerivedMargins:
    """What predictions of calm and agitated arms ask of a certificate."""

    calm: int
    """Number of predictions that began with a calm arm."""
    agitated: int
    """Number of the others."""
    certificate: CertificateSettings
    """The settings that cover the errors."""
    uncovered: tuple[float, float]
    """Share of the predictions, of calm and of agitated arms, in which a point was nearer than the settings
    that were given allow, at any time ahead."""
    left: tuple[float, float]
    """The same with the settings that were found."""


def derive_margins(errors: PredictionErrors, base: CertificateSettings, quantile: float) -> DerivedMargins:
    """Margins, growth, and what jolts and noise add to speeds, each so that it covers a quantile.

    - ``margins``: how much nearer a point was than predicted from a calm arm, on a way of `base.free_way`;
    - ``agitated``: the same for an agitated one, where the margins that the certificate blends by agitation
      cover it;
    - ``growth``: what lies beyond that, per metre of the way, up to `base.largest_growth`;
    - ``speed_factor``: what motors are faster than predicted a control period ahead while no torque jumps;
    - ``jolt``: what they are faster beyond that, per change of torque.

    Args:
        errors: Predictions of both kinds of arms.
        base: The certificate's other settings; its measure of agitation was that of the predictions.
        quantile: Share of the predictions of each kind that is covered.

    Raises:
        SettingsError: The quantile is no share, or there are too few predictions of either kind.
    """
    if not 0.0 < quantile <= 1.0:
        raise SettingsError(f"the quantile of prediction errors is {quantile}; it has to be in (0, 1]")
    calm = errors.agitation < CALM
    counts = int(calm.sum()), int((~calm).sum())
    still = (errors.change <= LEAST_CHANGE).all(axis=1)
    if min(*counts, still.sum()) < FEWEST:
        raise SettingsError(
            f"{counts[0]} predictions of calm arms, {counts[1]} of agitated ones and {still.sum()} of arms "
            f"without a jolt; {FEWEST} of each are needed: let a controller drive, and random torques, on "
            "more tasks"
        )
    near = np.where(errors.way <= base.free_way, errors.shortfall, -np.inf).max(axis=1)
    margins = np.maximum(_quantile(near[calm], quantile), 0.0)
    asked = margins + np.maximum(near - margins, 0.0) / np.maximum(errors.agitation, CALM)[:, None]
    agitated = np.maximum(_quantile(asked[~calm], quantile), margins)
    blended = margins + errors.agitation[:, None] * (agitated - margins)
    beyond = np.clip(errors.shortfall - blended[:, None], 0.0, base.largest_growth)
    way = np.maximum(errors.way - base.free_way, base.free_way)
    growth = _quantile((beyond / way).max(axis=1), quantile)
    noise = np.maximum(_quantile((errors.speed / errors.speed_limits)[still], quantile), 0.0).max()
    certificate = replace(
        base,
        margins=_lengths(margins),
        agitated=_lengths(agitated),
        growth=_lengths(growth),
        speed_factor=max(0.5, math.floor(1e3 * (1.0 - noise)) / 1e3),
        jolt=_jolts(errors, float(noise), quantile),
    )
    return DerivedMargins(*counts, certificate, uncovered(errors, base), uncovered(errors, certificate))


def uncovered(errors: PredictionErrors, certificate: CertificateSettings) -> tuple[float, float]:
    """Share of the predictions of calm and of agitated arms in which a point was nearer than allowed for."""
    points = range(errors.shortfall.shape[2])
    calm, agitated, growth = (
        np.array([values[min(i, len(values) - 1)] for i in points])
        for values in (certificate.margins, certificate.agitated, certificate.growth)
    )
    margin = (calm + errors.agitation[:, None] * (agitated - calm))[:, None]
    further = growth * np.maximum(errors.way - certificate.free_way, 0.0)
    missed = errors.shortfall > margin + np.minimum(further, certificate.largest_growth)
    wrong, is_calm = missed.any(axis=(1, 2)), errors.agitation < CALM
    return float(wrong[is_calm].mean()), float(wrong[~is_calm].mean())


def _jolts(errors: PredictionErrors, noise: float, quantile: float) -> tuple[float, ...]:
    """Speed beyond prediction and noise per change of torque, by motor [rad/s/(N m)]; 0 without a limit."""
    found = []
    for speed, change, limit in zip(errors.speed.T, errors.change.T, errors.speed_limits, strict=True):
        jolted = change > LEAST_CHANGE
        if not (np.isfinite(limit) and jolted.sum() >= FEWEST):
            found.append(0.0)
            continue
        share = np.maximum(speed - noise * limit, 0.0)[jolted] / change[jolted]
        found.append(math.ceil(1e3 * float(_quantile(share, quantile))) / 1e3)
    return tuple(found)


def _quantile(values: FloatArray, share: float) -> FloatArray:
    """Smallest value that at least so many of the first axis do not exceed."""
    order = np.sort(values, axis=0)
    return np.asarray(order[max(0, math.ceil(share * len(order)) - 1)])


def _lengths(values: FloatArray) -> tuple[float, ...]:
    """Rounded up to a tenth of a millimetre."""
    return tuple(float(v) for v in np.round(np.ceil(1e4 * values - 1e-9) / 1e4, 4))
