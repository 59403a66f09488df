"""Reading arms from MJCF, URDF and settings files: what is carried, what is refused, what is chosen."""

from ampc.robots.loading.loader import examine, load_robot, robot_from_file

__all__ = ["examine", "load_robot", "robot_from_file"]
