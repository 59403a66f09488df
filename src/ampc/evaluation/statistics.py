"""How sure a figure is: paired bootstrap over tasks and seeds, and score intervals for shares.

Values of one controller are arrays (S, N): S training seeds (1 for an expert), N tasks, task i the same for
all controllers. Infinite values, such as the settling time of an arm that never settles, are ordered last and
never averaged away. Why these methods: docs/decisions/statistics.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.errors import SettingsError

Relation = Literal["ratio", "difference"]
Statistic = Callable[[FloatArray], FloatArray]
"""Reduces the last axis, the tasks."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval."""

    value: float
    """The figure, computed from all tasks."""
    low: float | None
    """Lower end of the interval; None where none can be given."""
    high: float | None
    """Upper end of the interval."""


@dataclass(frozen=True)
class BootstrapSettings:
    """How intervals are made."""

    resamples: int = 2000
    """Number of bootstrap resamples."""
    confidence: float = 0.95
    """Probability that an interval covers the true figure."""
    seed: int = 0
    """Seed of the resampling."""

    def __post_init__(self) -> None:
        if self.resamples < 1:
            raise SettingsError(f"statistics.resamples is {self.resamples}; it must be at least 1")
        if not 0.0 < self.confidence < 1.0:
            raise SettingsError(f"statistics.confidence is {self.confidence!r}; it must lie in (0, 1)")


def mean(values: FloatArray) -> FloatArray:
    """Mean over tasks (..., N) -> (...); infinite if any task is."""
    return np.asarray(np.mean(values, axis=-1))


def quantile(probability: float) -> Statistic:
    """Quantile over tasks: the smallest value that at least this share of the tasks does not exceed.

    Without interpolation, so that infinite values stay infinite and never become NaN.
    """

    def statistic(values: FloatArray) -> FloatArray:
        rank = int(np.ceil(probability * values.shape[-1] - 1e-9)) - 1
        rank = min(max(rank, 0), values.shape[-1] - 1)
        return np.asarray(np.partition(values, rank, axis=-1)[..., rank])

    return statistic


def interquartile_mean(values: FloatArray) -> FloatArray:
    """Mean of the middle half of the tasks (..., N) -> (...) (Agarwal et al., NeurIPS 2021)."""
    return np.asarray(stats.trim_mean(values, 0.25, axis=-1))


def maximum(values: FloatArray) -> FloatArray:
    """Largest value over tasks (..., N) -> (...); has no interval, as resampling cannot see beyond it."""
    return np.asarray(np.max(values, axis=-1))


