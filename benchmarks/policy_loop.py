"""Time of whole control steps of the flexible arm, measurement to torque: policies beside the nonlinear MPC.

A step is ``controller.act(measurement)``: estimator, choice of the way, features and network or optimisation,
torque against gravity, limits, all checks. The nonlinear MPC drives the plant of ten segments; all others get
the same measurements, are told the same torques, and take turns with it in one process on one thread, so that
a busy machine is busy for all and nobody's caches are warm. Afterwards the same episodes run again for each
policy alone, as on a machine that does nothing else.

    python benchmarks/policy_loop.py [--policy FOLDER] --output policy_loop.json

Without a trained policy the weights are random, which does not change what a step costs. Times of a thread
(``CPU``) leave out what other processes took: a deadline missed by the clock alone is the machine's, and on a
busy machine the clock is unfair to long steps.
"""

# Libraries read these when they are first imported.
# ruff: noqa: E402
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import tyro

from ampc.arrays import FloatArray
from ampc.control.controller import Controller
from ampc.control.feedback import Reference
from ampc.control.policy_controller import PolicyController
from ampc.control.situation import Situation
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.export.onnx import export_onnx
from ampc.plants import PUBLISHED_NOISE
from ampc.plants.measurement import Measurement
from ampc.policies import NetworkSettings, PolicySpec
from ampc.policies.loading import load_policy
from ampc.policies.policy import Policy
from ampc.policies.settings import Architecture, flexible_inputs
from ampc.provenance import save_result
from ampc.tasks import Task
from ampc.tasks.flexible import FlexibleTaskSampler

Seen = TypeVar("Seen")
EXPERT = "NMPC"
LOOP, NETWORK, RATIO = 50.0, 10.0, 25.0
"""Figures for feed-forward policies in C: medians of whole step and network at most, both alone [us], and how
many times longer a step of the NMPC takes at least where they take turns."""


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    policy: Path | None = None
    """Folder of a saved policy; None for random weights."""
    architectures: tuple[Architecture, ...] = ("ffn", "gru", "lstm", "transformer")
    """Networks with random weights."""
    width: int = 128
    """Width of the feed-forward network with random weights."""
    layers: int = 3
    """Its hidden layers."""
    history: int = 10
    """Entries of a Transformer's history."""
    episodes: int = 6
    """Episodes, half of them near the wall."""
    duration: float = 1.5
    """Length of each [s]."""
    seed: int = 1500
    """Seed of their tasks."""
    repeats: int = 3
    """How often they are repeated where policies run alone."""
    output: Path | None = None
    """JSON file to write."""


