"""Labels around rest on goals, by the derivative of the expert's plan: what to do in the last millimetres.

Sobolev training (Czarnecki et al., arXiv 1706.04859) where it is worth most: an arm spends most of its time
next to its goal, in situations that differ by less than the noise of its sensors, and a small error there is
a steady one. One solution and its derivative stand for all situations near it.
"""

from pathlib import Path

import numpy as np
import torch

from ampc.arrays import FloatArray
from ampc.control.goal_feedback import GoalExpert, GoalFeedback
from ampc.episodes.collection_settings import CollectionSettings
from ampc.episodes.files import write_atomically
from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.recipe import sampler_of, tasks_of_episodes
from ampc.learning.windows import Frames
from ampc.robots import Robot
from ampc.tasks.flexible import FlexibleTaskSettings

FIRST_TASK = 1_000_000
"""Index of the first task whose goal is asked about: none that episodes begin with."""
SAMPLES = 60
"""Situations drawn around each goal."""
SPREAD = (0.05, 1.5)
"""Smallest and largest factor on the deviations below, drawn for each situation, evenly in its logarithm."""
MOTOR_POSITION, PASSIVE_POSITION = 0.02, 0.004
"""Deviation of joint positions with and without a motor [rad]."""
MOTOR_VELOCITY, PASSIVE_VELOCITY = 0.15, 0.15
"""The same of velocities [rad/s]."""


def goal_frames(
    setup: FlexibleSetup,
    tasks: FlexibleTaskSettings,
    collection: CollectionSettings,
    goals: int,
    file: Path,
) -> Frames:
    """Labelled situations around rest on the goals of tasks that no episode has; each is an episode.

    Args:
        setup: The expert.
        tasks: What the tasks look like.
        collection: Seed and regions of the tasks.
        goals: How many goals the expert is asked about.
        file: Keeps what the expert said, an ``.npz``; read where it exists.

    Returns:
        `SAMPLES` situations for each goal.

    Raises:
        AmpcError: If robot, expert and tasks do not fit together.
    """
    model = setup.build_model()
    if not file.exists():
        expert = GoalExpert(model, setup.nmpc, setup.plant.control_period)
        sampler = sampler_of(setup.build_robot(), tasks)
        drawn = tasks_of_episodes(sampler, collection, range(FIRST_TASK, FIRST_TASK + goals))
        _write(file, [expert.feedback(task) for task in drawn])
    with np.load(file) as kept:
        state, reference, goal, gain = (kept[name] for name in ("state", "reference", "goal", "gain"))
    rng = np.random.default_rng([collection.seed, goals])
    deviation = _deviations(rng, len(state) * SAMPLES, model)
    which = np.repeat(np.arange(len(state)), SAMPLES)
    states = state[which]
    states[:, : deviation.shape[1]] += deviation
    commands = np.einsum("kmx,kx->km", gain[which], deviation)
    limits = np.abs(model.torque_limits).max(axis=1)
    single = torch.arange(len(states))

    def tensor(values: FloatArray) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32)

    return Frames(
        states=tensor(states),
        references=tensor(reference[which]),
        goals=tensor(goal[which]),
        past_commands=torch.zeros(commands.shape),
        commands=tensor(np.clip(commands, -limits, limits)),
        labelled=torch.ones(len(states), dtype=torch.bool),
        starts=single,
        lengths=torch.ones_like(single),
    )


def _deviations(rng: np.random.Generator, count: int, robot: Robot) -> FloatArray:
    """Deviations of states from rest (count, 2n)."""
    n = robot.n_joints
    scale = np.repeat([PASSIVE_POSITION, PASSIVE_VELOCITY], n)
    scale[robot.actuated], scale[n + robot.actuated] = MOTOR_POSITION, MOTOR_VELOCITY
    least, most = np.log(SPREAD)
    factor = np.exp(rng.uniform(least, most, (count, 1)))
    return np.asarray(factor * scale * rng.standard_normal((count, 2 * n)))


def _write(file: Path, found: list[GoalFeedback]) -> None:
    arrays = {
        "state": np.array([each.situation.state for each in found]),
        "reference": np.array([each.situation.reference for each in found]),
        "goal": np.array([each.situation.goal for each in found]),
        "gain": np.array([each.gain for each in found]),
    }
    file.parent.mkdir(parents=True, exist_ok=True)

    def save(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]

    write_atomically(file, save)
