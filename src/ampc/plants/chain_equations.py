"""Equations of motion of a yaw joint that carries a planar chain, as a CasADi function.

In the chain's absolute angles theta they are short enough to be integrated by CasADi at n_seg = 10; the
recursions of `ampc.robots.symbolic`, which know no plane, take seven times as long. With masses m_k whose
centres lie at levers c_ki on the angles, A = c' m c, tilt (s, c) of the plane and yaw w0::

    M_ij = A_ij cos(theta_i - theta_j) + delta_ij I_i
    M_0i = c (sum_j A_ij cos(theta_i - theta_j) + I_i)
    M_00 = I_yaw + sum_ij A_ij (cos cos + c^2 sin sin) + sum_i (s^2 (I_long sin^2 + I_across cos^2) + c^2 I_i)
    h_i  = sum_j A_ij sin(theta_i - theta_j) (w_j^2 + 2 c w0 w_j) - w0^2 / 2 dM_00/dtheta_i
           + g s G_i cos(theta_i)
    h_0  = w0 sum_i dM_00/dtheta_i w_i - c sum_ij A_ij sin(theta_i - theta_j) w_i^2
"""

import casadi as ca
import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import ChainParameters


def chain_acceleration(arm: ChainParameters) -> ca.Function:
    """Acceleration (n,) of [yaw, theta] at y = [yaw, theta, their rates] (2n,) under motor torque (m,).

    It brings its exact Jacobian along, from the implicit function theorem: CasADi's own would differentiate
    the factorisation of M and take four times as long.
    """
    n, m = arm.n_bodies + 1, len(arm.actuated)
    y, torque, acceleration = ca.SX.sym("y", 2 * n), ca.SX.sym("torque", m), ca.SX.sym("acceleration", n)
    mass_matrix, force = equations_of_motion(arm, y, torque)
    factors = ca.ldl(mass_matrix, False)
    solution = ca.ldl_solve(force, *factors)
    residual = force - mass_matrix @ acceleration
    by_state = ca.substitute(ca.jacobian(residual, y), acceleration, solution)
    jacobian = ca.Function(
        "jac_acceleration",
        [y, torque, ca.SX(n, 1)],
        [ca.ldl_solve(ca.densify(right), *factors) for right in (by_state, ca.jacobian(force, torque))],
        ["y", "torque", "out_acceleration"],
        ["jac_acceleration_y", "jac_acceleration_torque"],
    )
    return ca.Function(
        "acceleration",
        [y, torque],
        [solution],
        ["y", "torque"],
        ["acceleration"],
        {"custom_jacobian": jacobian, "jac_penalty": 0, "never_inline": True},
    )


def to_absolute(arm: ChainParameters, x: FloatArray) -> FloatArray:
    """State y in absolute angles of x = [q, dq] (2n,)."""
    q, dq = np.split(x, 2)
    return np.concatenate([q[:1], np.cumsum(q[1:]) + arm.offset, dq[:1], np.cumsum(dq[1:])])


def to_relative(arm: ChainParameters, y: FloatArray) -> FloatArray:
    """State x = [q, dq] (2n,) of y in absolute angles."""
    position, rate = np.split(y, 2)
    q = np.diff(position[1:] - arm.offset, prepend=0.0)
    return np.concatenate([position[:1], q, rate[:1], np.diff(rate[1:], prepend=0.0)])


def equations_of_motion(
    arm: ChainParameters, y: ca.SX, torque: ca.SX, stiffness_scale: ca.SX | None = None
) -> tuple[ca.SX, ca.SX]:
    """Mass matrix (n, n) and generalised force (n,), M [yaw, theta]'' = force.

    Args:
        arm: The arm.
        y: [yaw, theta, their rates] (2n,).
        torque: Motor torque (m,).
        stiffness_scale: Young's modulus relative to the model's; by default the arm's own.
    """
    n, bodies = arm.n_bodies + 1, arm.n_bodies
    yaw, theta, yaw_rate, rate = y[0], y[1:n], y[n], y[n + 1 :]
    cos, sin = ca.cos(theta), ca.sin(theta)
    level, rise = arm.cos_tilt, arm.sin_tilt
    along, across, normal = (ca.DM(moments) for moments in arm.inertia.T)
    coupled_cos, coupled_sin = _couple(arm, cos), _couple(arm, sin)

    yaw_inertia = (
        arm.yaw_inertia
        + ca.dot(cos, coupled_cos)
        + level**2 * (ca.dot(sin, coupled_sin) + ca.sum1(normal))
        + rise**2 * (ca.dot(along, sin**2) + ca.dot(across, cos**2))
    )
    yaw_inertia_slope = (
        2.0 * (level**2 * cos * coupled_sin - sin * coupled_cos)
        + 2.0 * rise**2 * (along - across) * sin * cos
    )
    yaw_coupling = level * (cos * coupled_cos + sin * coupled_sin + normal)

    joints = np.eye(bodies) - np.eye(bodies, k=-1)
    mass_matrix = ca.SX(joints.T @ np.diag(arm.armature) @ joints) + ca.diag(ca.SX(normal))
    coupling = arm.coupling
    for i in range(bodies):
        for j in range(i + 1):
            mass_matrix[i, j] += coupling[i, j] * (cos[i] * cos[j] + sin[i] * sin[j])
            mass_matrix[j, i] = mass_matrix[i, j]
    mass_matrix = ca.blockcat([[yaw_inertia, yaw_coupling.T], [yaw_coupling, mass_matrix]])

    swing = rate**2 + 2.0 * level * yaw_rate * rate
    bias = (
        sin * _couple(arm, cos * swing)
        - cos * _couple(arm, sin * swing)
        - 0.5 * yaw_rate**2 * yaw_inertia_slope
        + arm.gravity * rise * ca.DM(arm.gravity_moment) * cos
    )
    yaw_bias = yaw_rate * ca.dot(yaw_inertia_slope, rate) - level * ca.dot(
        rate**2, sin * coupled_cos - cos * coupled_sin
    )

    motors = ca.SX.zeros(n)
    for motor, joint in enumerate(arm.actuated):
        motors[int(joint)] += torque[motor]
    scale = arm.stiffness_scale if stiffness_scale is None else stiffness_scale
    stiffness = ca.DM(arm.stiffness) + scale * ca.DM(arm.flexible_stiffness)
    springs = stiffness * (ca.DM(joints) @ theta - ca.DM(arm.rest))
    dampers = ca.DM(arm.damping) * (ca.DM(joints) @ rate)
    yaw_force = motors[0] - arm.yaw_stiffness * (yaw - arm.yaw_rest) - arm.yaw_damping * yaw_rate - yaw_bias
    return mass_matrix, ca.vertcat(yaw_force, ca.DM(joints.T) @ (motors[1:] - springs - dampers) - bias)


def _couple(arm: ChainParameters, values: ca.SX) -> ca.SX:
    """``A @ values`` (N,) by sums along the chain, without the matrix."""
    moved: list[ca.SX] = []
    before = ca.SX(0.0)
    for k in range(arm.n_bodies):
        moved.append(arm.mass[k] * (before + arm.centre[k] * values[k]))
        before = before + arm.length[k] * values[k]
    coupled: list[ca.SX] = []
    beyond = ca.SX(0.0)
    for k in reversed(range(arm.n_bodies)):
        coupled.append(arm.centre[k] * moved[k] + arm.length[k] * beyond)
        beyond = beyond + moved[k]
    return ca.vertcat(*reversed(coupled))
