"""A little closed loop whose law is known, as demonstrations."""

import numpy as np

from ampc.learning.windows import Frames
from ampc.policies.spec import InputSettings, NetworkSettings, PolicySpec

N_JOINTS = 2
PERIOD = 0.05
GAIN = np.array([20.0, 30.0])
DAMPING = np.array([8.0, 9.0])


def linear_columns(
    n_episodes: int, seed: int = 0, shortest: int = 10, longest: int = 30
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Columns of a double integrator under u = -K (q - q_ref) - D dq, with episodes of differing length."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, longest + 1, n_episodes)
    states, references, goals, actions = [], [], [], []
    for length in lengths:
        reference, q, dq = rng.uniform(-1, 1, N_JOINTS), rng.uniform(-1, 1, N_JOINTS), np.zeros(N_JOINTS)
        goal = rng.uniform(-1, 1, 3)
        for _ in range(length):
            action = -GAIN * (q - reference) - DAMPING * dq
            states.append(np.concatenate([q, dq]))
            references.append(reference)
            goals.append(goal)
            actions.append(action)
            q, dq = q + PERIOD * dq, dq + PERIOD * action
    columns = {
        "observation.state": np.array(states),
        "observation.reference": np.array(references),
        "observation.goal": np.array(goals),
        "action": np.array(actions),
    }
    return columns, np.cumsum(lengths) - lengths, lengths


def linear_frames(n_episodes: int, seed: int = 0, shortest: int = 10, longest: int = 30) -> Frames:
    return Frames.from_columns(*linear_columns(n_episodes, seed, shortest, longest))


def small_spec(
    architecture: str = "ffn", history: int = 3, stride: int = 1, width: int = 16, past_commands: bool = False
) -> PolicySpec:
    return PolicySpec(
        robot="line",
        robot_fingerprint="0",
        joint_names=tuple(f"joint{i}" for i in range(N_JOINTS)),
        actuated=tuple(range(N_JOINTS)),
        control_period=PERIOD,
        command_limit=(40.0,) * N_JOINTS,
        inputs=InputSettings(history=history, stride=stride, past_commands=past_commands),
        network=NetworkSettings(architecture, hidden_size=width, layers=1).resolved(),  # type: ignore[arg-type]
    )
