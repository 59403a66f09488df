"""Simulated arms: torque in, measurement out, and the only place that knows the true state.

A plant has what a real arm has (torque limits, sensor noise, input delay) and meets the controller once per
control period, however fine its physics runs. `ampc.plants.cvodes_plant` has the reference for flexible arms,
which is not imported here.
"""

from ampc.plants.chain_plant import FlexiblePlantSettings
from ampc.plants.flexible_plant import FlexiblePlant
from ampc.plants.many_arms import ManyArms, Measurements
from ampc.plants.measurement import Measurement
from ampc.plants.mujoco_plant import MujocoPlant
from ampc.plants.simulated_plant import PlantSettings
from ampc.plants.variation import vary
from ampc.plants.varied_arm import PUBLISHED_NOISE

__all__ = [
    "PUBLISHED_NOISE",
    "FlexiblePlant",
    "FlexiblePlantSettings",
    "ManyArms",
    "Measurement",
    "Measurements",
    "MujocoPlant",
    "PlantSettings",
    "vary",
]
