"""Evenly spread points that are the same on every machine and in every run."""

import numpy as np

from ampc.arrays import FloatArray


def low_discrepancy_points(count: int, dimension: int) -> FloatArray:
    """The first points of the additive recurrence R_d in the unit cube (count, dimension).

    ``x_k = frac(1/2 + k a)`` with ``a_j = g^-j`` and g the positive root of ``g^(d+1) = g + 1``
    (Roberts 2018, a generalisation of the golden-ratio sequence).
    """
    ratio = 2.0
    for _ in range(64):
        ratio = (1.0 + ratio) ** (1.0 / (dimension + 1))
    steps = ratio ** -np.arange(1.0, dimension + 1)
    points: FloatArray = (0.5 + np.arange(1, count + 1)[:, None] * steps) % 1.0
    return points
