"""An arm with flexible links, from its settings and the number of passive joints per link."""

import dataclasses

from ampc.errors import RobotError
from ampc.robots.flexible_arm.model import flexible_arm_spec
from ampc.robots.flexible_arm.settings import FLEXIBLE_ARM, FlexibleArmSettings, split_source
from ampc.robots.loading import load_robot, robot_from_file
from ampc.robots.loading.model_file import ModelFile
from ampc.robots.robot import Robot


def flexible_arm(n_seg: int | None = None, settings: FlexibleArmSettings | None = None) -> Robot:
    """Build a yaw joint that carries two flexible links.

    Its joints are ``joint1``, ``joint2``, ``link2_flex1`` to ``link2_flexN``, ``joint3``, ``link3_flex1`` to
    ``link3_flexN``; joints 1 to 3 have motors, the others springs and dampers. `load_robot` gives the same
    arm by name (``flexible-arm``, ``flexible-arm-10``) or from a settings file.

    Args:
        n_seg: Passive joints in each link; by default that of the settings.
        settings: Dimensions, material, limits and obstacles; by default the published arm.

    Raises:
        SettingsError: A setting is out of range; the message says what would be right.
    """
    settings = settings or FlexibleArmSettings()
    if n_seg is not None:
        settings = dataclasses.replace(settings, n_seg=n_seg)
    published = settings == FlexibleArmSettings(n_seg=settings.n_seg)
    source = f"{FLEXIBLE_ARM}-{settings.n_seg}" if published else f"settings of {settings.name}"
    return robot_from_file(ModelFile(flexible_arm_spec(settings), source, may_wind_up=True))


def with_segments(robot: Robot, n_seg: int) -> Robot:
    """The same flexible arm with another number of passive joints per link.

    Raises:
        RobotError: The robot was not loaded by the name of the flexible arm or from a file of its settings.
    """
    parts = split_source(robot.source)
    if parts is None:
        raise RobotError(
            f"robot {robot.name!r} ({robot.source}) is not a flexible arm that can be built with {n_seg} "
            f"passive joints per link; load one by name ({FLEXIBLE_ARM}) or from a .toml file of its settings"
        )
    return load_robot(f"{parts[0]}-{n_seg}")
