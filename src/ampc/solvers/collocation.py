"""The nonlinear MPC's problem as one large nonlinear program, every stage of every step a variable.

The steps are those of the chain's core, an implicit Runge-Kutta method with two stages: with Butcher matrix
B, weights b, nodes c and step h, stage accelerations a_i satisfy ``M(p_i) a_i = force(p_i, v_i, u)`` at::

    v_i = v + h sum_j B_ij a_j,    p_i = p + h c_i v + h^2 sum_j (B B)_ij a_j

The places p_i and rates v_i are variables too: the program is larger by equations that are linear, and its
second derivatives, those of one stage at a time, are far fewer.

States stand in the chain's absolute angles (`ampc.plants.chain_equations`), where the equations are shortest;
a constant linear map leads from them to x = [q, dq], so that the method is the same.
"""

from dataclasses import dataclass

import casadi as ca
import numpy as np

from ampc.arrays import FloatArray, IntArray
from ampc.chain import ChainParameters
from ampc.chain.options import Scheme
from ampc.plants.chain_equations import equations_of_motion
from ampc.solvers.optimal_control import Limit, OptimalControlProblem

_ROOT3 = np.sqrt(3.0)
_BUTCHER: dict[Scheme, tuple[FloatArray, FloatArray]] = {
    "gauss-legendre": (
        np.array([[0.25, 0.25 - _ROOT3 / 6.0], [0.25 + _ROOT3 / 6.0, 0.25]]),
        np.array([0.5, 0.5]),
    ),
    "radau": (np.array([[5.0 / 12.0, -1.0 / 12.0], [0.75, 0.25]]), np.array([0.75, 0.25])),
}
"""Butcher matrix B and weights b; the nodes are the row sums of B."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where things stand in the vector of variables, each block column by column."""

    states: tuple[int, int]
    """Shape of the states at all substeps (2n, M + 1), the first block."""
    stages: tuple[int, int]
    """Of the stages' states [p_1, v_1, p_2, v_2] (4n, M), the second."""
    accelerations: tuple[int, int]
    """Of the stages' changes of velocity [h a_1, h a_2] (2n, M), the third."""
    torques: tuple[int, int]
    """Of the torques (m, N), the fourth."""
    stage_slacks: tuple[int, int]
    """Of the slacks at the nodes between the first and the last (r, N - 1), the fifth."""
    terminal_slacks: tuple[int, int]
    """Of those at the last one (r_N, 1), the last."""
    nodes: IntArray
    """Columns of the states that are nodes of the plan (N + 1,)."""

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Of all blocks."""
        slacks = (self.stage_slacks, self.terminal_slacks)
        return (self.states, self.stages, self.accelerations, self.torques, *slacks)

    @property
    def size(self) -> int:
        """Number of variables."""
        return sum(rows * columns for rows, columns in self.shapes)

    def split(self, variables: FloatArray) -> list[FloatArray]:
        """The blocks as matrices."""
        bounds = np.cumsum([rows * columns for rows, columns in self.shapes])[:-1]
        blocks = np.split(variables, bounds)
        return [block.reshape(shape, order="F") for block, shape in zip(blocks, self.shapes, strict=True)]

    def join(self, *blocks: FloatArray) -> FloatArray:
        """The vector of the blocks."""
        return np.concatenate([block.ravel(order="F") for block in blocks])


@dataclass(frozen=True, eq=False)
class CollocationProgram:
    """``minimise cost(z, p) subject to lower <= constraints(z, p) <= upper``, for `casadi.nlpsol`.

    The parameters p are: goal (3, N), reference of y in x (2n, N), of the torque (m, N), weights of the first
    torque (m), stiffness scale (1). The state at the first node is a variable that bounds hold in place.
    """

    program: dict[str, ca.MX]
    """Variables, parameters, cost and constraints."""
    lower: FloatArray
    """Of the constraints."""
    upper: FloatArray
    """Of the constraints."""
    layout: Layout
    """Of the variables."""


def collocation_program(problem: OptimalControlProblem) -> CollocationProgram:
    """Build the program; symbolic work of about a second."""
    arm = problem.chain.parameters
    n, m, N = problem.n_states, problem.robot.n_actuated, problem.horizon
    nodes = np.concatenate([[0], np.cumsum(problem.substeps)])
    owner = np.repeat(np.arange(N), problem.substeps)
    lengths = np.repeat(problem.steps / problem.substeps, problem.substeps)
    M = len(owner)
    staged, ending = problem.stage_limits, problem.terminal_limits
    layout = Layout((n, M + 1), (2 * n, M), (n, M), (m, N), (len(staged), N - 1), (len(ending), 1), nodes)

    y, z = ca.MX.sym("y", *layout.states), ca.MX.sym("z", *layout.stages)
    a = ca.MX.sym("a", *layout.accelerations)
    u = ca.MX.sym("u", *layout.torques)
    slack = ca.MX.sym("slack", *layout.stage_slacks)
    last_slack = ca.MX.sym("last_slack", *layout.terminal_slacks)
    goal, x_ref, u_ref = ca.MX.sym("goal", 3, N), ca.MX.sym("x_ref", n, N), ca.MX.sym("u_ref", m, N)
    first_weight, scale = ca.MX.sym("first_weight", m), ca.MX.sym("scale")

    places, following = _quadrature(arm, problem.settings.grid.scheme).map(M)(y[:, :-1], a, ca.DM(lengths).T)
    stage, torque, scales = (
        _stage(arm, float(lengths.min())).map(M),
        u[:, owner.tolist()],
        ca.repmat(scale, 1, M),
    )
    residuals = [
        stage(z[:n, :], a[: n // 2, :], torque, ca.DM(lengths).T, scales),
        stage(z[n:, :], a[n // 2 :, :], torque, ca.DM(lengths).T, scales),
    ]
    between, last = y[:, nodes[1:-1].tolist()], y[:, -1]

    cost = 0.5 * ca.dot(first_weight, (u[:, 0] - u_ref[:, 0]) ** 2)
    stage_point, terminal_point = problem.end_effector_weights
    cost += _state_cost(arm, problem.terminal_weights, terminal_point)(last, x_ref[:, -1], goal[:, -1])
    cost += ca.sum1(_violation_cost(last_slack, ending))
    inequalities = [_sides(problem, ending)(last, last_slack)]
    if N > 1:
        spans = ca.DM(problem.steps[1:])
        effort = 0.5 * ca.DM(problem.torque_weights).T @ (u[:, 1:] - u_ref[:, 1:]) ** 2
        deviation = _state_cost(arm, problem.stage_weights, stage_point).map(N - 1)(
            between, x_ref[:, :-1], goal[:, :-1]
        )
        cost += (effort + deviation + ca.sum1(_violation_cost(slack, staged))) @ spans
        inequalities.insert(0, _sides(problem, staged).map(N - 1)(between, slack))
    equations = ca.veccat(y[:, 1:] - following, z - places, *residuals)
    inequality = ca.veccat(*inequalities)
    count = inequality.numel()
    return CollocationProgram(
        program={
            "x": ca.veccat(y, z, a, u, slack, last_slack),
            "p": ca.veccat(goal, x_ref, u_ref, first_weight, scale),
            "f": cost,
            "g": ca.vertcat(equations, inequality),
        },
        lower=np.zeros(equations.numel() + count),
        upper=np.concatenate([np.zeros(equations.numel()), np.full(count, np.inf)]),
        layout=layout,
    )


def _quadrature(arm: ChainParameters, scheme: Scheme) -> ca.Function:
    """From state, stage accelerations and length to the stages' states and the next state; linear in both."""
    n = arm.n_bodies + 1
    butcher, weights = _BUTCHER[scheme]
    square, nodes, ahead = butcher @ butcher, butcher.sum(axis=1), weights @ butcher
    y, a, h = ca.SX.sym("y", 2 * n), ca.SX.sym("a", 2 * n), ca.SX.sym("h")
    p, v, first, second = y[:n], y[n:], a[:n], a[n:]
    stages = []
    for i in range(2):
        stages.append(p + h * (nodes[i] * v + square[i, 0] * first + square[i, 1] * second))
        stages.append(v + butcher[i, 0] * first + butcher[i, 1] * second)
    following = ca.vertcat(
        p + h * (v + ahead[0] * first + ahead[1] * second), v + weights[0] * first + weights[1] * second
    )
    return ca.Function("quadrature", [y, a, h], [ca.vertcat(*stages), following])


