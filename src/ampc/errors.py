"""The errors a user can cause, each saying what is wrong, where, and what would be right."""


class AmpcError(ValueError):
    """Base of every error that is the input's fault; the CLI prints it without a traceback."""


class SettingsError(AmpcError):
    """A settings file or option is misspelt, of the wrong type or out of range."""


class RobotError(AmpcError):
    """A robot model cannot be read, or has something that this package does not carry."""


class TaskError(AmpcError):
    """A task is not for this robot, is not finite, or lies outside the robot's limits."""


class UnreachableGoalError(TaskError):
    """No joint configuration within the limits puts the end effector on the goal.

    Attributes:
        distance: Distance from the goal to the nearest position that was reached [m].
    """

    def __init__(self, message: str, distance: float) -> None:
        super().__init__(message)
        self.distance = distance

    def __reduce__(self) -> tuple[type, tuple[str, float], dict[str, object]]:
        """Pickle both arguments, so that the error can cross from a worker process."""
        return type(self), (str(self), self.distance), self.__dict__


class DatasetError(AmpcError):
    """A dataset is truncated, or belongs to another robot, control period or format version."""


class PolicyError(AmpcError):
    """A saved policy is damaged, or does not fit the robot or the loop it is to run in."""


class SolverError(AmpcError):
    """An optimal control problem was not solved; raised by solvers, caught by controllers."""
