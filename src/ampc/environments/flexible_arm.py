"""``ampc/FlexibleArm-v0``."""

import numpy as np

from ampc.arrays import FloatArray
from ampc.environments.reaching import ReachingEnv
from ampc.environments.score import ScoreSettings
from ampc.plants import PUBLISHED_NOISE, FlexiblePlant, PlantSettings
from ampc.robots import Robot, load_robot
from ampc.tasks import FlexibleRegion, FlexibleTaskSampler, FlexibleTaskSettings, Task, VariationSettings

EPISODE_STEPS = 750
"""Three seconds at 250 Hz."""

PUBLISHED_TASKS = FlexibleTaskSettings(
    variation=VariationSettings(
        position_noise=(PUBLISHED_NOISE.position_noise,) * 2,
        velocity_noise=(PUBLISHED_NOISE.velocity_noise,) * 2,
        end_effector_noise=(PUBLISHED_NOISE.end_effector_noise,) * 2,
    )
)
"""Tasks of the published arm, with its sensor noise."""


class FlexibleArmEnv(ReachingEnv):
    """A flexible arm at 250 Hz that is commanded joint torques.

    It sees what its sensors say, with their noise, and no more: the bending of the links is not measured.

    | Num | Action | Min | Max | Unit |
    |---|---|---|---|---|
    | 0 .. 2 | torque of joint 1, 2, 3, divided by its limit (20, 10, 10 N m) | -1 | 1 | - |

    | Num | Observation | Min | Max | Unit |
    |---|---|---|---|---|
    | 0 .. 2 | measured position of joint 1, 2, 3 | -8 pi | 8 pi | rad |
    | 3 .. 5 | measured velocity of joint 1, 2, 3 | -10 x limit | 10 x limit | rad/s |
    | 6 .. 8 | measured end effector: x, y, z | -1.5 L | 1.5 L | m |
    | 9 .. 11 | goal: x, y, z | -1.5 L | 1.5 L | m |
    | 12 .. 14 | normal of the wall, into free space | -1 | 1 | - |
    | 15 .. 17 | a point of the wall | -1.5 L | 1.5 L | m |
    | 18 .. 20 | normal of the ground | -1 | 1 | - |
    | 21 .. 23 | a point of the ground | -1.5 L | 1.5 L | m |

    L is the length of the arm, limits are those of the robot. Another arm has six entries for each obstacle.
    """

    def __init__(
        self,
        robot: str = "flexible-arm-10",
        region: FlexibleRegion = "random",
        tasks: FlexibleTaskSettings = PUBLISHED_TASKS,
        plant: PlantSettings | None = None,
        score: ScoreSettings | None = None,
    ) -> None:
        """Make the environment.

        Args:
            robot: Built-in flexible arm or a file of its settings.
            region: Where goals are drawn from.
            tasks: What the tasks look like and how their plants vary.
            plant: Rates of the simulation; 250 Hz by default.
            score: What counts as success, and what a violation costs.

        Raises:
            RobotError: The arm is not a yaw joint that carries a planar chain with two motors.
        """
        arm = load_robot(robot)
        self._arm_plant = FlexiblePlant(arm, plant)
        super().__init__(arm, self._arm_plant, score or ScoreSettings())
        self._sampler, self._region = FlexibleTaskSampler(arm, tasks), region

    def _draw(self, seed: int) -> Task:
        return self._sampler.sample(1, self._region, seed)[0]

    def _torque(self, action: FloatArray) -> FloatArray:
        return torque_of(action, self.robot)

    def _points(self) -> FloatArray:
        return self._arm_plant.points

    def _seen_end_effector(self) -> FloatArray:
        end_effector = self._measurement.end_effector
        assert end_effector is not None
        return end_effector


def torque_of(action: FloatArray, robot: Robot) -> FloatArray:
    """Torques (..., m) [N m] of actions (..., m): -1 is the lower limit, 1 the upper."""
    lower, upper = robot.torque_limits.T
    return np.asarray(0.5 * (upper + lower) + 0.5 * (upper - lower) * action)
