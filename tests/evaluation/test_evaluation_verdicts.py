"""Summaries compare on paired tasks, survive the disk, and verdicts say what was measured."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console
from toy_loop import ToySetup, toy_tasks

from ampc.errors import DatasetError, SettingsError
from ampc.evaluation.benchmark import Benchmark, BenchmarkSettings
from ampc.evaluation.display import QUANTITIES, write_interval, write_relative, write_value
from ampc.evaluation.latency import Latency, measure_latency
from ampc.evaluation.metrics import EpisodeMetrics
from ampc.evaluation.statistics import BootstrapSettings
from ampc.evaluation.summary import FIGURES, Summary, summarise
from ampc.evaluation.tables import latency_table, summary_tables, verdict_table
from ampc.evaluation.verdicts import EXPERT, PAPER, STRICT, Criterion, judge, save_verdicts

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

QUICK = BootstrapSettings(resamples=200)
SETUPS = {
    "expert": ToySetup(),
    "twin": ToySetup(name="twin"),
    "soft": ToySetup(name="soft", stiffness=3.0),
    "loose": ToySetup(name="loose", stiffness=0.05),
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    tasks = {
        "interior": toy_tasks(20),
        "boundary": toy_tasks(15, "boundary", seed=1),
        "singular": toy_tasks(10, "singular", seed=2),
    }
    tasks["singular"][3] = dataclasses.replace(tasks["singular"][3], goal=np.array([6.0, 0.0, 0.0]))
    folder = tmp_path_factory.mktemp("benchmark")
    settings = BenchmarkSettings(workers=1, traces=0)
    return Benchmark(folder, SETUPS, tasks, settings).run(Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def summary(result):
    return summarise(result, "expert", QUICK, groups={"both": ("soft", "twin")})


def test_identical_controllers_are_exactly_equal(summary):
    for region in summary.regions:
        for kind in FIGURES:
            figure = summary.find(region, "twin", kind.metric, kind.statistic)
            if kind.metric.startswith("step_time"):
                continue
            assert figure.value == figure.expert
            equal = 1.0 if kind.relation == "ratio" else 0.0
            assert figure.relative == equal
            if kind.metric != "success" and kind.statistic != "max":
                assert figure.relative_low == figure.relative_high == equal


def test_figures_are_those_of_the_episodes(result, summary):
    rmse, of_expert = (result.values(name, "interior", "rmse") for name in ("soft", "expert"))
    figure = summary.find("interior", "soft", "rmse")
    assert figure.value == pytest.approx(rmse.mean())
    assert figure.relative == pytest.approx(rmse.mean() / of_expert.mean())
    assert figure.relative_low < figure.relative < figure.relative_high
    assert figure.tasks == 20


def test_regions_are_pooled(result, summary):
    assert summary.regions == ("interior", "boundary", "singular", "out-of-distribution", "all")
    assert summary.find("out-of-distribution", "expert", "success").tasks == 25
    assert summary.find("all", "expert", "success").tasks == 45
    # The one unreachable goal is a failure in every pool that holds it.
    assert summary.find("singular", "expert", "success").value == pytest.approx(0.9)
    assert summary.find("out-of-distribution", "expert", "success").value == pytest.approx(24 / 25)


def test_regions_of_the_demonstrations_are_not_out_of_distribution(result):
    summary = summarise(result, "expert", QUICK, familiar=("boundary",))
    assert summary.find("out-of-distribution", "expert", "success").tasks == 30


def test_infinite_settling_times_are_reported_as_such(summary):
    never = summary.find("interior", "loose", "t95", "median")
    assert never.value == never.relative == np.inf
    assert write_value("t95", never.value) == "never"
    for figure in summary:
        for value in (figure.value, figure.low, figure.high, figure.relative, figure.relative_low):
            assert value is None or not np.isnan(value)


def test_groups_of_seeds_average_their_members(summary):
    group, soft, twin = (summary.find("interior", name, "rmse") for name in ("both", "soft", "twin"))
    assert group.seeds == 2
    assert group.value == pytest.approx((soft.value + twin.value) / 2)
    assert group.low <= twin.value
    assert group.high >= soft.value


def test_tables_survive_the_disk(summary, tmp_path):
    summary.save(tmp_path)
    loaded = Summary.load(tmp_path)
    assert loaded.figures == summary.figures
    assert (loaded.expert, loaded.confidence) == (summary.expert, summary.confidence)
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(summary.figures)
    assert float(rows[0]["value"]) == summary.figures[0].value

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads((tmp_path / "summary.json").read_text(), parse_constant=refuse)
    with pytest.raises(DatasetError, match="no summary"):
        Summary.load(tmp_path / "elsewhere")


def test_verdicts(summary, tmp_path):
    twin, soft = (judge(summary, name, STRICT) for name in ("twin", "soft"))
    by_metric = {criterion.metric: verdict for criterion, verdict in zip(STRICT, twin, strict=True)}
    assert by_metric["rmse"].passed
    assert by_metric["rmse"].certain
    # Twenty equal outcomes do not prove a difference below 0.2 points.
    assert by_metric["success"].passed
    assert by_metric["success"].certain is False
    assert by_metric["rmse"].required == "at most +0.50 %"
    assert by_metric["success"].required == "at least -0.2 points"
    assert not soft[1].passed
    save_verdicts(twin + soft, tmp_path)
    rows = json.loads((tmp_path / "verdicts.json").read_text())
    assert [row["passed"] for row in rows] == [verdict.passed for verdict in twin + soft]
    with (tmp_path / "verdicts.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


def test_bounds_themselves_pass(summary):
    value = summary.find("interior", "soft", "rmse").value
    for bound in ("at most", "at least"):
        (verdict,) = judge(summary, "soft", [Criterion("test", "rmse", bound, value)])
        assert verdict.passed
        assert verdict.certain is False


def test_what_was_not_run_is_not_judged(result):
    summary = summarise(result, "expert", QUICK)
    (verdict,) = judge(summary, "soft", [Criterion("test", "rmse", "at most", 1.0, region="joint-limit")])
    assert verdict.passed is None
    assert verdict.measured == "not measured"
    with pytest.raises(DatasetError, match="'nobody'"):
        judge(summary, "nobody", STRICT)
    with pytest.raises(DatasetError, match="'speed'"):
        judge(summary, "soft", [Criterion("test", "speed", "at most", 1.0)])


def test_tables_are_printed_without_a_terminal(summary):
    out = io.StringIO()
    console = Console(file=out, width=240)
    for table in summary_tables(summary):
        console.print(table)
    console.print(verdict_table(judge(summary, "soft", PAPER) + judge(summary, "expert", EXPERT)))
    text = out.getvalue()
    for expected in ("interior: 20 tasks", "out-of-distribution", "never", "points", "yes", "no"):
        assert expected in text


def test_figures_are_written_in_shown_units():
    assert write_value("rmse", 0.01234) == "12.34 mm"
    assert write_value("success", 0.998) == "99.8 %"
    assert write_value("rmse", None) == "-"
    assert write_relative("rmse", "ratio", 1.0031) == "+0.31 %"
    assert write_relative("success", "difference", -0.002) == "-0.2 points"
    assert write_relative("success", "difference", -1e-9) == "+0.0 points"
    assert write_interval("t95", 0.5, np.inf) == "0.500 to never s"
    assert write_interval("position_excess", None, None) == ""


def test_every_metric_has_words_and_every_figure_a_metric():
    metrics = {field.name for field in dataclasses.fields(EpisodeMetrics)}
    assert set(QUANTITIES) == metrics == {kind.metric for kind in FIGURES}


def test_latency_compares_controllers_that_take_turns(tmp_path):
    setups = {"slow": ToySetup(delay=0.002), "fast": ToySetup()}
    latency = measure_latency(setups, toy_tasks(3), duration=0.5)
    assert {name: times.shape for name, times in latency.step_times.items()} == {
        "slow": (3, 10),
        "fast": (3, 10),
    }
    slow, fast = latency.figures("slow")
    assert (slow.ratio, slow.ratio_low, slow.ratio_high) == (1.0, 1.0, 1.0)
    assert fast.ratio < 0.5
    assert fast.p50 <= fast.p99 <= fast.max
    latency.save(tmp_path)
    loaded = Latency.open(tmp_path)
    for name, times in latency.step_times.items():
        np.testing.assert_array_equal(loaded.step_times[name], times)
    out = io.StringIO()
    Console(file=out, width=160).print(latency_table(loaded.figures("slow"), "slow"))
    assert "median against slow" in out.getvalue()
    with pytest.raises(DatasetError, match="'expert'"):
        latency.figures("expert")
    with pytest.raises(SettingsError, match="0 tasks"):
        measure_latency(setups, [])
