"""Drive the simulated rigid arm with an exported policy: python examples/control_loop.py POLICY.onnx"""

import sys
from pathlib import Path

import numpy as np

import ampc

robot = ampc.load_robot("rigid-arm")
setup = ampc.EpisodeSetup(controller=ampc.ControllerSettings(kind="policy", policy=Path(sys.argv[1])))
plant, controller = setup.build()
task = ampc.task_for_goal(robot, np.array([0.3, 0.2, 0.4]))

measurement = plant.reset(task)
controller.reset(task)
for _ in range(60):
    torque = controller.act(measurement)  # never raises, never non-finite
    measurement = plant.step(torque)
    if controller.last_step.status != "ok":
        print(f"{measurement.time:.2f} s: {controller.last_step.reason}")
print(f"distance to the goal: {1000 * np.linalg.norm(plant.end_effector - task.goal):.3f} mm")
