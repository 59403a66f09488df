"""The brake of the safety filter: what takes the energy out of an arm fastest, by its shape."""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_are

from ampc.arrays import FloatArray
from ampc.chain.statics import rest_shapes
from ampc.chain.yaw_chain import YawChain
from ampc.control.safety_settings import BrakeSettings
from ampc.robots import Robot, RobotDynamics
from ampc.solvers.stop_rollout import MOST_SHAPES, BrakeLaw

_STEP = 1e-5
"""For differences [rad]."""


def brake_law(chain: YawChain, robot: Robot, settings: BrakeSettings, period: float) -> BrakeLaw:
    """Regulators of everything but the motors' positions, about shapes at rest.

    With the torque that balances gravity, every shape at rest remains one, so that positions of motors drop
    out of the linearised model. What is left, velocities and the bending of links about their shape at rest,
    is brought to zero by the LQR that weighs energy. It is that of the model sampled as slowly as roll-outs
    hold its torque, so that they do not oscillate.

    Args:
        chain: The arm's dynamics.
        robot: The arm.
        settings: Of the brake.
        period: Longest time for which a roll-out holds a torque [s].
    """
    dynamics, n = RobotDynamics(robot), robot.n_joints
    places = _places(robot)
    found = [_regulate(chain, robot, dynamics, q, settings, period) for q in rest_shapes(chain, places)]
    damping = np.array([each.damping for each in found])
    relief = np.array([each.relief for each in found])
    if robot.actuated[0] == 0:  # the yaw joint, whose inertia says it all
        damping[:, 0] = relief[:, 0] = 0.0
        damping[:, 0, 0] = settings.yaw_rate
    return BrakeLaw(
        shapes=places,
        damping=damping.reshape(-1, robot.n_actuated, n),
        relief=relief.reshape(-1, robot.n_actuated, n),
        stiffness=np.array([each.stiffness for each in found]),
        stopped=settings.stopped,
        fade=settings.fade,
        frequency=min(each.frequency for each in found),
    )


def _places(robot: Robot) -> FloatArray:
    """Positions of the motors (S, m) [rad]: all around from the third on, home for the others."""
    home = robot.home[robot.actuated]
    bending = max(0, len(home) - 2)
    if not bending:
        return np.asarray(home[None])
    each = int(min(8, MOST_SHAPES ** (1.0 / bending)))
    around = np.linspace(-np.pi, np.pi, each, endpoint=False)
    return np.array([[*home[:2], *rest] for rest in itertools.product(around, repeat=bending)])


@dataclass(frozen=True, eq=False)
class _Regulator:
    damping: FloatArray
    relief: FloatArray
    stiffness: FloatArray
    frequency: float


def _regulate(
    chain: YawChain,
    robot: Robot,
    dynamics: RobotDynamics,
    q: FloatArray,
    settings: BrakeSettings,
    period: float,
) -> _Regulator:
    """Gains about a shape, and the smallest magnitude of the poles while motors are held."""
    n, m, motors, passive = robot.n_joints, robot.n_actuated, robot.actuated, robot.passive
    p, still = len(passive), np.zeros(n)

    def statics(at: FloatArray) -> FloatArray:
        return dynamics.inverse_dynamics(at, still, still)

    slope = np.column_stack(
        [(statics(q + e) - statics(q - e)) / (2.0 * _STEP) for e in _STEP * np.eye(n)]
    )  # of gravity and springs
    bending = slope[np.ix_(passive, passive)]
    follow = -np.linalg.solve(bending, slope[np.ix_(passive, motors)])
    # x = T [motors' positions, bending about the shape at rest that belongs to them, velocities]
    T = np.zeros((2 * n, 2 * n))
    T[motors, :m] = np.eye(m)
    T[passive, :m], T[passive, m:n] = follow, np.eye(p)
    T[n:, n:] = np.eye(n)
    state = np.concatenate([q, still])
    _, A, B = chain.step_with_sensitivities(state, statics(q)[motors], period, scheme="radau", substeps=1)
    A[:, :n] += B @ slope[motors]
    back = np.linalg.inv(T)
    A, B = np.asarray(back @ A @ T, dtype=np.float64), np.asarray(back @ B, dtype=np.float64)
    energy = np.zeros((p + n, p + n))
    energy[:p, :p] = 0.5 * settings.bending * (bending + bending.T)
    energy[p:, p:] = dynamics.mass_matrix(q)
    effort = settings.effort * np.eye(m)
    inner, push = A[m:, m:], B[m:]
    cost = solve_discrete_are(inner, push, energy, effort)
    gain = np.linalg.solve(effort + push.T @ cost @ push, push.T @ cost @ inner)
    relief, damping = np.zeros((m, n)), gain[:, p:]
    relief[:, passive] = np.linalg.solve(bending.T, gain[:, :p].T).T
    stiffness = settings.hold_rate * np.abs(np.diagonal(damping[:, motors]))
    held = np.hstack([np.diag(stiffness), gain])
    poles = np.log(np.linalg.eigvals(A - B @ held).astype(complex)) / period
    return _Regulator(damping, relief, stiffness, float(np.abs(poles).min()))
