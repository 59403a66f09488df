"""The expert's problem solved exactly for many states at once in NumPy."""

import numpy as np

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import SolverError
from ampc.solvers.double_integrator import JointMPCSettings, stack_states
from ampc.solvers.exact_joint_mpc import ExactJointMPC
from ampc.solvers.explicit_pieces import ExplicitPieces, Patterns

NEWTON_PASSES = 6
"""Newton steps on the active set after which a state is handed to DAQP."""

GRID_SIDES = (8, 32, 128)
"""Cells a side of the grids by which a state's first guess is found, each learnt from the one before."""

ROWS_AT_ONCE = 2048
"""States worked on together, so that their affine maps stay in the processor's cache."""

KKT_TOLERANCE = 1e-10
"""Largest accepted `DoubleIntegratorProblem.kkt_residual`, as a fraction of the limit."""


class BatchJointMPC:
    """A lazily learnt explicit MPC: exact plans for whole batches of joint states.

    The optimal plan is piecewise affine in the two numbers (q - q_ref, dq) that describe a joint, and all
    joints share the pieces. A grid over these two numbers remembers the active set at the middle of each
    cell; from there a few Newton steps on the active set (primal-dual active-set method: Hintermüller, Ito,
    Kunisch, SIAM J. Optim. 13, 2002) lead to the state's own. Each step is one look-up of an affine map and
    one evaluation. The method can cycle; what has not converged soon is solved by DAQP. Every plan is
    checked against the optimality conditions before it is returned, so that the result is exact however it
    was found, and it depends on the state alone, not on what was solved before.

    Attributes:
        problem: The problem of one joint.
        solved_by_daqp: States that needed DAQP so far, those of the grid included.
    """

    def __init__(self, settings: JointMPCSettings) -> None:
        self._daqp = ExactJointMPC(settings)
        self.problem = self._daqp.problem
        self._pieces = ExplicitPieces(self.problem)
        self.solved_by_daqp = 0
        reach = settings.horizon * settings.step
        # As far as an arm gets at full acceleration within the horizon: beyond, plans hardly change any more.
        self._grid_extent = self.problem.limit * np.array([reach**2 / 2.0, reach])
        self._grid = np.zeros((1, 1), dtype=np.int64)
        for side in GRID_SIDES:
            middles = (2.0 * np.arange(side) + 1.0) / side - 1.0
            states = np.stack(np.meshgrid(*(middles * x for x in self._grid_extent), indexing="ij"), axis=-1)
            self._grid = self._solve(states.reshape(-1, 2))[1].reshape(side, side)

    @property
    def n_pieces(self) -> int:
        """Number of affine pieces met so far."""
        return len(self._pieces.patterns)

    def plan(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """Optimal plans.

        Args:
            error: Position errors q - q_ref (..., n) [rad].
            dq: Velocities (..., n) [rad/s].

        Returns:
            Commands over the horizon (..., N, n) [rad/s^2].

        Raises:
            SolverError: If a state is not finite, or a plan did not pass the check of optimality.
        """
        states = stack_states(error, dq)
        commands, _ = self._solve(states.reshape(-1, 2))
        return np.asarray(np.moveaxis(commands.reshape(*states.shape[:-1], self.problem.horizon), -1, -2))

    def first_input(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """First commands of the optimal plans (..., n) [rad/s^2]; arguments and errors as `plan`."""
        return self.plan(error, dq)[..., 0, :]

    def sensitivity(self, error: FloatArray, dq: FloatArray) -> FloatArray:
        """Derivative of each joint's first command by its own error and velocity.

        Exact inside a piece; on the border of two it is that of either. Zero where the command is at its
        limit.

        Args:
            error: Position errors q - q_ref (..., n) [rad].
            dq: Velocities (..., n) [rad/s].

        Returns:
            Gradients (..., n, 2) [1/s^2, 1/s].

        Raises:
            SolverError: As `plan`.
        """
        states = stack_states(error, dq)
        _, pieces = self._solve(states.reshape(-1, 2))
        is_free = self._pieces.patterns[pieces, 0] == 0
        gradients = self._pieces.maps[pieces, 0, :2] * is_free[:, None]
        return np.asarray(gradients.reshape(states.shape))

    def _solve(self, states: FloatArray) -> tuple[FloatArray, IntArray]:
        """Plans (B, N) and the pieces they lie on (B,), of states (B, 2)."""
        commands = np.empty((len(states), self.problem.horizon))
        pieces = self._guess(states)
        for start in range(0, len(states), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            commands[rows] = self._solve_rows(states[rows], pieces[rows])
        return commands, pieces

    def _solve_rows(self, states: FloatArray, pieces: IntArray) -> FloatArray:
        """Plans of states, correcting their guessed pieces in place."""
        z = self._evaluate(pieces, states)
        wrong, patterns = self._wrong(pieces, z)
        rows = np.flatnonzero(wrong)
        for _ in range(NEWTON_PASSES):
            if not rows.size:
                break
            pieces[rows] = self._pieces.indices(patterns[wrong])
            z[rows] = self._evaluate(pieces[rows], states[rows])
            wrong, patterns = self._wrong(pieces[rows], z[rows])
            rows = rows[wrong]
        if rows.size:
            self.solved_by_daqp += rows.size
            multipliers = np.array([self._daqp.solve(state)[1] for state in states[rows]])
            pieces[rows] = self._pieces.indices(np.sign(multipliers).astype(np.int8))
            z[rows] = self._evaluate(pieces[rows], states[rows])
        commands = z.clip(-self.problem.limit, self.problem.limit)
        self._check(commands, states)
        return commands

    def _guess(self, states: FloatArray) -> IntArray:
        """Piece at the middle of each state's grid cell; states beyond the grid take the nearest cell."""
        side = len(self._grid)
        cells = (states / self._grid_extent + 1.0) * (side / 2.0)
        i, j = cells.clip(0, side - 1).astype(np.int64).T
        return np.asarray(self._grid[i, j])

    def _evaluate(self, pieces: IntArray, states: FloatArray) -> FloatArray:
        maps = self._pieces.maps[pieces]
        return np.asarray(np.einsum("bkj,bj->bk", maps[:, :, :2], states) + maps[:, :, 2])

    def _wrong(self, pieces: IntArray, z: FloatArray) -> tuple[BoolArray, Patterns]:
        """Whether a piece's active set is not the one that its values ask for (B,), and the latter (B, N)."""
        limit = self.problem.limit
        patterns = (z > limit).view(np.int8) - (z < -limit).view(np.int8)
        return (patterns != self._pieces.patterns[pieces]).any(axis=1), patterns

    def _check(self, commands: FloatArray, states: FloatArray) -> None:
        residuals = self.problem.kkt_residual(commands, states)
        tolerance = KKT_TOLERANCE * self.problem.limit
        if not (residuals <= tolerance).all():
            worst = int(np.argmax(residuals))
            raise SolverError(
                f"plan at error {states[worst, 0]} rad, velocity {states[worst, 1]} rad/s is not optimal: KKT"
                f" residual {residuals[worst]:.2g} above {tolerance:.2g} rad/s^2; are the weights far apart?"
            )
