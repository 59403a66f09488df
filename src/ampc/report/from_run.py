"""Fills a report from a run's folder; what the run has not recorded is left out, with the reason."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ampc.arrays import FloatArray
from ampc.episodes.dataset import Dataset
from ampc.episodes.summary import summarise
from ampc.errors import AmpcError, SettingsError
from ampc.evaluation import BenchmarkResult, Latency, Summary
from ampc.learning import policy_names
from ampc.report.comparison import comparison_tables, headlines
from ampc.report.data import (
    ErrorCurves,
    ReportData,
    Section,
    TaskTrace,
    WorkspaceMap,
)
from ampc.report.html import write_report
from ampc.report.records import (
    dataset_section,
    inverse_kinematics_table,
    read_json,
    read_verdicts,
    training_curves,
)
from ampc.report.video import VideoSettings
from ampc.robots import load_robot

T = TypeVar("T")


def build_report(folder: str | Path, video: VideoSettings | None = None) -> Path:
    """Write ``report.html`` into a run's folder.

    Args:
        folder: The run's folder, as `ampc.runs.Run` keeps it.
        video: Size and pace of the videos.

    Returns:
        Path of the report.

    Raises:
        AmpcError: If the folder holds no run, or its robot cannot be loaded.
    """
    folder = Path(folder)
    return write_report(read_run(folder), folder / "report.html", video)


@dataclass(frozen=True)
class Names:
    """Who is who in a run; a policy trained with several seeds appears once, as its architecture."""

    expert: str
    """Controller that all are compared with."""
    members: dict[str, tuple[str, ...]]
    """Name in the report to the controllers of the benchmark that it stands for."""
    policies: dict[str, tuple[Path, ...]]
    """Name in the report to the folders of its policies."""

    @property
    def policy(self) -> str:
        """The policy that is shown beside the expert: the first."""
        return next(iter(self.policies))


def read_run(folder: Path) -> ReportData:
    """What a run's folder holds, as a report shows it.

    Raises:
        AmpcError: If the folder holds no run, or its robot cannot be loaded.
    """
    path = folder / "settings.json"
    if not path.exists():
        raise SettingsError(f"{folder} holds no run: settings.json is missing")
    settings: dict[str, Any] = json.loads(path.read_text())
    robot = load_robot(settings["robot"]["source"], settings["robot"]["end_effector"])
    provenance = folder / "provenance.json"
    stages: dict[str, Any] = read_json(provenance) if provenance.exists() else {}
    for stage in stages.values():
        stage["seconds"] += sum(call["seconds"] for call in stage.get("earlier", ()))
    missing: dict[Section, str] = {}

    def read(sections: tuple[Section, ...], reader: Callable[[], T]) -> T | None:
        try:
            return reader()
        except AmpcError as error:
            missing.update(dict.fromkeys(sections, f"Left out: {error}."))
            return None

    evaluation = folder / "evaluation"
    result = read(("errors", "workspace", "torques", "video"), lambda: BenchmarkResult.open(evaluation))
    summary = read(("comparison",), lambda: Summary.load(evaluation))
    latency = read(("latency",), lambda: Latency.open(evaluation))
    dataset = read(("dataset",), lambda: summarise(Dataset.open(folder / "dataset")))
    expert = summary.expert if summary else next(iter(result.controllers)) if result else "expert"
    names = find_names(folder, settings, expert, result)
    pair = {name: names.members[name][0] for name in (names.expert, names.policy)}
    step_times = _step_times(latency, names) if latency else None
    collected = f"{dataset.rows:,} commands" if dataset else "the commands"
    tasks = sum(len(result.goals(region)) for region in result.regions) if result else 0
    return ReportData(
        title=f"{robot.name}: {names.policy} in place of {expert}",
        summary=(
            f"A neural network ({names.policy}) was trained on {collected} of a model predictive controller"
            f" ({expert}) that brings the end effector of {robot.name}, an arm with {robot.n_joints} joints,"
            " to goals in space." + (f" All controllers then met the same {tasks:,} tasks." if tasks else "")
        ),
        facts=tuple(_facts(settings, stages, robot.name, names)),
        expert=expert,
        policy=names.policy,
        controllers=tuple(dict.fromkeys((*names.members, *(step_times or {})))),
        control_period=float(settings["plant"]["control_period"]),
        success_threshold=float(settings["evaluation"]["benchmark"]["metrics"]["success_tolerance"]),
        headlines=headlines(summary, latency, names.policy, names.members, dataset, stages),
        verdicts=read(("verdicts",), lambda: read_verdicts(evaluation / "verdicts.json")),
        comparison=comparison_tables(summary, tuple(names.members), step_times) if summary else None,
        errors=_errors(result, names) if result else None,
        workspace=_workspace(result, pair) if result else None,
        traces=_traces(result, pair) if result else None,
        robot=robot,
        step_times=step_times,
        training=read(
            ("training",),
            lambda: training_curves({name: folders[0] for name, folders in names.policies.items()}),
        ),
        dataset=dataset_section(dataset) if dataset else None,
        ik=read(("ik",), lambda: inverse_kinematics_table(evaluation / "inverse_kinematics.json")),
        missing=missing,
    )


def find_names(
    folder: Path, settings: Mapping[str, Any], expert: str, result: BenchmarkResult | None
) -> Names:
    """Who is who, from the run's settings and the controllers of its benchmark, if there is one."""
    learning = settings["learning"]
    seeds = learning["seeds"]
    policies, members = {}, {}
    for name in policy_names(learning["architectures"], learning.get("algorithm", "bc")):
        policies[name] = tuple(folder / "policies" / f"{name}-{seed}" for seed in seeds)
        members[name] = tuple(path.name for path in policies[name]) if len(seeds) > 1 else (name,)
    of_policies = {name for group in members.values() for name in group}
    others = [name for name in (result.controllers if result else ()) if name not in {expert, *of_policies}]
    return Names(expert, {expert: (expert,)} | members | {name: (name,) for name in others}, policies)


