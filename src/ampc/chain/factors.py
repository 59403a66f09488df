"""Covariances as factors P = U D U', which cannot lose symmetry or positive semidefiniteness.

Factors are one (Z, Z) array: row j holds column j of the unit upper triangular U left of the diagonal, and
D_j >= 0 on it. Time update by Thornton's weighted Gram-Schmidt (1976), measurement update by Bierman (1977).
"""

import numpy as np

from ampc.arrays import FloatArray


def covariance(factors: FloatArray) -> FloatArray:
    """P = U D U' of factors (Z, Z)."""
    U = np.tril(factors, -1).T + np.eye(len(factors))
    return np.asarray((U * np.diag(factors)) @ U.T)


def predict_factors(factors: FloatArray, F: FloatArray, process: FloatArray) -> FloatArray:
    """Factors of F P F' + diag(process), for factors of P, F (Z, Z) and process (Z,) >= 0."""
    size = len(factors)
    U = np.tril(factors, -1).T + np.eye(size)
    W = np.hstack([F @ U, np.eye(size)])
    weight = np.concatenate([np.diag(factors), process])
    out = np.zeros((size, size))
    for j in range(size - 1, -1, -1):
        weighted = weight * W[j]
        d = float(weighted @ W[j])
        out[j, j] = d
        if d > 0.0:
            out[j, :j] = W[:j] @ weighted / d
        W[:j] -= np.outer(out[j, :j], W[j])
    return out


def correct_factors(factors: FloatArray, h: FloatArray, noise: float) -> tuple[FloatArray, FloatArray, float]:
    """Take one scalar measurement with row h (Z,) and noise variance > 0 in.

    Returns:
        New factors, gain (Z,) and variance of the innovation, h P h' + noise.
    """
    factors, gain, variance = factors.copy(), np.zeros(len(factors)), noise
    for j, row in enumerate(factors):
        a = h[j] + row[:j] @ h[:j]
        v = row[j] * a
        before, variance = variance, variance + a * v
        row[j] *= before / variance
        column = row[:j].copy()
        row[:j] -= a / before * gain[:j]
        gain[:j] += v * column
        gain[j] = v
    return factors, gain / variance, float(variance)
