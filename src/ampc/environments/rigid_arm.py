"""``ampc/RigidArm-v0``."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.torque_laws import ComputedTorque
from ampc.environments.reaching import ReachingEnv
from ampc.environments.score import ScoreSettings
from ampc.errors import SettingsError
from ampc.plants import MujocoPlant, PlantSettings
from ampc.robots import RobotDynamics, load_robot
from ampc.robots.capability import USUAL_COMMAND_LIMIT
from ampc.tasks import Region, Task, TaskSampler, TaskSettings

EPISODE_STEPS = 60
"""Three seconds at 20 Hz."""


class RigidArmEnv(ReachingEnv):
    """A rigid arm at 20 Hz that is commanded joint accelerations.

    An action is the command that the expert gives and policies imitate: joint accelerations, as parts of the
    command limit. Computed torque on the measured state, torque limits and the plant's physics come after it.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | 0 .. m-1 | acceleration of joint 1 .. m, divided by the command limit (10 rad/s2) | -1 | 1 | - |

    | Num | Observation | Min | Max | Unit |
    |---|---|---|---|---|
    | 0 .. m-1 | measured position of joint 1 .. m | limit - 1 | limit + 1 | rad |
    | m .. 2m-1 | measured velocity of joint 1 .. m | -10 x limit | 10 x limit | rad/s |
    | 2m .. 2m+2 | end effector at the measured joint positions: x, y, z | -1.5 L | 1.5 L | m |
    | 2m+3 .. 2m+5 | goal: x, y, z | -1.5 L | 1.5 L | m |

    L is the length of the arm, limits are those of the robot. The arm that comes with this package has m = 3.
    """

    def __init__(
        self,
        robot: str = "rigid-arm",
        region: Region = "interior",
        tasks: TaskSettings | None = None,
        plant: PlantSettings | None = None,
        score: ScoreSettings | None = None,
        command_limit: float = USUAL_COMMAND_LIMIT,
    ) -> None:
        """Make the environment.

        Args:
            robot: Built-in arm or model file, with a motor at every joint.
            region: Region of the workspace that goals are drawn from.
            tasks: What the tasks look like and how their plants vary.
            plant: Rates of the simulation; 20 Hz by default.
            score: What counts as success, and what a violation costs.
            command_limit: Acceleration that an action of 1 stands for [rad/s2].

        Raises:
            SettingsError: The arm has passive joints, or the command limit is not positive.
        """
        arm = load_robot(robot)
        if arm.passive.size:
            raise SettingsError(
                f"robot {arm.name!r} has joints without motors; use ampc/FlexibleArm-v0 for it"
            )
        if not 0.0 < command_limit < np.inf:
            raise SettingsError(f"command_limit is {command_limit}; it must be a positive acceleration")
        self._arm_plant = MujocoPlant(arm, plant)
        super().__init__(arm, self._arm_plant, score or ScoreSettings())
        self._sampler, self._region = TaskSampler(arm, tasks), region
        self._dynamics = RobotDynamics(arm)
        self._torque_law = ComputedTorque(self._dynamics, self._arm_plant.control_period)
        self._command_limit = command_limit

    def _draw(self, seed: int) -> Task:
        return self._sampler.sample(1, self._region, seed)[0]

    def _torque(self, action: FloatArray) -> FloatArray:
        measured = self._measurement
        split = self._torque_law.split(self._command_limit * action, measured.q, measured.dq)
        return np.asarray(split.corrective + split.compensation)

    def _points(self) -> FloatArray:
        return np.asarray(self._arm_plant.end_effector[None])

    def _seen_end_effector(self) -> FloatArray:
        return self._dynamics.end_effector(self._measurement.q)
