"""Kinematics of a serial chain in torch, as graphs of few small operations."""

import torch
from torch import Tensor, nn

from ampc.arrays import FloatArray
from ampc.policies.chain_constants import ChainConstants


class ForwardKinematics(nn.Module):
    """End-effector position of a serial chain, and its Jacobian.

    From the tip down, each joint is one product of a position with a constant 3 x 9 matrix, see
    `ChainConstants`.
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
        constants = ChainConstants.from_dict(kinematic_chain)
        self.register_buffer("products", _constant(constants.products), persistent=False)
        self.register_buffer("offsets", _constant(constants.offsets), persistent=False)
        self.register_buffer("tool", _constant(constants.tool), persistent=False)

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
