"""The expert as a look-up table: what a network must beat to be worth its training."""

import math
from dataclasses import dataclass

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.feedback import ErrorFeedback
from ampc.errors import SettingsError
from ampc.solvers.batch_joint_mpc import BatchJointMPC
from ampc.solvers.double_integrator import JointMPCSettings, stack_states


@dataclass(frozen=True)
class TableSettings:
    """Extent and resolution of the table."""

    points: int = 401
    """Grid points along each of the two axes."""
    error_range: float = 2.0 * math.pi
    """Largest position error in the table [rad]; two joint angles within a turn are no further apart."""
    speed_range: float = 10.0
    """Largest velocity in the table [rad/s]."""

    def __post_init__(self) -> None:
        """Refuse a table without cells."""
        if self.points < 2:
            raise SettingsError(f"a table needs at least 2 points along each axis, not {self.points}")
        for name in ("error_range", "speed_range"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise SettingsError(f"{name} must be positive and finite, not {value}")


class ExpertTable(ErrorFeedback):
    """The expert's command f(q - q_ref, dq) of one joint on a regular grid, interpolated bilinearly.

    The joints' problems are independent and identical, so that one table serves all. A state outside the
    table takes the value at the nearest state on its border. Interpolation is exact where the expert is
    linear or saturated over a whole cell, and off near its kinks; see `interpolation_error`.

    Attributes:
        values: Commands (points, points) [rad/s^2], first index over the error, second over the velocity.
    """

    def __init__(self, settings: JointMPCSettings, n_joints: int, table: TableSettings | None = None) -> None:
        """Solve the expert's problem on the grid.

        Args:
            settings: The expert.
            n_joints: Number of joints n.
            table: Extent and resolution; None for the defaults.

        Raises:
            SolverError: If a problem on the grid was not solved.
        """
        super().__init__("table", n_joints, settings.command_limit)
        table = table or TableSettings()
        self._half_extent = np.array([table.error_range, table.speed_range])
        self._last = table.points - 1
        self._expert = BatchJointMPC(settings)
        self.values = self._solve_at(np.linspace(-1.0, 1.0, table.points))

    def command(self, q: FloatArray, dq: FloatArray) -> FloatArray:
        """Interpolated commands (n,) [rad/s^2].

        Raises:
            SolverError: If the state is not finite or the law was not reset.
        """
        return self.interpolate(q - self._q_ref, dq)

    def interpolate(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """Interpolated commands.

        Args:
            error: Position errors q - q_ref (...) [rad].
            dq: Velocities (...) [rad/s].

        Returns:
            Commands (...) [rad/s^2].

        Raises:
            SolverError: If a state is not finite.
        """
        position = (stack_states(error, dq) / self._half_extent + 1.0) * (self._last / 2.0)
        position = position.clip(0.0, self._last)
        cell = position.astype(np.int64).clip(max=self._last - 1)
        i, j = cell[..., 0], cell[..., 1]
        a, b = np.moveaxis(position - cell, -1, 0)
        low = self.values[i, j] * (1.0 - b) + self.values[i, j + 1] * b
        high = self.values[i + 1, j] * (1.0 - b) + self.values[i + 1, j + 1] * b
        return np.asarray(low * (1.0 - a) + high * a)

    def interpolation_error(self) -> FloatArray:
        """Distance from the expert at the middle of each cell (points - 1, points - 1) [rad/s^2]."""
        middles = (2.0 * np.arange(self._last) + 1.0) / self._last - 1.0
        states = np.meshgrid(middles * self._half_extent[0], middles * self._half_extent[1], indexing="ij")
        return np.asarray(np.abs(self.interpolate(*states) - self._solve_at(middles)))

    def _solve_at(self, axis: FloatArray) -> FloatArray:
        """The expert's commands on the grid of two axes given as fractions of the half extents."""
        error, dq = np.meshgrid(axis * self._half_extent[0], axis * self._half_extent[1], indexing="ij")
        return self._expert.first_input(error, dq)
