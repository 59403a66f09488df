"""Solvers of optimal control problems: the expert's joint-space MPC by IPOPT, by DAQP, and in batches."""

from ampc.solvers.batch_joint_mpc import BatchJointMPC
from ampc.solvers.double_integrator import DoubleIntegratorProblem, JointMPCSettings
from ampc.solvers.exact_joint_mpc import ExactJointMPC
from ampc.solvers.ipopt_joint_mpc import IpoptJointMPC
from ampc.solvers.limited_joint_mpc import LimitedJointMPC, LimitSettings

__all__ = [
    "BatchJointMPC",
    "DoubleIntegratorProblem",
    "ExactJointMPC",
    "IpoptJointMPC",
    "JointMPCSettings",
    "LimitSettings",
    "LimitedJointMPC",
]
