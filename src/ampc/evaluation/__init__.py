"""Controllers on paired tasks: metrics of an episode, the benchmark, how sure its figures are, verdicts."""

from ampc.evaluation.benchmark import Benchmark, BenchmarkSettings
from ampc.evaluation.latency import Latency, measure_latency
from ampc.evaluation.metrics import EpisodeMetrics, MetricSettings, measure
from ampc.evaluation.results import BenchmarkResult
from ampc.evaluation.statistics import BootstrapSettings
from ampc.evaluation.summary import Summary, summarise
from ampc.evaluation.verdicts import Criterion, Verdict, judge, save_verdicts

__all__ = [
    "Benchmark",
    "BenchmarkResult",
    "BenchmarkSettings",
    "BootstrapSettings",
    "Criterion",
    "EpisodeMetrics",
    "Latency",
    "MetricSettings",
    "Summary",
    "Verdict",
    "judge",
    "measure",
    "measure_latency",
    "save_verdicts",
    "summarise",
]
