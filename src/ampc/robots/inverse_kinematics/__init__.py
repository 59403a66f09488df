"""Inverse kinematics: damped least squares to the letter, and a solver to rely on."""

from ampc.robots.inverse_kinematics.solver import (
    IKBatch,
    IKSolution,
    InverseKinematics,
    InverseKinematicsSettings,
    arm_length,
    joint_ranges,
    wrap_towards,
)

__all__ = [
    "IKBatch",
    "IKSolution",
    "InverseKinematics",
    "InverseKinematicsSettings",
    "arm_length",
    "joint_ranges",
    "wrap_towards",
]
