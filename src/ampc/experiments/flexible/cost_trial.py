"""Loops on tasks, judged by the nonlinear MPC's own cost, as a cell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ampc.arrays import FloatArray
from ampc.environments.expert_cost import ExpertCost
from ampc.environments.loops import Views
from ampc.episodes.episode import Episode
from ampc.errors import DatasetError
from ampc.experiments.cell import Store
from ampc.experiments.flexible.motion import measure_motion
from ampc.experiments.flexible.safety_trial import LoopTrial

ARRIVAL = 1.0
"""Time from which an arm has arrived, or should have [s]."""
FIGURES = ("distance", "violating samples", "fast samples", "fallback steps")
"""What is kept of an episode besides its costs, see `measure_motion`."""


@dataclass(frozen=True)
class CostTrial(LoopTrial):
    """Episodes of one loop; its nonlinear MPC is the one whose cost counts, whoever drives."""

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Run all episodes."""
        setup = self.contestant.closed_loop(store)
        robot = setup.build_robot()
        own = ExpertCost(setup.loop.build_model(), setup.loop.nmpc)
        episodes: list[dict[str, Any]] = []
        for episode, _ in self.drive(setup):
            motion = measure_motion(episode, robot)
            episodes.append({name: motion[name] for name in FIGURES} | costs_of(episode, own))
        return {"episodes": episodes}


def costs_of(episode: Episode, own: ExpertCost) -> dict[str, float]:
    """The expert's cost of an episode: all of it, on the way and there, and what it is made of.

    It is that of what the controller believed in, an estimate by the same filter whoever it was, and of the
    torques that the plant accepted.

    Raises:
        DatasetError: If the controller did not say at every step what it acted on.
    """
    if episode.situations is None:
        raise DatasetError(f"{episode.controller} did not say at every step what it acted on")
    parts = cost_rates(episode, own)
    rates, period = sum(parts.values()), episode.control_period
    there = episode.time[1:] > ARRIVAL
    found = {
        "cost": period * float(np.sum(rates)),
        "cost on the way": period * float(np.sum(rates, where=~there)),
        "cost there": period * float(np.sum(rates, where=there)),
    }
    return found | {f"cost of {name}": period * float(part.sum()) for name, part in parts.items()}


def cost_rates(episode: Episode, own: ExpertCost) -> dict[str, FloatArray]:
    """Costs per second (T - 1,) of the states that the torques of all steps but the last have led to."""
    situations = (episode.situations or ())[1:]
    views = Views(
        np.array([each.state for each in situations]),
        np.array([each.reference for each in situations]),
        np.array([each.goal for each in situations]),
    )
    return own.parts(views, episode.applied_torque[:-1])
