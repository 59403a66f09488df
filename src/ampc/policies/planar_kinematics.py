"""Points of a planar chain on a yaw joint, and their velocities, in torch."""

import torch
from torch import Tensor, nn

from ampc.policies.planar_constants import PlanarChain


class PlanarKinematics(nn.Module):
    """Obstacle points, the end effector first, in the frame that turns with the yaw joint.

    Its first axis is the plane's horizontal one, its third the world's z; its origin is joint 1. In it a
    point with the complex coordinate z of the plane lies at (Re z, cos_tilt Im z, sin_tilt Im z).
    """

    offset: Tensor
    sums: Tensor
    real: Tensor
    imaginary: Tensor
    base: Tensor

    def __init__(self, chain: PlanarChain) -> None:
        """Take the constants."""
        super().__init__()
        along, across = torch.tensor(chain.along), torch.tensor(chain.across)
        # Both parts of a point from (cos theta, sin theta).
        self.register_buffer("real", torch.cat([along, -across], dim=1).T.contiguous(), persistent=False)
        self.register_buffer("imaginary", torch.cat([across, along], dim=1).T.contiguous(), persistent=False)
        self.register_buffer("offset", torch.tensor(chain.offset), persistent=False)
        self.register_buffer("base", torch.tensor(chain.base), persistent=False)
        n = len(chain.offset)
        self.register_buffer("sums", torch.triu(torch.ones(n, n)), persistent=False)
        self._heading, self._sin, self._cos = chain.heading, chain.sin_tilt, chain.cos_tilt

    def forward(self, q: Tensor, dq: Tensor) -> tuple[Tensor, Tensor]:
        """Positions and velocities (..., k, 3) [m, m/s] of points, for q and dq (..., n)."""
        theta, rate = self.offset + q[..., 1:] @ self.sums, dq[..., 1:] @ self.sums
        cosine, sine = torch.cos(theta), torch.sin(theta)
        circle = torch.cat([cosine, sine], dim=-1)
        turning = torch.cat([-sine * rate, cosine * rate], dim=-1)
        positions = self._in_arm(circle @ self.real, circle @ self.imaginary)
        swept = self._in_arm(turning @ self.real, turning @ self.imaginary)
        yaw_rate = dq[..., :1]
        beside = torch.stack(
            [
                swept[..., 0] - yaw_rate * positions[..., 1],
                swept[..., 1] + yaw_rate * positions[..., 0],
                swept[..., 2],
            ],
            dim=-1,
        )
        return positions, beside

    def turned(self, vectors: Tensor, yaw: Tensor) -> Tensor:
        """World vectors (..., 3) in the arm's frame, for yaw angles (...)."""
        cosine, sine = torch.cos(yaw + self._heading), torch.sin(yaw + self._heading)
        x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
        return torch.stack([cosine * x + sine * y, cosine * y - sine * x, z], dim=-1)

    def _in_arm(self, real: Tensor, imaginary: Tensor) -> Tensor:
        return torch.stack([real, self._cos * imaginary, self._sin * imaginary], dim=-1)