def _stage(arm: ChainParameters, length: float) -> ca.Function:
    """From a stage's state, acceleration, torque and stiffness to the residual of the equations of motion."""
    n = arm.n_bodies + 1
    z, a, u = ca.SX.sym("z", 2 * n), ca.SX.sym("a", n), ca.SX.sym("u", len(arm.actuated))
    h, scale = ca.SX.sym("h"), ca.SX.sym("scale")
    mass_matrix, force = equations_of_motion(arm, z, u, scale)
    residual = h * force - mass_matrix @ a
    # Newton's matrix of a step from the arm at rest, stretched out: what makes stiff chains well scaled.
    change = (
        -ca.jacobian(residual, a) - ca.jacobian(residual, z[n:]) / 2 - h * ca.jacobian(residual, z[:n]) / 4
    )
    typical = ca.Function("newton", [z, a, u, h, scale], [change])(0, 0, 0, length, 1)
    residual = ca.DM(np.linalg.inv(typical.full())) @ residual
    return ca.Function("stage", [z, a, u, h, scale], [residual])


def _state_cost(arm: ChainParameters, weights: FloatArray, end_effector_weight: float) -> ca.Function:
    n = arm.n_bodies + 1
    y, x_ref, goal = ca.SX.sym("y", 2 * n), ca.SX.sym("x_ref", 2 * n), ca.SX.sym("goal", 3)
    deviation = _joint_state(arm, y) - x_ref
    cost = 0.5 * ca.dot(ca.DM(weights), deviation**2)
    cost += 0.5 * end_effector_weight * ca.sumsqr(_point(arm, 0, y) - goal)
    return ca.Function("cost", [y, x_ref, goal], [cost])


