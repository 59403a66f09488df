"""Simulated arms: torque in, measurement out, and the only place that knows the true state.

A plant has what a real arm has (torque limits, sensor noise, input delay) and meets the controller once per
control period, however fine its physics runs.
"""

from ampc.plants.measurement import Measurement
from ampc.plants.mujoco_plant import MujocoPlant, PlantSettings
from ampc.plants.variation import vary

__all__ = ["Measurement", "MujocoPlant", "PlantSettings", "vary"]
