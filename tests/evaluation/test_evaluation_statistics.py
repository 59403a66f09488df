"""Intervals cover what they claim to cover, and paired comparisons are paired."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from ampc.errors import SettingsError
from ampc.evaluation.statistics import (
    BootstrapSettings,
    TaskBootstrap,
    interquartile_mean,
    mean,
    quantile,
    success_difference,
    success_share,
    wilson_interval,
)

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

QUICK = BootstrapSettings(resamples=400)


@pytest.mark.parametrize("statistic", [mean, interquartile_mean, quantile(0.5), quantile(0.95)])
def test_identical_controllers_have_ratio_one_and_no_width(statistic):
    values = np.random.default_rng(1).lognormal(size=200)
    bootstrap = TaskBootstrap(200, QUICK)
    ratio = bootstrap.compare(values, values.copy(), statistic, "ratio")
    assert (ratio.value, ratio.low, ratio.high) == (1.0, 1.0, 1.0)
    difference = bootstrap.compare(values, values.copy(), statistic, "difference")
    assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_pairing_removes_what_tasks_have_in_common():
    rng = np.random.default_rng(2)
    easy_or_hard = rng.lognormal(sigma=1.0, size=300)
    expert = easy_or_hard * (1.0 + 0.001 * rng.normal(size=300))
    policy = 1.01 * easy_or_hard * (1.0 + 0.001 * rng.normal(size=300))
    bootstrap = TaskBootstrap(300, QUICK)
    paired = bootstrap.compare(policy, expert, mean, "ratio")
    alone = bootstrap.estimate(policy, mean)
    assert paired.low < 1.01 < paired.high
    assert paired.high - paired.low < 0.02 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("statistic", "truth"),
    [(mean, np.exp(0.125) * 1.1), (quantile(0.5), 1.1)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(statistic, truth):
    rng = np.random.default_rng(3)
    bootstrap = TaskBootstrap(120, QUICK)
    hits = 0
    for _ in range(300):
        estimate = bootstrap.estimate(1.1 * rng.lognormal(sigma=0.5, size=120), statistic)
        hits += estimate.low <= truth <= estimate.high
    assert 0.90 <= hits / 300 <= 0.98


def test_ratio_intervals_cover_the_true_ratio():
    rng = np.random.default_rng(4)
    bootstrap = TaskBootstrap(120, QUICK)
    hits = 0
    for _ in range(300):
        expert = rng.lognormal(sigma=0.5, size=120)
        policy = expert * rng.normal(1.05, 0.02, size=120)
        ratio = bootstrap.compare(policy, expert, mean, "ratio")
        hits += ratio.low <= 1.05 <= ratio.high
    assert 0.90 <= hits / 300 <= 0.98


def test_intervals_over_seeds_cover_the_mean_over_all_seeds():
    rng = np.random.default_rng(5)
    bootstrap = TaskBootstrap(60, QUICK)
    hits, hits_with_tasks_only = 0, 0
    for _ in range(300):
        task, seed = rng.normal(size=60), rng.normal(size=(20, 1))
        values = 10.0 + task + seed + 0.3 * rng.normal(size=(20, 60))
        estimate = bootstrap.estimate(values, mean)
        hits += estimate.low <= 10.0 <= estimate.high
        tasks_only = bootstrap.estimate(values.mean(axis=0), mean)
        hits_with_tasks_only += tasks_only.low <= 10.0 <= tasks_only.high
    assert 0.90 <= hits / 300 <= 0.98
    assert hits_with_tasks_only / 300 < 0.85


def test_agrees_with_scipys_bootstrap():
    rng = np.random.default_rng(6)
    expert = rng.lognormal(sigma=0.5, size=200)
    policy = expert * rng.normal(1.05, 0.1, size=200)
    ours = TaskBootstrap(200, BootstrapSettings(resamples=5000)).compare(policy, expert, mean, "ratio")
    theirs = stats.bootstrap(
        (policy, expert),
        lambda x, y, axis: x.mean(axis=axis) / y.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=5000,
        method="percentile",
        rng=np.random.default_rng(7),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(
        (theirs.low, theirs.high), abs=0.05 * (ours.high - ours.low)
    )


def test_seeded():
    values = np.random.default_rng(8).lognormal(size=(3, 50))
    first, second = (TaskBootstrap(50, QUICK).estimate(values, mean) for _ in range(2))
    other = TaskBootstrap(50, BootstrapSettings(resamples=400, seed=1)).estimate(values, mean)
    assert first == second
    assert first.value == other.value
    assert first != other


def test_infinite_values_stay_infinite_and_make_no_nan():
    settled = np.linspace(0.5, 1.5, 100)
    partly = settled.copy()
    partly[::10] = np.inf
    never = np.full(100, np.inf)
    bootstrap = TaskBootstrap(100, QUICK)
    assert np.isfinite(bootstrap.estimate(partly, quantile(0.5)).value)
    assert bootstrap.estimate(partly, quantile(0.95)).value == np.inf
    assert bootstrap.estimate(partly, mean).value == np.inf
    for statistic in (mean, quantile(0.5), quantile(0.95)):
        for ours in (settled, partly, never):
            for theirs in (settled, partly, never):
                for relation in ("ratio", "difference"):
                    found = bootstrap.compare(ours, theirs, statistic, relation)
                    assert not np.isnan([found.value, found.low, found.high]).any()
                    assert found.low <= found.value <= found.high
    assert bootstrap.compare(never, settled, quantile(0.5), "difference").value == np.inf
    assert bootstrap.compare(never, never, quantile(0.5), "difference").value == 0.0


def test_comparison_with_zero_is_infinite_or_one():
    bootstrap = TaskBootstrap(10, QUICK)
    assert bootstrap.compare(np.ones(10), np.zeros(10), mean, "ratio").value == np.inf
    assert bootstrap.compare(np.zeros(10), np.zeros(10), mean, "ratio").value == 1.0


def test_nan_and_other_tasks_are_refused():
    bootstrap = TaskBootstrap(10, QUICK)
    with pytest.raises(SettingsError, match="NaN"):
        bootstrap.estimate(np.full(10, np.nan), mean)
    with pytest.raises(SettingsError, match="values are of 9 tasks"):
        bootstrap.estimate(np.ones(9), mean)


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3)), st.floats(0.01, 0.99))
def test_quantile_is_a_value_that_this_share_does_not_exceed(values, probability):
    found = float(quantile(probability)(values))
    assert found in values
    assert np.mean(values <= found) >= probability - 1e-9
    assert np.mean(values < found) < probability


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_interval_is_scipys(n, share, confidence):
    count = round(share * n)
    theirs = stats.binomtest(count, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(count / n, n, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_perfect_agreement_is_not_certainty():
    bootstrap = TaskBootstrap(1000, QUICK)
    always = np.ones(1000, dtype=bool)
    assert success_share(always, bootstrap).low == pytest.approx(0.99617, abs=1e-5)
    difference = success_difference(always, always, bootstrap)
    assert difference.value == 0.0
    assert difference.low == pytest.approx(-0.0038, abs=1e-4)
    assert difference.high == pytest.approx(0.0038, abs=1e-4)
    seeds = np.ones((3, 1000), dtype=bool)
    assert success_share(seeds, bootstrap).low == pytest.approx(0.99617, abs=1e-5)
    assert success_difference(seeds, always, bootstrap).low == pytest.approx(-0.0038, abs=1e-4)


def test_newcombes_published_example():
    # Newcombe (1998), Stat. Med. 17:2635, table II, method 10: cells 36, 12, 2, 0 -> 0.2 (0.0569, 0.3404).
    ours = np.repeat([True, True, False], [36, 12, 2])
    theirs = np.repeat([True, False, True], [36, 12, 2])
    found = success_difference(ours, theirs, TaskBootstrap(50, QUICK))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=2e-4)


def test_success_difference_covers_the_truth():
    rng = np.random.default_rng(9)
    bootstrap = TaskBootstrap(150, QUICK)
    hits = 0
    for _ in range(300):
        expert = rng.random(150) < 0.95
        policy = np.where(rng.random(150) < 0.1, rng.random(150) < 0.5, expert)
        found = success_difference(policy, expert, bootstrap)
        hits += found.low <= 0.1 * (0.5 - 0.95) <= found.high
    assert hits / 300 >= 0.92


def test_interquartile_mean_ignores_the_outer_quarters():
    values = np.array([-1e9, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1e9])
    assert interquartile_mean(values) == pytest.approx(3.5)
