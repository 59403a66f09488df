"""Kinematics of a serial chain in torch, as graphs of few small operations."""

import numpy as np
import torch
from torch import Tensor, nn

from ampc.arrays import FloatArray
from ampc.errors import PolicyError


class ForwardKinematics(nn.Module):
    """End-effector position of a serial chain, and its Jacobian.

    From the tip down, each joint maps p to ``o + R Rot(axis, q) p``, and by Rodrigues' formula
    ``Rot(axis, q) = I + sin(q) K + (1 - cos(q)) K^2`` with K the cross-product matrix of the axis: one
    product of p with a constant 3 x 9 matrix per joint.
    """

    products: Tensor
    offsets: Tensor
    tool: Tensor

    def __init__(self, kinematic_chain: dict[str, object]) -> None:
        """Take the constants of `KinematicChain.to_dict`.

        Raises:
            PolicyError: If they are missing or of the wrong shape.
        """
        super().__init__()
        try:
            rotations, offsets, axes, tool = (
                np.asarray(kinematic_chain[name], dtype=np.float64)
                for name in ("rotations", "offsets", "axes", "tool")
            )
        except (KeyError, ValueError, TypeError) as error:
            raise PolicyError(
                f"kinematic_chain needs numeric rotations, offsets, axes, tool: {error}"
            ) from error
        n = len(axes)
        shapes = (rotations.shape, offsets.shape, axes.shape, tool.shape)
        if shapes != ((n, 3, 3), (n, 3), (n, 3), (3,)):
            raise PolicyError(
                f"kinematic_chain has shapes {shapes}; rotations (n, 3, 3), offsets (n, 3), axes (n, 3) and "
                "tool (3,) are needed"
            )
        cross = np.cross(
            np.eye(3)[None], axes[:, None, :]
        )  # row i is e_i x axis, so that cross @ p = axis x p
        blocks = np.concatenate([rotations, rotations @ cross, rotations @ cross @ cross], axis=1)
        self.register_buffer("products", _constant(blocks.transpose(0, 2, 1)), persistent=False)
        self.register_buffer("offsets", _constant(offsets), persistent=False)
        self.register_buffer("tool", _constant(tool), persistent=False)

    def forward(self, q: Tensor) -> Tensor:
        """End-effector positions (..., 3) [m] for joint positions (..., n) [rad]."""
        sine, versine = torch.sin(q), 1.0 - torch.cos(q)
        position = self.tool
        for joint in reversed(range(len(self.offsets))):
            fixed, by_sine, by_versine = torch.chunk(position @ self.products[joint], 3, dim=-1)
            moved = sine[..., joint, None] * by_sine + versine[..., joint, None] * by_versine
            position = self.offsets[joint] + fixed + moved
        return position

    def with_jacobian(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (..., 3) [m], and their derivatives by each joint (..., n, 3) [m/rad].

        The derivatives by the joints already passed on the way down are turned by the joints below them as
        the position is, and each joint adds its own: ``R (cos(q) K + sin(q) K^2) p``.
        """
        sine, cosine = torch.sin(q)[..., None, None], torch.cos(q)[..., None, None]
        position = self.tool.expand(*q.shape[:-1], 1, 3)
        columns = position[..., :0, :]
        for joint in reversed(range(len(self.offsets))):
            s, c = sine[..., joint, :, :], cosine[..., joint, :, :]
            vectors = torch.cat([position, columns], dim=-2)
            fixed, by_sine, by_versine = torch.chunk(vectors @ self.products[joint], 3, dim=-1)
            turned = fixed + s * by_sine + (1.0 - c) * by_versine
            own = c * by_sine[..., :1, :] + s * by_versine[..., :1, :]
            columns = torch.cat([own, turned[..., 1:, :]], dim=-2)
            position = self.offsets[joint] + turned[..., :1, :]
        return position[..., 0, :], columns


def task_space_gram(jacobian: Tensor) -> Tensor:
    """``J J^T`` (..., 3, 3) of derivatives (..., n, 3) as `ForwardKinematics.with_jacobian` returns them."""
    return jacobian.transpose(-1, -2) @ jacobian


def determinant(matrix: Tensor) -> Tensor:
    """Determinants (...,) of matrices (..., 3, 3), by the triple product of their rows."""
    a, b, c = (matrix[..., row, :] for row in range(3))
    return (_cross(a, b) * c).sum(-1)


def solve_symmetric(matrix: Tensor, right: Tensor) -> Tensor:
    """Solutions (..., 3) of symmetric systems (..., 3, 3), by the adjugate: ONNX has no solver."""
    a, b, c = (matrix[..., row, :] for row in range(3))
    adjugate = torch.stack([_cross(b, c), _cross(c, a), _cross(a, b)], dim=-2)
    return (adjugate @ right[..., None])[..., 0] / determinant(matrix)[..., None]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross products of (..., 3), written out because exporters support it in all versions."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim=-1)


def _constant(values: FloatArray) -> Tensor:
    return torch.tensor(values, dtype=torch.get_default_dtype())
