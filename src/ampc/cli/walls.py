"""Options that place the wall of an arm with flexible links elsewhere in each task."""

from dataclasses import dataclass
from math import pi

from ampc.errors import SettingsError
from ampc.tasks import WallSettings


@dataclass(frozen=True)
class DrawnWalls:
    """Walls that are drawn for each task, in place of the robot's; none without a distance."""

    distance: tuple[float, float] | None = None
    """Least and largest distance of a task's wall from the axis of joint 1 [m], such as 0.05 0.3; by default
    the robot's wall stands in all tasks."""
    direction: tuple[float, float] | None = None
    """First and last direction in which it stands, from world x about world z [rad]; by default all."""
    name: str = "wall"
    """Which of the robot's obstacles it takes the place of."""

    @property
    def settings(self) -> WallSettings | None:
        """Settings of the tasks; None for the robot's wall.

        Raises:
            SettingsError: Directions without distances, or ranges that are none.
        """
        if self.distance is not None:
            return WallSettings(self.distance, self.direction or (-pi, pi), self.name)
        if self != DrawnWalls():
            raise SettingsError(
                "walls are drawn only where --walls.distance says how near: give it too, such as"
                " --walls.distance 0.05 0.3"
            )
        return None
