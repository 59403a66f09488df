"""How often something goes wrong at most: exact bounds, from as many episodes as it takes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from ampc.errors import SettingsError

Verdict = Literal["certified", "refuted", "undecided"]


@dataclass(frozen=True)
class CertificateGoal:
    """What is to be shown: the probability of a failure is at most epsilon, with confidence 1 - delta."""

    epsilon: float = 0.01
    """Largest probability of a failure in an episode."""
    delta: float = 0.05
    """Probability with which a certificate may be wrong."""
    most_failures: int = 4
    """Failures after which no further episodes are tried."""

    def __post_init__(self) -> None:
        """Refuse probabilities that are none."""
        for name in ("epsilon", "delta"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise SettingsError(f"certificate.{name} is {getattr(self, name)}; it must lie in (0, 1)")
        if self.most_failures < 0:
            raise SettingsError(f"certificate.most_failures is {self.most_failures}; it must be 0 or more")


@dataclass(frozen=True)
class Certificate:
    """What the episodes show."""

    verdict: Verdict
    """``certified``: the bound is met; ``refuted``: the probability is above epsilon with the confidence
    asked for; ``undecided``: neither."""
    episodes: int
    """Number of episodes n."""
    failures: int
    """Number of them that failed k."""
    bound: float
    """Upper bound on the probability of a failure, valid although the number of episodes was not fixed."""
    confidence: float
    """1 - delta."""
    look_delta: float = 1.0
    """Share of delta that the look took which ended the trial."""

    def __str__(self) -> str:
        return (
            f"{self.verdict}: failure probability <= {self.bound:.3g} with confidence {self.confidence:g} "
            f"({self.failures} failures in {self.episodes} episodes)"
        )


def upper_bound(failures: int, episodes: int, delta: float) -> float:
    """One-sided Clopper-Pearson bound: where k or fewer failures have the probability delta.

    Clopper and Pearson, Biometrika 26, 1934. With no failure it is ``1 - delta^(1/n)``.
    """
    if failures >= episodes:
        return 1.0
    return float(stats.beta.ppf(1.0 - delta, failures + 1, episodes - failures))


def lower_bound(failures: int, episodes: int, delta: float) -> float:
    """One-sided Clopper-Pearson bound from below."""
    if failures == 0:
        return 0.0
    return float(stats.beta.ppf(delta, failures, episodes - failures + 1))


def episodes_needed(failures: int, epsilon: float, delta: float) -> int:
    """Smallest number of episodes with so many failures whose upper bound is epsilon or less."""
    low = max(failures, math.ceil(math.log(delta) / math.log1p(-epsilon)) - 1)
    high = low + 1
    while upper_bound(failures, high, delta) > epsilon:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(failures, middle, delta) > epsilon:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True)
class Look:
    """A number of episodes after which the result is looked at, fixed before the first episode."""

    episodes: int
    """Number of episodes n_j."""
    failures: int
    """Most failures with which the certificate is given here."""
    delta: float
    """Share of delta that this look may use up."""


def looks(goal: CertificateGoal, multiple: int = 1) -> Iterator[Look]:
    """After how many episodes to look.

    Look j = 0, 1, .. comes where j failures would still certify with delta_j = delta / 2^(j+1). The deltas
    sum to less than delta, so that by the union bound the certificate is valid whichever look ends the trial:
    peeking at the fixed-number bound after every episode would not be.

    Args:
        goal: What is to be shown.
        multiple: Numbers of episodes are rounded up to multiples of this.
    """
    for failures in range(goal.most_failures + 1):
        delta = goal.delta / 2.0 ** (failures + 1)
        needed = episodes_needed(failures, goal.epsilon, delta)
        yield Look(-(-needed // multiple) * multiple, failures, delta)


def certify(goal: CertificateGoal, run: Callable[[int], Sequence[bool]], multiple: int = 1) -> Certificate:
    """Run as many episodes as are needed.

    Args:
        goal: What is to be shown.
        run: Runs the first n episodes of a fixed sequence, or gathers what has been run of them, and says of
            each whether it failed. Episodes have to be independent draws from the tasks that the certificate
            is about.
        multiple: Episodes are run in multiples of this.

    Returns:
        The certificate; where it is not given, with the bound at the last look.
    """
    confidence = 1.0 - goal.delta
    certificate = Certificate("undecided", 0, 0, 1.0, confidence)
    for look in looks(goal, multiple):
        failed = run(look.episodes)
        k, n = sum(failed), len(failed)
        bound = upper_bound(k, n, look.delta)
        verdict: Verdict = "undecided"
        if bound <= goal.epsilon:
            verdict = "certified"
        elif lower_bound(k, n, look.delta) > goal.epsilon:
            verdict = "refuted"
        certificate = Certificate(verdict, n, k, bound, confidence, look.delta)
        if verdict != "undecided":
            break
    return certificate
