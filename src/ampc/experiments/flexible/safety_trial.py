"""Loops with a safety filter on tasks, as a cell: what `FlexibleTrial` measures, and what the filter did."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import Controller
from ampc.control.filter_step import Decision, FilterStep
from ampc.control.safety_filter import SafetyFilter
from ampc.episodes.episode import Episode
from ampc.episodes.filtered_setup import FilteredSetup
from ampc.episodes.rollout import run_episode
from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.motion import measure_motion, traces
from ampc.experiments.flexible.trial import TRACES, FlexibleTasks


@dataclass(frozen=True)
class FilteredContestant:
    """A closed loop with or without a filter."""

    name: str
    """Name in tables."""
    setup: FilteredSetup = field(default_factory=FilteredSetup)
    """Plant, controller and filter."""
    policy: Cell | None = None
    """The cell whose folder holds the policy that proposes; None for the controller of the setup."""
    fingerprint: str = ""
    """Hash of a policy's files, where the setup names a path: what is at a path may change."""

    def closed_loop(self, store: Store) -> FilteredSetup:
        """The setup with the policy in place."""
        if self.policy is None:
            return self.setup
        loop = replace(self.setup.loop, kind="policy", policy=store.folder(self.policy))
        return replace(self.setup, loop=loop)


@dataclass(frozen=True)
class LoopTrial(Cell):
    """Base of trials of one loop."""

    tasks: FlexibleTasks
    """Which tasks."""
    contestant: FilteredContestant
    """Which loop."""
    duration: float = 3.0
    """Length of an episode [s]."""

    def drive(self, setup: FilteredSetup) -> Iterator[tuple[Episode, Controller]]:
        """Run one episode after the other, and give the controller as it has left it."""
        plant, controller = setup.build()
        for task in self.tasks.sample(setup.build_robot()):
            yield run_episode(plant, controller, task, self.duration), controller


@dataclass(frozen=True)
class SafetyTrial(LoopTrial):
    """Episodes of one loop, and what its filter did."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Run all episodes."""
        setup = self.contestant.closed_loop(store)
        robot = setup.build_robot()
        episodes: list[dict[str, Any]] = []
        kept: dict[str, list[FloatArray]] = {"error": [], "step": [], "filter": []}
        for episode, controller in self.drive(setup):
            history = _history(controller)
            figures = measure_motion(episode, robot) | {"contestant": self.contestant.name}
            episodes.append(figures | summarise_filter(history))
            kept["error"].append(traces(episode, robot).error)
            kept["step"].append(episode.step_time[1:])
            kept["filter"].append(np.array([step.seconds for step in history[1:]]))
        name = self.contestant.name
        packed: dict[str, Any] = {f"{name}/{key}": np.array(each, np.float32) for key, each in kept.items()}
        np.savez_compressed(folder / TRACES, **packed)
        return {"episodes": episodes}


def _history(controller: Controller) -> Sequence[FilterStep]:
    return controller.history if isinstance(controller, SafetyFilter) else ()


def summarise_filter(history: Sequence[FilterStep]) -> dict[str, Any]:
    """Steps of an episode by decision, mean change where a torque was changed [N m], and largest slack.

    The slack is None where a roll-out has left all numbers behind.
    """
    count = Counter(step.decision for step in history)
    found: dict[str, Any] = {f"{name} steps": count[name] for name in get_args(Decision)}
    changes = [step.change for step in history if step.decision == "modified"]
    found["mean change"] = float(np.mean(changes)) if changes else 0.0
    slack = float(max((step.slack for step in history), default=0.0))
    found["largest slack"] = slack if math.isfinite(slack) else None
    return found
