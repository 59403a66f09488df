"""Constants of a robot's planar chain, for policies."""

from typing import TYPE_CHECKING

from ampc.chain.parameters import chain_parameters
from ampc.policies.planar_constants import PlanarChain

if TYPE_CHECKING:
    from ampc.robots.robot import Robot


def planar_chain(robot: "Robot") -> PlanarChain:
    """Read the kinematics of a robot.

    Raises:
        RobotError: The robot is not a yaw joint that carries a planar chain.
    """
    parameters = chain_parameters(robot)
    return PlanarChain(
        base=tuple(map(float, parameters.base)),
        heading=float(parameters.heading),
        sin_tilt=float(parameters.sin_tilt),
        cos_tilt=float(parameters.cos_tilt),
        offset=tuple(map(float, parameters.offset)),
        along=tuple(tuple(map(float, row)) for row in parameters.point_along),
        across=tuple(tuple(map(float, row)) for row in parameters.point_across),
    )
