"""Certificates of a failure probability: exact bounds, valid although the trial may end at several looks."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ampc.errors import SettingsError
from ampc.evaluation.certificate import (
    CertificateGoal,
    certify,
    episodes_needed,
    looks,
    lower_bound,
    upper_bound,
)


@given(st.integers(0, 20), st.integers(1, 500), st.floats(0.001, 0.3))
def test_the_bound_is_where_so_few_failures_have_probability_delta(k: int, extra: int, delta: float) -> None:
    n = k + extra
    bound = upper_bound(k, n, delta)
    assert stats.binom.cdf(k, n, bound) == pytest.approx(delta, rel=1e-6)
    assert lower_bound(k, n, delta) <= k / n <= bound


def test_without_failures_the_bound_has_a_closed_form() -> None:
    assert upper_bound(0, 300, 0.05) == pytest.approx(1.0 - 0.05 ** (1.0 / 300))
    assert upper_bound(5, 5, 0.05) == 1.0
    assert lower_bound(0, 5, 0.05) == 0.0


@given(st.integers(0, 5), st.floats(0.005, 0.3), st.floats(0.001, 0.3))
@settings(max_examples=30)
def test_the_number_of_episodes_is_the_smallest(k: int, epsilon: float, delta: float) -> None:
    n = episodes_needed(k, epsilon, delta)
    assert upper_bound(k, n, delta) <= epsilon < upper_bound(k, n - 1, delta)


def test_looks_use_up_no_more_than_delta_and_grow() -> None:
    goal = CertificateGoal(0.02, 0.05, most_failures=6)
    found = list(looks(goal, multiple=10))
    assert sum(look.delta for look in found) < goal.delta
    assert all(a.episodes < b.episodes for a, b in itertools.pairwise(found))
    assert all(look.episodes % 10 == 0 for look in found)


def test_certificates_are_seldom_wrong() -> None:
    """With a true probability just above epsilon, at most delta of the trials certify."""
    goal = CertificateGoal(0.05, 0.2, most_failures=3)
    wrong = 0
    for seed in range(400):
        failed = (np.random.default_rng(seed).random(2000) < 0.0501).tolist()
        wrong += certify(goal, lambda n, failed=failed: failed[:n]).verdict == "certified"
    assert wrong <= 400 * goal.delta


def test_safe_unsafe_and_undecided() -> None:
    goal = CertificateGoal(0.05, 0.05, most_failures=1)
    safe = certify(goal, lambda n: [False] * n)
    assert safe.verdict == "certified"
    assert safe.bound <= 0.05
    assert "0 failures" in str(safe)
    assert certify(goal, lambda n: [True] * n).verdict == "refuted"
    few = certify(goal, lambda n: [i < 5 for i in range(n)])
    assert few.verdict == "undecided"


def test_probabilities_that_are_none_are_refused() -> None:
    with pytest.raises(SettingsError, match="epsilon"):
        CertificateGoal(epsilon=0.0)
