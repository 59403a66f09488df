"""Prediction errors of an arm's model, measured in episodes."""

import numpy as np
import pytest

from ampc.control.rest_controller import RestController
from ampc.control.safety_settings import CertificateSettings
from ampc.errors import SettingsError
from ampc.evaluation.prediction_error import (
    PredictionErrorSettings,
    combine,
    measure_prediction_errors,
)
from ampc.plants import FlexiblePlant, FlexiblePlantSettings
from ampc.robots import load_robot
from ampc.tasks.flexible import FlexibleTaskSampler


def test_a_perfect_model_predicts_and_a_coarse_one_does_not() -> None:
    fine, coarse = load_robot("flexible-arm-3"), load_robot("flexible-arm-1")
    plant = FlexiblePlant(fine, FlexiblePlantSettings())
    tasks = FlexibleTaskSampler(fine).sample(1, "random", 1000)
    settings = PredictionErrorSettings(horizon=0.04, stride=5)
    found = [
        measure_prediction_errors(plant, fine, RestController(model), model, tasks, 0.2, settings=settings)
        for model in (fine, coarse)
    ]
    assert found[0].shortfall.shape == (9, 11, 2)
    assert np.abs(found[0].shortfall).max() < 1e-3
    assert np.abs(found[0].speed).max() < 1e-2
    assert found[1].shortfall.max() > 3.0 * found[0].shortfall.max()
    assert combine(found).shortfall.shape == (18, 11, 2)
    assert combine(found).agitation.shape == (18,)


def test_agitation_is_that_of_the_certificate() -> None:
    robot = load_robot("flexible-arm-3")
    plant = FlexiblePlant(robot, FlexiblePlantSettings())
    tasks = FlexibleTaskSampler(robot).sample(1, "random", 1000)
    touchy = CertificateSettings(agitation=1e-3)
    settings = PredictionErrorSettings(horizon=0.008, stride=1)
    found = [
        measure_prediction_errors(
            plant, robot, RestController(robot), robot, tasks, 0.1, certificate, settings
        )
        for certificate in (CertificateSettings(), touchy)
    ]
    assert found[0].agitation[0] == found[1].agitation[0] == 0.0
    assert found[0].agitation.max() < 0.5 < found[1].agitation.max()


def test_settings_that_measure_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="horizon"):
        PredictionErrorSettings(horizon=0.0)
    with pytest.raises(SettingsError, match="combined"):
        combine([])