def _facts(
    settings: Mapping[str, Any], stages: Mapping[str, Any], robot: str, names: Names
) -> Iterator[tuple[str, str]]:
    learning = settings["learning"]
    yield "robot", robot
    yield "expert", names.expert
    yield "policies", ", ".join(names.policies)
    yield "torque law", settings["torque_law"]
    yield "control rate", f"{1.0 / settings['plant']['control_period']:g} Hz"
    yield "training seeds", ", ".join(map(str, learning["seeds"]))
    yield "task seeds", f"{settings['collection']['seed']}, {settings['evaluation']['seed']}"
    if not stages:
        return
    last = list(stages.values())[-1]
    yield "commit", last["commit"] or "unknown"
    yield "date", last["date"].replace("T", " ").replace("+00:00", " UTC")
    yield "Python", last["python"]
    for package, version in last["versions"].items():
        if package in ("ampc", "mujoco", "torch", "onnxruntime"):
            yield package, version
    yield "time", ", ".join(f"{name} {stage['seconds']:,.0f} s" for name, stage in stages.items())
    yield "machine", f"{last['processor']}, {last['cores']} cores, {last['platform']}"
    yield "command", last["command"]


def _errors(result: BenchmarkResult, names: Names) -> tuple[ErrorCurves, ...]:
    time = result.time(result.controllers[0])
    return tuple(
        ErrorCurves(
            region,
            time,
            {
                name: np.concatenate([result.errors(member, region) for member in members])
                for name, members in names.members.items()
                if set(members) <= set(result.controllers)
            },
        )
        for region in result.regions
    )


def _workspace(result: BenchmarkResult, pair: Mapping[str, str]) -> tuple[WorkspaceMap, ...]:
    goals = np.concatenate([result.goals(region) for region in result.regions])
    regions = tuple(region for region in result.regions for _ in result.goals(region))

    def pooled(name: str, metric: str) -> FloatArray:
        return np.concatenate([result.values(name, region, metric) for region in result.regions])

    return tuple(
        WorkspaceMap(name, goals, pooled(of, "success") > 0.5, pooled(of, "steady_error"), regions)
        for name, of in pair.items()
        if of in result.controllers
    )


def _traces(result: BenchmarkResult, pair: Mapping[str, str]) -> tuple[TaskTrace, ...]:
    """The first kept task of each region: what anyone would see who looks at one task of each."""
    traces = []
    for region in result.regions:
        kept = {name: result.traces(of, region) for name, of in pair.items() if of in result.controllers}
        if len(kept) < len(pair) or not all(kept.values()):
            continue
        first = {name: of_name[0] for name, of_name in kept.items()}
        any_of = next(iter(first.values()))
        traces.append(
            TaskTrace(
                title=f"{region}, task {any_of.task}",
                goal=any_of.goal,
                time=any_of.time,
                q={name: trace.q for name, trace in first.items()},
                dq={name: trace.dq for name, trace in first.items()},
                end_effector={name: trace.end_effector for name, trace in first.items()},
                torque={name: trace.torque for name, trace in first.items()},
            )
        )
    return tuple(traces)


def _step_times(latency: Latency, names: Names) -> dict[str, FloatArray]:
    """Times of all steps (S,) [s] by name in the report, of controllers that were only timed as well."""
    known = {member: name for name, members in names.members.items() for member in members}
    times: dict[str, list[FloatArray]] = {}
    for controller, values in latency.step_times.items():
        times.setdefault(known.get(controller, controller), []).append(values.ravel())
    return {name: np.concatenate(parts) for name, parts in times.items()}
