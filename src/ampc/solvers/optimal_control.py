"""The nonlinear optimal control problem of an arm, as its solvers see it; what goes in and what comes out.

With nodes k = 0..N, step lengths h_k, the state x = [q, dq] and s_k = h_k for k < N, s_N = 1::

    minimise    sum_{k=0}^{N-1} h_k/2 |u_k - u_ref,k|^2_R
              + sum_{k=1}^{N} s_k ( 1/2 |x_k - x_ref,k|^2_{Q_k} + P_k/2 |p(x_k) - goal_k|^2 )
              + sum_{k=1}^{N} s_k sum_i ( l1_i slack_ki + l2_i/2 slack_ki^2 )
    subject to  x_0 given,   x_{k+1} = F(x_k, u_k; h_k),   u_min <= u_k <= u_max,
                lower_i - slack_ki <= c_i(x_k) <= upper_i + slack_ki,   slack_ki >= 0

F is the implicit integrator of `ampc.chain`, p the position of the end effector. The limits c_i are
`Limit` rows. Where a first torque is proposed (by a policy), the torque's cost at k = 0 is
``w/2 |u_0 - proposed|^2`` instead.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain import YawChain
from ampc.errors import SettingsError
from ampc.robots import Robot
from ampc.solvers.nonlinear_mpc_settings import CostWeights, NonlinearMPCSettings, Penalty

LimitKind = Literal["position", "velocity", "distance", "approach"]
PlanStatus = Literal["solved", "iteration limit", "deadline", "failed"]


@dataclass(frozen=True)
class Limit:
    """One soft constraint row, ``lower <= c(x) <= upper``.

    ========== ==================================================================================
    position   c = q[index]
    velocity   c = dq[index]
    distance   c = normal . (p - point), p the position of obstacle point ``index``
    approach   c = normal . v + slope (normal . (p - point) - margin), v the point's velocity
    ========== ==================================================================================
    """

    kind: LimitKind
    """What is limited."""
    index: int
    """Joint, or number of the point among the robot's obstacle points."""
    lower: float
    """Smallest value, or -inf."""
    upper: float
    """Largest value, or inf."""
    penalty: Penalty
    """Cost of exceeding it, times s_k."""
    obstacle: int = -1
    """Number of the robot's obstacle, for ``distance`` and ``approach``."""
    slope: float = 0.0
    """[1/s], for ``approach``."""
    margin: float = 0.0
    """[m], for ``approach``."""


class OptimalControlProblem:
    """Everything about the problem that stays the same from call to call.

    Attributes:
        robot: The arm that the controller believes in.
        chain: Its dynamics.
        settings: What the arrays were made from.
        steps: Step lengths h (N,) [s].
        substeps: Of the integrator in each step (N,).
        stage_weights: Diagonal of Q_k for 0 < k < N (2n,).
        terminal_weights: Diagonal of Q_N (2n,).
        end_effector_weights: P_k for 0 < k < N, and P_N.
        torque_weights: Diagonal of R (m,).
        torque_limits: Lower and upper torque (m, 2) [N m].
        stage_limits: Limits at the nodes 0 < k < N.
        terminal_limits: Limits at node N: the same, but that a joint which has to come to rest has rest
            (0 <= dq <= 0) in the place of its speed limit.
    """

    def __init__(self, robot: Robot, settings: NonlinearMPCSettings | None = None) -> None:
        """Set the problem up for a robot.

        Raises:
            RobotError: The robot is not a yaw joint that carries a planar chain.
            SettingsError: A tuple of weights does not fit the robot's joints.
        """
        settings = settings or NonlinearMPCSettings()
        self.robot, self.settings, self.chain = robot, settings, YawChain.from_robot(robot)
        grid = settings.grid
        self.steps: FloatArray = np.repeat(np.array(grid.lengths, dtype=np.float64), grid.counts)
        self.substeps: IntArray = np.repeat(np.array(grid.substeps, dtype=np.int64), grid.counts)
        self.stage_weights = _state_weights(robot, settings.stage, "stage")
        self.terminal_weights = _state_weights(robot, settings.terminal, "terminal")
        self.end_effector_weights = settings.stage.end_effector, settings.terminal.end_effector
        self.torque_weights = _expand("torque", settings.torque, robot.n_actuated)
        self.torque_limits = robot.torque_limits
        self.stage_limits = tuple(_limits(robot, settings))
        self.terminal_limits = tuple(_terminal_limits(robot, settings, self.stage_limits))

    @property
    def horizon(self) -> int:
        """Number of steps N."""
        return len(self.steps)

    @property
    def n_states(self) -> int:
        """Number of states 2n."""
        return 2 * self.robot.n_joints

    @property
    def times(self) -> FloatArray:
        """Times of the nodes (N + 1,) [s], from 0."""
        return np.concatenate([[0.0], np.cumsum(self.steps)])


@dataclass(frozen=True, eq=False)
class Query:
    """What changes from call to call."""

    x0: FloatArray
    """State now (2n,)."""
    goal: FloatArray
    """Goal of the end effector, world frame (3,), or one for each node (N + 1, 3) [m]."""
    x_ref: FloatArray
    """Reference of the state (2n,), or one for each node (N + 1, 2n)."""
    u_ref: FloatArray
    """Reference of the torque (m,), or one for each step (N, m) [N m]."""
    stiffness_scale: float = 1.0
    """Young's modulus relative to the robot's model."""
    proposed: FloatArray | None = None
    """First torque that is to be changed as little as possible (m,) [N m]; None for none."""
    proposed_weight: FloatArray | float = 0.0
    """Weight w of the first torque's deviation from ``proposed``, one or (m,) [1/(N m)^2]; not multiplied by
    the step length."""