class TaskBootstrap:
    """Percentile bootstrap over tasks, and over seeds where there are several.

    One set of resampled tasks serves all controllers and figures, so that whatever is compared is compared on
    the same tasks. Tasks and seeds are crossed, and are drawn independently (Owen, Ann. Appl. Stat. 2007).
    """

    def __init__(self, n_tasks: int, settings: BootstrapSettings) -> None:
        """Draw the resamples.

        Args:
            n_tasks: Number of tasks N.
            settings: Number of resamples, confidence and seed.

        Raises:
            SettingsError: If there are no tasks.
        """
        if n_tasks < 1:
            raise SettingsError("statistics need at least one task")
        self.settings = settings
        self.n_tasks = n_tasks
        rng = np.random.default_rng([settings.seed, n_tasks])
        self._tasks: IntArray = rng.integers(0, n_tasks, size=(settings.resamples, n_tasks))
        rows = np.arange(settings.resamples)[:, None] * n_tasks
        counts = np.bincount((self._tasks + rows).ravel(), minlength=settings.resamples * n_tasks)
        self._shares: FloatArray = counts.reshape(-1, n_tasks) / n_tasks
        self._known: dict[tuple[bytes, Statistic, int], FloatArray] = {}

    def estimate(self, values: FloatArray, statistic: Statistic) -> Estimate:
        """A controller's own figure.

        Args:
            values: Values of its seeds and tasks (S, N) or (N,).
            statistic: What is computed over tasks; averaged over seeds.
        """
        values = self._checked(values)
        value = _over_seeds(statistic(values))
        if statistic is maximum:
            return Estimate(float(value), None, None)
        return self._interval(value, self._resampled(values, statistic, stream=1))

    def compare(
        self, values: FloatArray, reference: FloatArray, statistic: Statistic, relation: Relation
    ) -> Estimate:
        """A controller's figure against a reference's on the same tasks.

        Equal figures, zero and infinite ones included, have ratio 1 and difference 0.

        Args:
            values: Values of the controller (S, N) or (N,).
            reference: Values of the reference (R, N) or (N,).
            statistic: What is computed over tasks; averaged over seeds.
            relation: ``ratio`` of the figures, or ``difference``, controller minus reference.
        """
        values, reference = self._checked(values), self._checked(reference)
        relate = _ratio if relation == "ratio" else _difference
        value = relate(_over_seeds(statistic(values)), _over_seeds(statistic(reference)))
        if statistic is maximum:
            return Estimate(float(value), None, None)
        resampled = relate(
            self._resampled(values, statistic, stream=1), self._resampled(reference, statistic, stream=2)
        )
        return self._interval(value, resampled)

    def _checked(self, values: FloatArray) -> FloatArray:
        values = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if values.shape[1] != self.n_tasks:
            raise SettingsError(f"values are of {values.shape[1]} tasks, the bootstrap is of {self.n_tasks}")
        if np.isnan(values).any():
            raise SettingsError(
                "values hold NaN; a failed episode has an infinite or a zero figure, not none"
            )
        return values

    def _resampled(self, values: FloatArray, statistic: Statistic, stream: int) -> FloatArray:
        """The figure in each resample (B,); `stream` keeps the seeds of two controllers independent."""
        n_seeds = len(values)
        # The expert's figures are needed for every controller, and every controller's own ones twice.
        key = (values.tobytes(), statistic, stream if n_seeds > 1 else 0)
        if key not in self._known:
            of_seed = np.stack([self._over_resampled_tasks(row, statistic) for row in values])
            rng = np.random.default_rng([self.settings.seed, stream, n_seeds])
            seeds = rng.integers(0, n_seeds, size=(n_seeds, self.settings.resamples))
            self._known[key] = _over_seeds(np.take_along_axis(of_seed, seeds, axis=0))
        return self._known[key]

    def _over_resampled_tasks(self, row: FloatArray, statistic: Statistic) -> FloatArray:
        if statistic is not mean:
            return statistic(row[self._tasks])
        # The same as for any statistic, as one matrix product; 0 times infinity must not become NaN.
        finite = np.isfinite(row)
        means = self._shares @ np.where(finite, row, 0.0)
        return np.where(self._shares @ ~finite > 0.0, np.inf, means)

    def _interval(self, value: FloatArray, resampled: FloatArray) -> Estimate:
        beyond = 0.5 * (1.0 - self.settings.confidence)
        ordered = np.sort(resampled)
        last = len(ordered) - 1
        low = ordered[int(np.floor(beyond * last))]
        high = ordered[int(np.ceil((1.0 - beyond) * last))]
        return Estimate(float(value), float(low), float(high))


def success_share(successes: BoolArray, bootstrap: TaskBootstrap) -> Estimate:
    """Share of tasks that succeed, with the Wilson score interval.

    Over several seeds the interval is that of the bootstrap over tasks and seeds, widened to the Wilson
    interval of the mean share on N tasks: where all succeed, resampling alone would claim certainty.

    Args:
        successes: Outcomes (S, N) or (N,).
        bootstrap: The resampling, which also gives the confidence.
    """
    successes = np.atleast_2d(successes)
    share = float(successes.mean())
    low, high = wilson_interval(share, successes.shape[1], bootstrap.settings.confidence)
    if len(successes) == 1:
        return Estimate(share, low, high)
    return _widened(bootstrap.estimate(successes.astype(np.float64), mean), low, high)


