"""The hyperbolic tangent in straight pieces: a hidden layer of rectifiers in its place."""

import numpy as np
import torch
from torch import Tensor

from ampc.arrays import FloatArray
from ampc.errors import PolicyError

_END = 5.5
"""Beyond it the tangent is taken as constant: 1 - tanh(5.5) = 3e-5."""
_FEWEST = 4


def straight_tanh(weight: Tensor, bias: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Two linear layers with rectifiers between that make ``tanh(weight x + bias)``, nearly.

    A function through the points ``(t_k, tanh t_k)``, straight in between and constant outside, is::

        tanh t_0 + sum_k c_k max(0, z - t_k)

    with c_k the change of its slope at t_k. For z = w x + b the first layer makes the arguments of the
    maxima, the second their sum. The points are dense where the tangent is bent: the largest error of a
    piece of length h is h^2 |tanh''| / 8, so that h goes with |tanh''|^(-1/2). With K points for each
    output it is about 1.8 / K^2.

    Args:
        weight: (m, width); the layers between are to have that width.
        bias: (m,).

    Returns:
        Weight and bias of both layers: (width, width), (width,) and (m, width), (m,).

    Raises:
        PolicyError: If the width is too small for that many outputs.
    """
    outputs, width = weight.shape
    count = width // outputs
    if count < _FEWEST:
        raise PolicyError(f"a hidden layer of {width} units is too narrow for {outputs} outputs")
    points, heights = _points(count)
    slopes = np.concatenate([[0.0], np.diff(heights) / np.diff(points), [0.0]])
    turns = torch.from_numpy(np.diff(slopes)).to(weight)
    first_weight, first_bias = torch.zeros(width, width).to(weight), torch.zeros(width).to(weight)
    second_weight = torch.zeros(outputs, width).to(weight)
    for row in range(outputs):
        units = slice(row * count, (row + 1) * count)
        first_weight[units] = weight[row]
        first_bias[units] = bias[row] - torch.from_numpy(points).to(weight)
        second_weight[row, units] = turns
    second_bias = torch.full((outputs,), heights[0]).to(weight)
    return [(first_weight, first_bias), (second_weight, second_bias)]


def _points(count: int) -> tuple[FloatArray, FloatArray]:
    """Where the pieces meet, from -END to END, and the tangent there (count,)."""
    fine = np.linspace(-_END, _END, 20_001)
    tangent = np.tanh(fine)
    density = np.sqrt(np.abs(2.0 * tangent * (1.0 - tangent**2)))
    share = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    points = np.interp(np.linspace(0.0, share[-1], count), share, fine)
    return points, np.tanh(points)