@dataclass(frozen=True, eq=False)
class Plan:
    """States and torques over the horizon, always finite, and how they came about."""

    x: FloatArray
    """States (N + 1, 2n)."""
    u: FloatArray
    """Torques within their limits (N, m) [N m]; the first is the one to apply."""
    status: PlanStatus
    """``solved``: the iterations asked for were done, or the solution has converged. ``iteration limit``: it
    has not converged, but may be used. ``deadline``: time was up before all iterations were done. ``failed``:
    the plan is the one before, moved on by the time that passed, or standing still if there was none."""
    reason: str
    """Why it is not ``solved``, in words; empty if it is."""
    iterations: int
    """Iterations done: linearisations with the solution of their QP. With none, x and u are the plan before,
    moved on."""
    change: float
    """Largest change of a torque in the last iteration [N m]; NaN without one."""
    kkt: float
    """Largest entry of the Lagrangian's gradient at the last linearisation, so for the plan before its last
    step; NaN without one."""
    gap: float
    """Largest gap ``|F(x_k, u_k) - x_{k+1}|`` there; NaN without one."""
    seconds: float
    """Time that the call took [s]."""
    linearisation_seconds: float = 0.0
    """Of it for linearisation [s]."""
    qp_seconds: float = 0.0
    """Of it for quadratic programs [s]."""
    qp_iterations: int = 0
    """Interior-point iterations of the QPs, in total."""

    @property
    def usable(self) -> bool:
        """Whether the plan was made for the state at hand."""
        return self.status != "failed" and self.iterations > 0


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """Derivatives of the first torque of a converged plan."""

    x0: FloatArray
    """By the state (m, 2n)."""
    goal: FloatArray
    """By the goal, the same at all nodes (m, 3) [N m/m]."""
    x_ref: FloatArray
    """By the reference state, the same at all nodes (m, 2n)."""
    u_ref: FloatArray
    """By the reference torque, the same in all steps (m, m)."""


class NonlinearMPCSolver(Protocol):
    """What solves the problem. One for each loop: it keeps the plan between calls."""

    problem: OptimalControlProblem

    def reset(self) -> None:
        """Forget the plan; the next call starts from standing still at its state."""

    def step(
        self, query: Query, *, elapsed: float | None = None, iterations: int = 1, budget: float = np.inf
    ) -> Plan:
        """Move the plan on by the time that passed, then improve it for the state at hand.

        Args:
            query: State and references.
            elapsed: Time since the call before [s]; by default the first step's length, after `reset` 0.
            iterations: At most so many, fewer if converged.
            budget: Time allowed [s]; no iteration is begun that is not expected to end within it.
        """

    def converge(self, query: Query, *, guess: Plan | None = None, max_iterations: int = 100) -> Plan:
        """Solve the problem to its tolerance, from ``guess``, by default from the plan that is kept."""


def _state_weights(robot: Robot, weights: CostWeights, where: str) -> FloatArray:
    n, active, passive = robot.n_joints, robot.actuated, robot.passive
    diagonal = np.zeros(2 * n)
    for first, kind in ((0, "position"), (n, "velocity")):
        for joints, which in ((active, "active"), (passive, "passive")):
            name = f"{kind}_{which}"
            diagonal[first + joints] = _expand(f"{where}.{name}", getattr(weights, name), len(joints))
    return diagonal


def _expand(name: str, values: tuple[float, ...], count: int) -> FloatArray:
    if count and len(values) not in (1, count):
        raise SettingsError(f"{name} has {len(values)} entries; it needs 1, or {count} for this robot")
    return np.resize(np.array(values, dtype=np.float64), count)


def _limits(robot: Robot, settings: NonlinearMPCSettings) -> list[Limit]:
    limits: list[Limit] = []
    for joint in robot.actuated.tolist():
        speed = settings.speed_factor * float(robot.velocity_limits[joint])
        if np.isfinite(speed):
            limits.append(Limit("velocity", joint, -speed, speed, settings.speed))
    for joint, (lower, upper) in enumerate(robot.position_limits.tolist()):
        if np.isfinite(lower) or np.isfinite(upper):
            limits.append(Limit("position", joint, lower, upper, settings.position))
    slope, margins = settings.approach_slope, settings.margins
    for point in range(len(robot.obstacle_points)):
        margin = margins[min(point, len(margins) - 1)]
        for obstacle in range(len(robot.obstacles)):
            limits.append(
                Limit("distance", point, margin, np.inf, settings.obstacle, obstacle=obstacle, margin=margin)
            )
            limits.append(
                Limit("approach", point, 0.0, np.inf, settings.approach,
                      obstacle=obstacle, slope=slope, margin=margin)
            )  # fmt: skip
    return [limit for limit in limits if limit.penalty.active]


def _terminal_limits(robot: Robot, settings: NonlinearMPCSettings, stage: tuple[Limit, ...]) -> list[Limit]:
    penalties = [
        settings.rest if j in robot.actuated else settings.rest_passive for j in range(robot.n_joints)
    ]
    rest = [Limit("velocity", j, 0.0, 0.0, penalty) for j, penalty in enumerate(penalties) if penalty.active]
    resting = {limit.index for limit in rest}
    kept = [limit for limit in stage if not (limit.kind == "velocity" and limit.index in resting)]
    return [*kept, *rest]