def success_difference(successes: BoolArray, reference: BoolArray, bootstrap: TaskBootstrap) -> Estimate:
    """Success share of a controller minus that of a reference on the same tasks.

    The interval is Newcombe's for paired shares (Stat. Med. 17, 1998, method 10), which stays honest where
    the two never disagree. Over several seeds, as in `success_share`, it is combined with the bootstrap.

    Args:
        successes: Outcomes of the controller (S, N) or (N,).
        reference: Outcomes of the reference (R, N) or (N,).
        bootstrap: The resampling, which also gives the confidence.
    """
    # Shares of seeds that succeed on each task; with one seed each, the four cells are the usual counts.
    of_seeds = np.atleast_2d(successes).astype(np.float64), np.atleast_2d(reference).astype(np.float64)
    ours, theirs = of_seeds[0].mean(axis=0), of_seeds[1].mean(axis=0)
    n = len(ours)
    both, neither = float(ours @ theirs), float((1.0 - ours) @ (1.0 - theirs))
    only_ours, only_theirs = float(ours @ (1.0 - theirs)), float((1.0 - ours) @ theirs)
    p, r = float(ours.mean()), float(theirs.mean())
    confidence = bootstrap.settings.confidence
    (p_low, p_high), (r_low, r_high) = (wilson_interval(share, n, confidence) for share in (p, r))

    product = (both + only_ours) * (only_theirs + neither) * (both + only_theirs) * (only_ours + neither)
    covariance = both * neither - only_ours * only_theirs
    corrected = max(covariance - n / 2.0, 0.0) if covariance > 0.0 else covariance
    correlation = corrected / np.sqrt(product) if product > 0.0 else 0.0

    def distance(of_ours: float, of_theirs: float) -> float:
        square = of_ours**2 - 2.0 * correlation * of_ours * of_theirs + of_theirs**2
        return float(np.sqrt(max(square, 0.0)))

    low, high = p - r - distance(p - p_low, r_high - r), p - r + distance(p_high - p, r - r_low)
    if len(of_seeds[0]) == len(of_seeds[1]) == 1:
        return Estimate(p - r, low, high)
    return _widened(bootstrap.compare(*of_seeds, mean, "difference"), low, high)


def wilson_interval(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Score interval of a share among n independent trials (Wilson, JASA 22, 1927).

    Like `scipy.stats.binomtest(...).proportion_ci(method="wilson")`, but the count need not be whole, as the
    mean over seeds is not.
    """
    z = float(stats.norm.ppf(0.5 + 0.5 * confidence))
    centre = share + z**2 / (2 * n)
    spread = z * np.sqrt(share * (1.0 - share) / n + z**2 / (4 * n**2))
    scale = 1.0 + z**2 / n
    low, high = float((centre - spread) / scale), float((centre + spread) / scale)
    return (0.0 if share == 0.0 else low), (1.0 if share == 1.0 else high)


def _widened(estimate: Estimate, low: float, high: float) -> Estimate:
    assert estimate.low is not None
    assert estimate.high is not None
    return Estimate(estimate.value, min(estimate.low, low), max(estimate.high, high))


def _over_seeds(values: FloatArray) -> FloatArray:
    return np.asarray(values.mean(axis=0))


def _ratio(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Ours over theirs of non-negative figures; 1 where they are equal, infinite where only theirs is 0."""
    ratio = np.where(ours > theirs, np.inf, 0.0)
    np.divide(ours, theirs, out=ratio, where=(theirs > 0.0) & np.isfinite(theirs))
    return np.where(ours == theirs, 1.0, ratio)


def _difference(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    return np.asarray(np.subtract(ours, theirs, out=np.zeros_like(ours), where=ours != theirs))
