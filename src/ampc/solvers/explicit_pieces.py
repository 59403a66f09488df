"""Affine pieces of the expert's explicit solution, computed when first met and kept."""

import numpy as np
from numpy.typing import NDArray

from ampc.arrays import FloatArray, IntArray
from ampc.solvers.double_integrator import DoubleIntegratorProblem

Patterns = NDArray[np.int8]
"""Active sets: -1 at the lower limit, +1 at the upper, 0 between."""


class ExplicitPieces:
    """For each active set P met so far, the affine map from the initial state to the plan.

    Given P, the inputs at a limit are known and the free ones solve ``H_ff u_f = -F_f x_0 - H_fa u_a``.
    What is kept is the map from (x_0, 1) to ``z``: the input itself where it is free,
    ``u_k - g_k / H_kk`` with the gradient g where it is at a limit. So P is the optimal active set exactly
    if ``z_k > u_max`` where P_k = 1, ``z_k < -u_max`` where P_k = -1, and ``|z_k| <= u_max`` elsewhere; the
    plan is then clip(z).
    (Bemporad et al., The explicit linear quadratic regulator for constrained systems, Automatica 38, 2002.)

    Attributes:
        patterns: Active sets (P, N).
        maps: Affine maps (P, N, 3).
    """

    def __init__(self, problem: DoubleIntegratorProblem) -> None:
        """Start with the piece on which no input is at its limit, at index 0."""
        self._problem = problem
        # Base 3, modulo 2^64: unique up to 40 inputs. Beyond, two active sets could share a code; the
        # solver tests the stored pattern, so that it would notice.
        self._digits = np.uint64(3) ** np.arange(problem.horizon, dtype=np.uint64)
        free = np.zeros((1, problem.horizon), dtype=np.int8)
        self.patterns: Patterns = free
        self.maps = self._affine_maps(free)
        self._sorted_codes = self._codes(free)
        self._order = np.zeros(1, dtype=np.int64)

    def indices(self, patterns: Patterns) -> IntArray:
        """Where patterns (B, N) stand among the pieces (B,); those not met before are added."""
        codes = self._codes(patterns)
        position = np.searchsorted(self._sorted_codes, codes).clip(max=len(self._order) - 1)
        unknown = np.flatnonzero(self._sorted_codes[position] != codes)
        if not unknown.size:
            return np.asarray(self._order[position])
        new_codes, first = np.unique(codes[unknown], return_index=True)
        new_patterns = patterns[unknown[first]]
        self.patterns = np.concatenate([self.patterns, new_patterns])
        self.maps = np.concatenate([self.maps, self._affine_maps(new_patterns)])
        all_codes = np.empty(len(self.patterns), dtype=np.uint64)
        all_codes[self._order] = self._sorted_codes
        all_codes[len(self._order) :] = new_codes
        self._order = np.argsort(all_codes)
        self._sorted_codes = all_codes[self._order]
        return np.asarray(self._order[np.searchsorted(self._sorted_codes, codes)])

    def _codes(self, patterns: Patterns) -> NDArray[np.uint64]:
        return (patterns + 1).astype(np.uint64) @ self._digits

    def _affine_maps(self, patterns: Patterns) -> FloatArray:
        """Maps (P, N, 3) of patterns (P, N)."""
        H, F, limit = self._problem.hessian, self._problem.linear, self._problem.limit
        at_limit = limit * patterns
        free = (patterns == 0)[:, :, None]
        # Rows and columns of inputs at a limit are those of the identity, so that all systems have one size.
        system = np.where(free & free.swapaxes(1, 2), H, np.eye(len(H)))
        right = np.concatenate(
            [np.broadcast_to(-F, (len(patterns), *F.shape)), (-at_limit @ H)[:, :, None]], 2
        )
        right = np.where(free, right, 0.0)
        right[:, :, 2] += at_limit
        inputs = np.linalg.solve(system, right)
        # One step of iterative refinement: long horizons are ill-conditioned.
        gradient = self._gradient(inputs)
        inputs -= np.linalg.solve(system, np.where(free, gradient, 0.0))
        gradient = np.where(free, 0.0, self._gradient(inputs))
        return np.asarray(inputs - gradient / self._problem.curvature[:, None], dtype=np.float64)

    def _gradient(self, inputs: FloatArray) -> FloatArray:
        """Gradients (P, N, 3), as maps of the initial state, of plans (P, N, 3)."""
        gradient = self._problem.hessian @ inputs
        gradient[:, :, :2] += self._problem.linear
        return np.asarray(gradient)
