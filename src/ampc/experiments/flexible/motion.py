"""What one episode of an arm with flexible links is worth: distances, obstacles, speed limits, effort.

Everything is judged on the true state of the plant, at all T + 1 samples.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.plane import PlanarStatics
from ampc.episodes.episode import Episode
from ampc.evaluation.metrics import error_samples, sample_times, tail_start, total_variation
from ampc.robots import Robot
from ampc.tasks.obstacles import among

RADII = {"5 cm": 0.05, "1 cm": 0.01}
"""Balls around the goal: the paper's metrics t and d are those of the larger one."""
TOUCH = 1e-9
"""Depth inside an obstacle that counts as rounding [m]."""
SPEED_RULE = 1.02
"""A joint is too fast where it exceeds its limit by more than 2 %."""


@dataclass(frozen=True)
class MotionTraces:
    """An episode over time, at the T + 1 samples or in the T steps."""

    error: FloatArray
    """Distance of the end effector from the goal (T + 1,) [m]."""
    speed: FloatArray
    """Speeds of the joints with motors, as shares of their limits (T + 1, m)."""
    torque: FloatArray
    """Torques as shares of their limits (T, m)."""


def traces(episode: Episode, robot: Robot) -> MotionTraces:
    """Error, speeds and torques of an episode over time."""
    motors = robot.actuated
    speed = np.abs(np.vstack((episode.dq, episode.final_dq))[:, motors]) / robot.velocity_limits[motors]
    torque = np.abs(episode.applied_torque) / np.abs(robot.torque_limits).min(axis=1)
    return MotionTraces(error_samples(episode), speed, torque)


def measure_motion(episode: Episode, robot: Robot) -> dict[str, Any]:
    """Figures of an episode as plain numbers.

    ``distance 1.5 s`` and ``distance 3 s`` [m] (None where the episode is shorter); ``settled``: within 1 cm
    throughout the last 0.3 s; ``t R`` [s] from which the end effector stays within R of the goal and ``d R``
    [m], the length of its path until then (None if it never does); violating samples and largest depth [m] of
    each point and obstacle; samples in which a joint is more than 2 % too fast and the largest speed as a
    share of its limit; total variation of torque [N m]; share of steps with a torque at its limit.
    """
    time, error = sample_times(episode), error_samples(episode)
    path = np.vstack((episode.end_effector, episode.final_end_effector))
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    found: dict[str, Any] = {"region": episode.task.region, "index": episode.task.index}
    for at in (1.5, 3.0):
        sample = int(np.searchsorted(time, at - 1e-9))
        found[f"distance {at:g} s"] = float(error[sample]) if sample < len(time) else None
    found["distance"] = float(error[-1])
    if time[-1] > 0.3:
        found["settled"] = bool((error[tail_start(time, 0.3) :] < RADII["1 cm"]).all())
    for name, radius in RADII.items():
        outside = np.flatnonzero(error > radius)
        first = int(outside[-1]) + 1 if len(outside) else 0
        reached = first < len(time)
        found[f"t {name}"] = float(time[first]) if reached else None
        found[f"d {name}"] = float(lengths[first]) if reached else None
    found |= _violations(episode, robot)
    motion = traces(episode, robot)
    found["fast samples"] = int((motion.speed > SPEED_RULE).any(axis=1).sum())
    found["largest speed"] = float(motion.speed.max())
    found["torque variation"] = total_variation(episode.applied_torque)
    found["torque at limit"] = float((motion.torque >= 1.0 - 1e-9).any(axis=1).mean())
    reasons = [reason for _, reason in episode.fallbacks]
    found["fallback steps"] = len({row for row, _ in episode.fallbacks})
    found["first fallback"] = reasons[0] if reasons else ""
    return found


def _violations(episode: Episode, robot: Robot) -> dict[str, Any]:
    plane = PlanarStatics(YawChain.from_robot(robot).parameters)
    q = np.vstack((episode.q, episode.final_q))
    points = plane.positions(q[:, 0], plane.angles(q[:, 1:]))
    violating = np.zeros(len(q), dtype=bool)
    found: dict[str, Any] = {}
    for obstacle in among(robot, episode.task).obstacles:
        depth = -obstacle.distance(points)
        for point, name in enumerate(robot.obstacle_points):
            inside = depth[:, point] > TOUCH
            found[f"{name} in {obstacle.name}"] = int(inside.sum())
            found[f"{name} in {obstacle.name}, depth"] = float(max(depth[:, point].max(), 0.0))
            violating |= inside
    depths = [value for key, value in found.items() if key.endswith("depth")]
    return found | {"violating samples": int(violating.sum()), "depth": max(depths, default=0.0)}
