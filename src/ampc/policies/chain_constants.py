"""Constants of a serial chain's kinematics, in the form in which the policies' forward passes use them."""

from typing import NamedTuple

import numpy as np

from ampc.arrays import FloatArray
from ampc.errors import PolicyError


class ChainConstants(NamedTuple):
    """A joint maps p to ``offset + fixed + sin(q) by_sine + (1 - cos(q)) by_versine`` of p.

    The three are ``p @ products``, by Rodrigues' formula ``Rot(axis, q) = I + sin(q) K + (1 - cos(q)) K^2``
    with K the cross-product matrix of the axis, turned into the frame before the joint.
    """

    products: FloatArray
    """(n, 3, 9)."""
    offsets: FloatArray
    """(n, 3) [m]."""
    tool: FloatArray
    """(3,) [m]."""

    @classmethod
    def from_dict(cls, kinematic_chain: dict[str, object]) -> "ChainConstants":
        """Constants of what `KinematicChain.to_dict` returned.

        Raises:
            PolicyError: If fields are missing or of the wrong shape.
        """
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
        # Row i of cross is e_i x axis, so that cross @ p = axis x p.
        cross = np.cross(np.eye(3)[None], axes[:, None, :])
        blocks = np.concatenate([rotations, rotations @ cross, rotations @ cross @ cross], axis=1)
        return cls(blocks.transpose(0, 2, 1), offsets, tool)
