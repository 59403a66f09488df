"""Arms: models, limits, obstacles, and the kinematics and dynamics derived from them.

`ampc.robots.symbolic` has the CasADi form, which is not imported here.
"""

from ampc.robots.dynamics import RobotDynamics
from ampc.robots.finding import Finding
from ampc.robots.kinematic_chain import KinematicChain
from ampc.robots.loading import load_robot
from ampc.robots.robot import HalfSpace, Robot

__all__ = [
    "Finding",
    "HalfSpace",
    "KinematicChain",
    "Robot",
    "RobotDynamics",
    "load_robot",
]
