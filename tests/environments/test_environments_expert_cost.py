"""The expert's cost of a moment is what its optimal control problem says."""

import numpy as np
import pytest

from ampc.chain import YawChain
from ampc.chain.statics import rest_shape
from ampc.control.braking import Brake
from ampc.control.nonlinear_mpc_settings import NonlinearMPCControllerSettings
from ampc.control.situation import StateWriter
from ampc.environments.expert_cost import ExpertCost
from ampc.environments.loops import Views
from ampc.robots import load_robot
from ampc.solvers.optimal_control import OptimalControlProblem

ARM = load_robot("flexible-arm")
N = ARM.n_joints
SETTINGS = NonlinearMPCControllerSettings()
CHAIN = YawChain.from_robot(ARM)
RNG = np.random.default_rng(0)


def views_of(q, dq, reference, goal):
    writer = StateWriter(ARM)
    states = [writer.written(*row, 1.0) for row in zip(q, dq, strict=True)]
    return Views(np.array(states), np.asarray(reference), np.asarray(goal))


def one_by_one(view: Views, row: int, torque, margin_of):
    """The formula of `ampc.solvers.optimal_control` for a single arm, term by term."""
    problem = OptimalControlProblem(ARM, SETTINGS.problem)
    x, reference = view.states[row, : 2 * N], view.references[row]
    points, velocities = CHAIN.points(x)
    cost = 0.5 * problem.stage_weights @ (x - np.concatenate([reference, np.zeros(N)])) ** 2
    holding = Brake(ARM, 0.004).gravity_torque(reference)
    cost += 0.5 * problem.torque_weights @ (torque - holding) ** 2
    cost += 0.5 * problem.end_effector_weights[0] * np.sum((points[0] - view.goals[row]) ** 2)
    for limit in problem.stage_limits:
        if limit.kind == "velocity":
            value, lower, upper = x[N + limit.index], limit.lower, limit.upper
        elif limit.kind == "position":
            value, lower, upper = x[limit.index], limit.lower, limit.upper
        else:
            obstacle, margin = ARM.obstacles[limit.obstacle], margin_of(limit)
            left = obstacle.normal @ (points[limit.index] - obstacle.point)
            value, lower, upper = left, margin, np.inf
            if limit.kind == "approach":
                value = obstacle.normal @ velocities[limit.index] + limit.slope * (left - margin)
                lower = 0.0
        slack = max(lower - value, value - upper, 0.0)
        cost += limit.penalty.l1 * slack + 0.5 * limit.penalty.l2 * slack**2
    return cost


def test_rates_are_those_of_the_formula():
    """At states that break every kind of limit, with a reference far from the obstacles."""
    count = 40
    motors = RNG.uniform([-1.0, 0.3, -1.0], [1.0, 1.2, 1.0], (count, 3))
    q = np.array([rest_shape(ARM, row) for row in motors]) + 0.05 * RNG.normal(size=(count, N))
    dq = 2.0 * RNG.normal(size=(count, N))
    reference = np.tile(rest_shape(ARM, np.array([0.1, 0.9, -0.5])), (count, 1))
    torque, goals = 5.0 * RNG.normal(size=(count, 3)), RNG.uniform(-0.5, 0.5, (count, 3))
    views = views_of(q, dq, reference, goals)
    found = ExpertCost(ARM, SETTINGS).rate(views, torque)
    expected = [one_by_one(views, row, torque[row], lambda limit: limit.margin) for row in range(count)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("bend", [0.9, 0.35])
def test_rest_on_the_goal_costs_nothing(bend):
    q = rest_shape(ARM, np.array([0.1, bend, -0.3]))[None]
    goal = CHAIN.points(np.concatenate([q[0], np.zeros(N)]))[0][:1]
    holding = Brake(ARM, 0.004).gravity_torque(q[0])[None]
    views = views_of(q, np.zeros((1, N)), q, goal)
    own = ExpertCost(ARM, SETTINGS)
    assert own.rate(views, holding)[0] < 1e-9
    assert own.rate(views, holding + 1.0)[0] == pytest.approx(0.5 * 3 * SETTINGS.problem.torque[0])
    moved = Views(views.states, views.references, goal + np.array([0.0, 0.1, 0.0]))
    assert own.rate(moved, holding)[0] == pytest.approx(0.5 * SETTINGS.problem.stage.end_effector * 0.01)


def test_goals_near_an_obstacle_leave_less_room():
    """Resting at a goal that the expert accepts costs nothing, as in the problem that it solves there."""
    ground = next(each for each in ARM.obstacles if abs(each.normal[2]) > 0.9)
    low, high = 0.0, 1.2
    for _ in range(60):  # lower the arm until the end effector is 1 cm above the ground
        middle = 0.5 * (low + high)
        q = rest_shape(ARM, np.array([0.1, middle, -0.9]))
        tip = CHAIN.points(np.concatenate([q, np.zeros(N)]))[0][0]
        low, high = (low, middle) if ground.distance(tip) > 0.01 else (middle, high)
    assert ground.distance(tip) == pytest.approx(0.01, abs=1e-6)
    views = views_of(q[None], np.zeros((1, N)), q[None], tip[None])
    holding = Brake(ARM, 0.004).gravity_torque(q)[None]
    own = ExpertCost(ARM, SETTINGS)
    elsewhere = Views(views.states, q[None] + 0.5, tip[None])
    assert own.rate(views, holding)[0] < 1e-9
    usual = one_by_one(views, 0, holding[0], lambda limit: limit.margin)
    assert usual > 100.0
    assert own.rate(elsewhere, holding)[0] > usual