def _violation_cost(slack: ca.MX, limits: tuple[Limit, ...]) -> ca.MX:
    """l1 s + l2 s^2 / 2 of each slack."""
    l1, l2 = (ca.DM([getattr(limit.penalty, name) for limit in limits]) for name in ("l1", "l2"))
    columns = slack.shape[1]
    return ca.repmat(l1, 1, columns) * slack + 0.5 * ca.repmat(l2, 1, columns) * slack**2


def _sides(problem: OptimalControlProblem, limits: tuple[Limit, ...]) -> ca.Function:
    """From state and slacks to what must not be negative, one entry for each finite side of the limits."""
    y, slack = ca.SX.sym("y", problem.n_states), ca.SX.sym("slack", len(limits))
    sides: list[ca.SX] = []
    for row, limit in enumerate(limits):
        value = _limited(problem, limit, y)
        if np.isfinite(limit.lower):
            sides.append(value - limit.lower + slack[row])
        if np.isfinite(limit.upper):
            sides.append(limit.upper - value + slack[row])
    return ca.Function("sides", [y, slack], [ca.vertcat(*sides)])


def _limited(problem: OptimalControlProblem, limit: Limit, y: ca.SX) -> ca.SX:
    arm, n = problem.chain.parameters, problem.robot.n_joints
    if limit.kind in ("position", "velocity"):
        return _joint_state(arm, y)[limit.index + (n if limit.kind == "velocity" else 0)]
    obstacle = problem.robot.obstacles[limit.obstacle]
    position = _point(arm, limit.index, y)
    distance = ca.dot(ca.DM(obstacle.normal), position - ca.DM(obstacle.point))
    if limit.kind == "distance":
        return distance
    speed = ca.dot(ca.jacobian(distance, y[:n]).T, y[n:])
    return speed + limit.slope * (distance - limit.margin)


def _joint_state(arm: ChainParameters, y: ca.SX) -> ca.SX:
    """State x = [q, dq] (2n,) of y."""
    n = arm.n_bodies + 1
    differences = np.eye(n) - np.eye(n, k=-1)
    differences[1, 0] = 0.0
    offset = np.concatenate([[0.0], arm.offset])
    return ca.vertcat(ca.DM(differences) @ (y[:n] - ca.DM(offset)), ca.DM(differences) @ y[n:])


def _point(arm: ChainParameters, point: int, y: ca.SX) -> ca.SX:
    """Position of one of the chain's points (3,) [m]."""
    yaw, theta = arm.heading + y[0], y[1 : arm.n_bodies + 1]
    along, across = ca.DM(arm.point_along[point]), ca.DM(arm.point_across[point])
    out = ca.dot(along, ca.cos(theta)) - ca.dot(across, ca.sin(theta))
    up = ca.dot(along, ca.sin(theta)) + ca.dot(across, ca.cos(theta))
    beside = arm.cos_tilt * up
    return ca.DM(arm.base) + ca.vertcat(
        ca.cos(yaw) * out - ca.sin(yaw) * beside,
        ca.sin(yaw) * out + ca.cos(yaw) * beside,
        arm.sin_tilt * up,
    )