@dataclass
class Times:
    """Time of each step of one controller [us], the first of an episode apart."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def take(self, act: Callable[[Seen], FloatArray], seen: Seen, is_first: bool) -> FloatArray:
        """Time a call."""
        cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
        torque = act(seen)
        wall, cpu = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
        if is_first:
            self.first.append(wall / 1e3)
        else:
            self.wall.append(wall / 1e3)
            self.cpu.append(cpu / 1e3)
        return torque

    def row(self, period: float) -> dict[str, float]:
        """Percentiles and missed deadlines."""
        wall, cpu, deadline = np.array(self.wall), np.array(self.cpu), 1e6 * period
        p50, p99, largest = np.percentile(wall, [50, 99, 100])
        return {
            "p50_us": float(p50),
            "p99_us": float(p99),
            "max_us": float(largest),
            "misses": int((wall > deadline).sum()),
            "CPU p50_us": float(np.median(cpu)),
            "CPU p99_us": float(np.percentile(cpu, 99)),
            "CPU max_us": float(cpu.max()),
            "CPU misses": int((cpu > deadline).sum()),
            "steps": len(wall),
            "first step p50_us": float(np.median(self.first)),
        }


@dataclass
class Recorded:
    """One episode of the expert: what it saw, what it concluded and did."""

    task: Task
    measurements: list[Measurement] = field(default_factory=list)
    situations: list[Situation] = field(default_factory=list)
    torques: list[FloatArray] = field(default_factory=list)


def save_random_policy(
    setup: FlexibleSetup, settings: Settings, architecture: Architecture, folder: Path
) -> None:
    """Save a policy of the right shape with random weights, and its ONNX file."""
    torch.manual_seed(0)
    model = setup.build_model()
    size = (settings.width, settings.layers) if architecture == "ffn" else (None, None)
    spec = PolicySpec.for_robot(
        model,
        setup.plant.control_period,
        tuple(float(limit) for limit in np.abs(model.torque_limits).max(axis=1)),
        "gravity-compensation",
        flexible_inputs(history=settings.history if architecture == "transformer" else 1),
        NetworkSettings(architecture, *size),
    )
    policy = Policy(spec).eval()
    policy.save(folder)
    export_onnx(policy, folder / "policy.onnx")


def policy_files(setup: FlexibleSetup, settings: Settings, scratch: Path) -> dict[str, Path]:
    """What `load_policy` takes, by name."""
    folders = {"policy": settings.policy} if settings.policy else {}
    if not folders:
        for architecture in settings.architectures:
            folders[architecture] = scratch / architecture
            save_random_policy(setup, settings, architecture, folders[architecture])
    found = {f"{name} c": folder for name, folder in folders.items()}
    found |= {f"{name} onnx": folder / "policy.onnx" for name, folder in folders.items()}
    return {name: path for name, path in found.items() if path.exists()}


def in_turns(
    setup: FlexibleSetup, policies: dict[str, PolicyController], tasks: list[Task], steps: int
) -> tuple[dict[str, Times], list[Recorded]]:
    """Times where all take turns at the same measurements; the first task is run before, uncounted."""
    plant, expert = setup.build()
    everybody: dict[str, Controller] = {EXPERT: expert, **policies}
    for number, task in enumerate([tasks[0], *tasks]):
        if number <= 1:
            times: dict[str, Times] = {name: Times() for name in everybody}
            recordings: list[Recorded] = []
        recorded, order = Recorded(task), list(everybody)
        measurement = plant.reset(task)
        for controller in everybody.values():
            controller.reset(task)
        for k in range(steps):
            torques = {name: times[name].take(everybody[name].act, measurement, k == 0) for name in order}
            order.append(order.pop(0))
            torque = torques[EXPERT]
            for policy in policies.values():
                policy.observe_applied(torque, torque)
            if expert.last_step.situation is not None:
                recorded.situations.append(expert.last_step.situation)
            recorded.measurements.append(measurement)
            recorded.torques.append(torque)
            measurement = plant.step(torque)
        recordings.append(recorded)
    return times, recordings


def alone(policy: PolicyController, recordings: list[Recorded]) -> Times:
    """Times of one policy at recorded measurements, with nobody in between."""
    times = Times()
    for recorded in recordings:
        policy.reset(recorded.task)
        for k, measurement in enumerate(recorded.measurements):
            times.take(policy.act, measurement, k == 0)
            policy.observe_applied(recorded.torques[k], recorded.torques[k])
    return times


def network(path: Path, recordings: list[Recorded]) -> Times:
    """Times from the estimate to the command: features, network, saturation, checks."""
    law, times = load_policy(path), Times()
    for recorded in recordings:
        first = recorded.situations[0]
        law.reset(Reference(first.goal, first.reference))
        for k, situation in enumerate(recorded.situations):
            times.take(law.command, situation.state, k == 0)
    return times


def main(settings: Settings) -> None:
    """Measure, print tables, write JSON."""
    torch.set_num_threads(1)
    setup = FlexibleSetup()
    period = setup.plant.control_period
    sampler, half = FlexibleTaskSampler(setup.build_robot()), settings.episodes // 2
    tasks = [
        *sampler.sample(settings.episodes - half, "random", settings.seed),
        *sampler.sample(half, "near-wall", settings.seed),
    ]
    tasks = [replace(task, variation=PUBLISHED_NOISE) for task in tasks]
    with tempfile.TemporaryDirectory() as scratch:
        files = policy_files(setup, settings, Path(scratch))
        policies: dict[str, PolicyController] = {}
        for name, path in files.items():
            _, controller = replace(setup, kind="policy", policy=path).build()
            assert isinstance(controller, PolicyController)
            policies[name] = controller
        times, recordings = in_turns(setup, policies, tasks, round(settings.duration / period))
        again = recordings * settings.repeats
        tables = {
            "whole step, in turns with the NMPC": times,
            "whole step, policy alone": {name: alone(each, again) for name, each in policies.items()},
            "network from the estimate to the command": {
                name: network(path, again) for name, path in files.items()
            },
        }
    rows = {
        title: {name: each.row(period) for name, each in table.items()} for title, table in tables.items()
    }
    for title, table in rows.items():
        print(f"\n{title}")
        for name, row in table.items():
            print(f"  {name:18}" + "  ".join(f"{key} {value:.6g}" for key, value in row.items()))
    turns, *_ = rows.values()
    ratios = {
        name: {key: turns[EXPERT][key] / turns[name][key] for key in ("p50_us", "CPU p50_us")}
        for name in policies
    }
    for name, found in ratios.items():
        print(
            f"NMPC / {name}, medians of whole steps: {found['CPU p50_us']:.0f} by CPU time,"
            f" {found['p50_us']:.0f} by the clock"
        )
    own, network_rows = (rows[title] for title in list(rows)[1:])
    met = {
        name: {
            f"whole step at most {LOOP:.0f} us": own[name]["p50_us"] <= LOOP,
            f"network at most {NETWORK:.0f} us": network_rows[name]["p50_us"] <= NETWORK,
            f"NMPC at least {RATIO:.0f} times longer": ratios[name]["CPU p50_us"] >= RATIO,
        }
        for name in policies
        if name in ("ffn c", "policy c")
    }
    for name, verdicts in met.items():
        for figure, reached in verdicts.items():
            print(f"{name}: {figure}: {'met' if reached else 'NOT met'}")
    if settings.output is not None:
        save_result(settings.output, {"tables": rows, "ratios": ratios, "met": met})


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
