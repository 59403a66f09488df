"""Symmetries of an arm on a yaw joint: looking elsewhere, and left and right exchanged."""

from collections.abc import Mapping

from ampc.policies.packing import feature_size
from ampc.policies.settings import Component
from ampc.policies.spec import PolicySpec


class YawSymmetry:
    """What becomes of features where the world is turned about the axis of joint 1, or seen in a mirror.

    Turning changes nothing but where the arm looks: such features say nothing about the torque, since
    obstacles are seen from the arm. In a mirror, what points sideways changes its sign, and so does the
    torque of joint 1. The plane of the links is taken for upright; that of the flexible arm leans by 0.05
    degrees.

    Attributes:
        bearing: Features that say where the arm looks.
        sideways: Features that point sideways.
        size: Number of all features.
    """

    def __init__(self, spec: PolicySpec) -> None:
        """Find the features of a specification that has a symmetry, see `has_symmetry`."""
        n, m = spec.n_joints, spec.n_actuated
        turning: Mapping[Component, tuple[int, ...]] = {"sincos": (0, m), "reference_sincos": (0, m)}
        mirrored: Mapping[Component, tuple[int, ...]] = {
            "state_error": (0, n),
            "near_error": (0,),
            "arm_target_error": (1, 4),
            "obstacle_directions": tuple(range(1, 3 * spec.n_obstacles, 3)),
        }
        self.size = feature_size(spec)
        self.bearing: list[int] = []
        self.sideways: list[int] = []
        before = 0
        for component in spec.inputs.components:
            self.bearing += [before + index for index in turning.get(component, ())]
            self.sideways += [before + index for index in mirrored.get(component, ())]
            before += feature_size(spec, (component,))
        if spec.inputs.past_commands:
            self.sideways.append(before)


_SEEN_FROM_THE_ARM = {
    "sincos",
    "bending",
    "state_error",
    "near_error",
    "arm_target_error",
    "reference_sincos",
    "stiffness",
    "obstacles",
    "obstacle_directions",
}


def has_symmetry(spec: PolicySpec) -> bool:
    """Whether a policy is one of an arm on a yaw joint and sees nothing in the world's frame."""
    return (
        spec.planar_chain is not None
        and spec.actuated[0] == 0
        and set(spec.inputs.components) <= _SEEN_FROM_THE_ARM
    )
