"""Margins that are derived from measured prediction errors."""

import numpy as np
import pytest

from ampc.control.rest_controller import RestController
from ampc.control.safety_settings import CertificateSettings
from ampc.errors import SettingsError
from ampc.evaluation.prediction_error import (
    PredictionError,
    PredictionErrorSettings,
    measure_prediction_error,
)
from ampc.plants import FlexiblePlant, FlexiblePlantSettings
from ampc.robots import load_robot
from ampc.tasks.flexible import FlexibleTaskSampler


def test_a_perfect_model_needs_no_margin_and_a_coarse_one_does() -> None:
    fine, coarse = load_robot("flexible-arm-3"), load_robot("flexible-arm-1")
    plant = FlexiblePlant(fine, FlexiblePlantSettings())
    tasks = FlexibleTaskSampler(fine).sample(1, "random", 1000)
    settings = PredictionErrorSettings(horizon=0.04, stride=5)
    found = [
        measure_prediction_error(plant, fine, RestController(model), model, tasks, 0.2, settings)
        for model in (fine, coarse)
    ]
    assert found[0].shortfall.shape == (11, 2)
    assert np.abs(found[0].shortfall).max() < 1e-3
    assert found[1].shortfall.max() > found[0].shortfall.max()
    assert found[1].growth.max() > found[0].growth.max()
    for each in found:
        assert (each.margins >= each.shortfall[0] - 1e-12).all()


def test_margins_are_those_that_were_measured() -> None:
    found = PredictionError(
        times=np.array([0.0, 0.1]),
        shortfall=np.array([[0.002, -0.001], [0.004, 0.0]]),
        margins=np.array([0.002, 0.0]),
        growth=np.array([0.05, 0.01]),
        excess_speed=0.04,
        free_way=0.02,
        predictions=100,
    )
    certificate = found.certificate(CertificateSettings())
    assert certificate.margins == (0.002, 0.0)
    assert certificate.growth == (0.05, 0.01)
    assert certificate.speed_factor == 0.96


def test_settings_that_measure_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="horizon"):
        PredictionErrorSettings(horizon=0.0)


def test_margins_above_the_agitated_ones_raise_them() -> None:
    error = PredictionError(
        times=np.zeros(1),
        shortfall=np.zeros((1, 2)),
        margins=np.array([0.02, 0.003]),
        growth=np.zeros(2),
        excess_speed=0.03,
        free_way=0.02,
        predictions=5,
    )
    base = CertificateSettings(margins=(0.004,), agitated=(0.01,))
    found = error.certificate(base)
    assert found.margins == (0.02, 0.003)
    assert found.agitated == (0.02, 0.01)
