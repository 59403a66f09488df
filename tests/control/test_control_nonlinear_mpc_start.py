"""The first moments of the nonlinear MPC: the plant must not leave faster than the model expects."""

from dataclasses import replace

import numpy as np
import pytest

from ampc.control.nonlinear_mpc import NonlinearMPCController
from ampc.plants import PUBLISHED_NOISE
from ampc.plants.flexible_plant import FlexiblePlant
from ampc.robots import load_robot
from ampc.tasks import PlantVariation
from ampc.tasks.flexible import FlexibleTaskSampler


@pytest.mark.parametrize("number", [24, 60])
def test_no_motor_is_too_fast_where_the_first_plan_goes_to_the_limit_at_once(number: int) -> None:
    """The two worst of 109 random development tasks, on the plant of ten segments with noise."""
    finer, noise = load_robot("flexible-arm-10"), PUBLISHED_NOISE
    plant, controller = FlexiblePlant(finer), NonlinearMPCController(load_robot("flexible-arm"))
    variation = PlantVariation(
        position_noise=noise.position_noise,
        velocity_noise=noise.velocity_noise,
        end_effector_noise=noise.end_effector_noise,
    )
    task = replace(FlexibleTaskSampler(finer).sample(1, "random", 1411, number)[0], variation=variation)
    measurement = plant.reset(task)
    controller.reset(task)
    fastest = 0.0
    for _ in range(20):
        measurement = plant.step(controller.act(measurement))
        fastest = max(fastest, float((np.abs(plant.dq) / finer.velocity_limits)[finer.actuated].max()))
    assert 0.9 < fastest < 1.0
