"""Arms: models, limits, obstacles, and the kinematics and dynamics derived from them.

`ampc.robots.symbolic` has the CasADi form, which is not imported here.
"""

from ampc.robots.capability import suggested_command_limit
from ampc.robots.check import check_robot
from ampc.robots.dynamics import RobotDynamics
from ampc.robots.finding import Finding
from ampc.robots.flexible_arm.arm import flexible_arm, with_segments
from ampc.robots.flexible_arm.settings import FlexibleArmSettings, ObstacleSettings
from ampc.robots.inverse_kinematics import IKSolution, InverseKinematics, InverseKinematicsSettings
from ampc.robots.kinematic_chain import KinematicChain
from ampc.robots.loading import load_robot
from ampc.robots.robot import HalfSpace, Robot

__all__ = [
    "Finding",
    "FlexibleArmSettings",
    "HalfSpace",
    "IKSolution",
    "InverseKinematics",
    "InverseKinematicsSettings",
    "KinematicChain",
    "ObstacleSettings",
    "Robot",
    "RobotDynamics",
    "check_robot",
    "flexible_arm",
    "load_robot",
    "suggested_command_limit",
    "with_segments",
]
