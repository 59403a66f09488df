"""Margins that are derived from measured prediction errors."""

import numpy as np
import pytest

from ampc.control.safety_settings import CertificateSettings
from ampc.errors import SettingsError
from ampc.evaluation.margins import derive_margins, uncovered
from ampc.evaluation.prediction_error import PredictionErrors


def errors(count: int = 200, agitated_shortfall: float = 0.012, jolt: float = 0.2) -> PredictionErrors:
    """Calm arms are 3 mm off, agitated ones more; 5 % of the way beyond 2 cm; speeds 0.06 rad/s and jolts."""
    agitation = np.repeat([0.0, 1.0], count)
    way = np.tile([0.0, 0.01, 0.12], (2 * count, 1))
    near = np.where(agitation > 0.5, agitated_shortfall, 0.003)
    shortfall = near[:, None] + 0.05 * np.maximum(way - 0.02, 0.0)
    change = np.column_stack([np.repeat([0.1, 4.0], count)] * 2)
    speed = 0.06 + jolt * np.where(change > 1.0, change, 0.0)
    return PredictionErrors(
        times=np.array([0.0, 0.1, 0.2]),
        shortfall=shortfall[:, :, None],
        way=way[:, :, None],
        agitation=agitation,
        speed=speed,
        change=change,
        speed_limits=np.array([3.0, np.inf]),
    )


def test_calm_and_agitated_margins_growth_and_jolts_are_those_that_were_measured() -> None:
    found = derive_margins(errors(), CertificateSettings(), 0.99)
    certificate = found.certificate
    assert (found.calm, found.agitated) == (200, 200)
    assert certificate.margins == (0.003,)
    assert certificate.agitated == (0.012,)
    assert certificate.growth == pytest.approx((0.05,), abs=2e-4)
    assert certificate.speed_factor == pytest.approx(0.98, abs=2e-3)
    assert certificate.jolt == pytest.approx((0.2, 0.0), abs=2e-3)
    assert found.left == (0.0, 0.0)


def test_blended_margins_cover_arms_that_are_half_agitated() -> None:
    data = errors()
    data.agitation[200:] = 0.5
    certificate = derive_margins(data, CertificateSettings(), 1.0).certificate
    assert certificate.agitated == pytest.approx((0.021,), abs=2e-4)
    assert uncovered(data, certificate) == (0.0, 0.0)


def test_what_settings_do_not_cover_is_counted() -> None:
    tight = CertificateSettings(margins=(0.001,), agitated=(0.05,), growth=(1.0,))
    assert uncovered(errors(), tight) == (1.0, 0.0)


def test_too_few_predictions_are_refused_and_not_guessed() -> None:
    with pytest.raises(SettingsError, match="agitated"):
        derive_margins(errors(count=5), CertificateSettings(), 0.99)
    with pytest.raises(SettingsError, match="quantile"):
        derive_margins(errors(), CertificateSettings(), 0.0)
