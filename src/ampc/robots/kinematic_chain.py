"""Position kinematics of a serial arm as a handful of arrays: batched, NumPy only, serialisable."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.robots.robot import Robot


@dataclass(frozen=True, eq=False)
class KinematicChain:
    """Forward kinematics as a product of fixed transforms and rotations about fixed axes.

    The end effector lies at ``T_1 Rot(a_1, q_1) ... T_n Rot(a_n, q_n) tool`` in the world frame, where
    ``T_i = [R_i, o_i]``. The pose of the base, joint anchors and reference angles are folded into the T_i.
    """

    rotations: FloatArray
    """Fixed rotation before each joint, R_i (n, 3, 3)."""
    offsets: FloatArray
    """Fixed translation before each joint, o_i (n, 3) [m]."""
    axes: FloatArray
    """Unit rotation axis of each joint in its own frame, a_i (n, 3)."""
    tool: FloatArray
    """End effector in the frame after the last joint (3,) [m]."""

    @classmethod
    def from_robot(cls, robot: Robot) -> Self:
        """Read the chain from the robot's MuJoCo model."""
        return cls.from_model(robot.model, robot.end_effector_id)

    @classmethod
    def from_model(cls, model: mujoco.MjModel, site: int) -> Self:
        """Read the chain to a site from a model whose joints are hinges in one line, base to tip.

        A joint turns its body about an anchor in the body's frame, by its position less the reference
        position ``qpos0``: ``Trans(anchor) Rot(axis, q) Rot(axis, -qpos0) Trans(-anchor)``.
        """
        site_body = int(model.site_bodyid[site])
        lineage = [site_body]
        while lineage[-1] != 0:
            lineage.append(int(model.body_parentid[lineage[-1]]))

        rotations, offsets = [], []
        rotation, offset = np.eye(3), np.zeros(3)
        for body in reversed(lineage[:-1]):
            offset = offset + rotation @ model.body_pos[body]
            rotation = rotation @ rotation_of_quaternion(model.body_quat[body])
            first = int(model.body_jntadr[body])
            for joint in range(first, first + int(model.body_jntnum[body])):
                anchor = model.jnt_pos[joint]
                rotations.append(rotation)
                offsets.append(offset + rotation @ anchor)
                rotation = rotation_about(model.jnt_axis[joint], -model.qpos0[joint])
                offset = -rotation @ anchor
        return cls(
            rotations=np.array(rotations),
            offsets=np.array(offsets),
            axes=np.array(model.jnt_axis),
            tool=offset + rotation @ model.site_pos[site],
        )

    @property
    def n_joints(self) -> int:
        """Number of joints n."""
        return len(self.axes)

    def end_effector(self, q: FloatArray) -> FloatArray:
        """End-effector positions of joint positions (..., n) [rad], world frame (..., 3) [m]."""
        q = np.asarray(q, dtype=np.float64)
        point = np.broadcast_to(self.tool, (*q.shape[:-1], 3))
        sine, cosine = np.sin(q)[..., None], np.cos(q)[..., None]
        for i in reversed(range(self.n_joints)):
            parts = point @ self._turns[i]
            turning = sine[..., i, :] * parts[..., 3:6] + cosine[..., i, :] * parts[..., 6:]
            point = self.offsets[i] + parts[..., :3] + turning
        return np.asarray(point)

    def jacobian(self, q: FloatArray) -> FloatArray:
        """Translational Jacobians d(end effector)/dq of joint positions (..., n): (..., 3, n) [m/rad].

        Column i is ``z_i x (p - o_i)``, with the joint's axis and a point on it in the world frame.
        """
        q = np.asarray(q, dtype=np.float64)
        rotation: FloatArray = np.broadcast_to(np.eye(3), (*q.shape[:-1], 3, 3))
        origin: FloatArray = np.zeros((*q.shape[:-1], 3))
        axes, origins = [], []
        for i in range(self.n_joints):
            origin = origin + rotation @ self.offsets[i]
            rotation = rotation @ self.rotations[i]
            axes.append(rotation @ self.axes[i])
            origins.append(origin)
            rotation = rotation @ rotation_about(self.axes[i], q[..., i])
        point = origin + rotation @ self.tool
        columns = np.cross(np.stack(axes, axis=-2), point[..., None, :] - np.stack(origins, axis=-2))
        return np.asarray(np.swapaxes(columns, -1, -2))

    @cached_property
    def _turns(self) -> FloatArray:
        """``R Rot(a, q) p = R (1 + K^2) p + sin q R K p - cos q R K^2 p``, with K p = a x p: (n, 3, 9).

        The three matrices stand side by side and transposed, to multiply rows of points.
        """
        turns = []
        for rotation, axis in zip(self.rotations, self.axes, strict=True):
            cross = cross_matrix(axis)
            square = cross @ cross
            blocks = (rotation @ (np.eye(3) + square), rotation @ cross, -rotation @ square)
            turns.append(np.hstack([block.T for block in blocks]))
        return np.array(turns)

    def to_dict(self) -> dict[str, list[object]]:
        """Plain lists, for JSON."""
        arrays = {"rotations": self.rotations, "offsets": self.offsets, "axes": self.axes, "tool": self.tool}
        return {name: array.tolist() for name, array in arrays.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Inverse of `to_dict`."""
        return cls(
            **{name: np.asarray(data[name], np.float64) for name in ("rotations", "offsets", "axes", "tool")}
        )


def rotation_about(axis: FloatArray, angle: FloatArray | float) -> FloatArray:
    """Rotation matrices about a unit axis (3,) by angles (...,) [rad]: (..., 3, 3), by Rodrigues' formula."""
    cross = cross_matrix(axis)
    angle = np.asarray(angle, dtype=np.float64)[..., None, None]
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross))


def cross_matrix(vector: FloatArray) -> FloatArray:
    """The matrix (3, 3) whose product with p is the cross product of a vector (3,) with p."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation_of_quaternion(quaternion: FloatArray) -> FloatArray:
    """Rotation matrix (3, 3) of a unit quaternion w, x, y, z (4,)."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, np.asarray(quaternion, dtype=np.float64))
    return matrix.reshape(3, 3)
