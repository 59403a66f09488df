"""The training loop of all agents: rounds of episodes, between which it can be stopped and gone on with."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from ampc.errors import SettingsError
from ampc.learning.checkpoint import CHECKPOINT_FILE
from ampc.learning.reinforcement import checkpoint
from ampc.learning.reinforcement.agents import Agent, policy_of
from ampc.learning.reinforcement.arms_env import ArmsEnv
from ampc.learning.reinforcement.curve import Curve
from ampc.learning.reinforcement.judge import Judge
from ampc.learning.reinforcement.settings import ExperienceSettings
from ampc.learning.reinforcement.statistics import Normalised, normalise_by
from ampc.learning.training import arithmetic
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec
from ampc.settings import differences

Between = Callable[[], dict[str, float]]
"""What an algorithm does between two rounds, such as to train a discriminator; what it logs."""


class Part(Protocol):
    """Something that is learned beside the agent and belongs into checkpoints."""

    def state(self) -> dict[str, Any]:
        """All of it, as tensors and plain values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""


@dataclass
class Training:
    """An agent in training."""

    agent: Agent
    """The agent; its environment is `env`."""
    env: ArmsEnv
    """What it drives."""
    spec: PolicySpec
    """Of the policy that comes of it."""
    judge: Judge
    """Who measures the policy."""
    settings: ExperienceSettings
    """How long, and how often it is judged and stored."""
    held: int
    """Control steps of an action."""
    between: Between | None = None
    """What is done between rounds besides."""
    parts: dict[str, Part] = field(default_factory=dict)
    """What else is learned, by its name in checkpoints."""
    normalise: bool = True
    """Whether observations are normalised by what was seen so far, and not as the agent began."""
    best: dict[str, Any] = field(default_factory=dict)
    """Reward and weights of the best policy so far, where that is kept."""

    def measure(self) -> dict[str, float]:
        """What the judge says of the policy so far, which may be the best."""
        policy = self.policy()
        found = self.judge.measure(policy)
        if self.settings.keep_best and found["judged reward"] > self.best.get("reward", -np.inf):
            self.best = {"reward": found["judged reward"], "weights": policy.state_dict()}
        return found

    def result(self) -> Policy:
        """The policy to end with."""
        policy = self.policy()
        if self.best:
            policy.load_state_dict(self.best["weights"])
        return policy

    def policy(self) -> Policy:
        """What the agent has learned so far."""
        part = next(part for part in self.agent.policy.modules() if isinstance(part, Normalised))
        mean, deviation = part.mean.double().numpy().copy(), part.deviation.double().numpy().copy()
        with torch.random.fork_rng(devices=[]):  # who is judged more often learns the same
            return policy_of(self.agent, self.spec, mean, deviation)


def train_agent(
    training: Training, folder: Path, identity: dict[str, Any], console: Console | None = None
) -> Policy:
    """Let an agent drive and learn, or go on where an earlier call was stopped.

    A checkpoint is always that of a moment between two rounds, and holds the state of all random numbers, so
    that a training that went on ends with the same bits as one that was never stopped.

    Args:
        training: The agent, freshly made.
        folder: Receives ``checkpoint.pt``, ``training.csv`` and ``tensorboard/``.
        identity: What is being trained, as plain values; a checkpoint with another identity is refused.
        console: Where progress goes; None for standard error.

    Returns:
        The policy after the last round, or the best one, in evaluation mode.

    Raises:
        SettingsError: If the folder holds another training.
        PolicyError: If the checkpoint is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = checkpoint.load(folder)
    if stored is not None and (changes := differences(stored["identity"], identity)):
        raise SettingsError(
            f"{folder} holds another training:\n  "
            + "\n  ".join(changes)
            + f"\nChoose another folder, go back to those settings, or delete its {CHECKPOINT_FILE} to train"
            " from the start"
        )
    agent, env = training.agent, training.env
    agent.set_logger(Logger(folder=None, output_formats=[]))
    in_round = env.num_envs * env.decisions
    goal = -(-training.settings.steps // (training.held * in_round)) * in_round
    with arithmetic(training.settings.threads), Curve(folder, stored, console) as curve:
        if stored is not None:
            env.round = stored["round"] - 1
            agent._last_obs = env.reset()
            agent._last_episode_starts = np.ones(env.num_envs, dtype=np.bool_)
            _restore(training, stored)
            curve.say(f"going on after {stored['agent']['timesteps'] * training.held:,} control steps")
        left = goal - agent.num_timesteps
        if left > 0:
            rounds = _Rounds(training, folder, identity, curve)
            agent.learn(left, rounds, log_interval=None, reset_num_timesteps=stored is None)  # type: ignore[arg-type]
            rounds.finish()
    return training.result()


def _restore(training: Training, stored: dict[str, Any]) -> None:
    for name, part in training.parts.items():
        part.restore(stored["parts"][name])
    training.env.statistics.restore(stored["statistics"])
    training.best = stored["best"]
    checkpoint.restore_agent(training.agent, stored["agent"])


class _Rounds(BaseCallback):
    """What happens between two rounds: normalisation, `Training.between`, judgement, checkpoint."""

    def __init__(self, training: Training, folder: Path, identity: dict[str, Any], curve: Curve) -> None:
        super().__init__()
        self._training, self._folder, self._identity, self._curve = training, folder, identity, curve
        self._saved_at = self._round_began = time.monotonic()
        self._first = training.env.round if training.env.round else 1

    def _on_rollout_start(self) -> None:
        """Called by SAC before every step, by PPO before every rollout."""
        env = self._training.env
        if env.at_start and env.round > self._first:
            self._first = env.round
            self._between_rounds(last=False)
            if time.monotonic() - self._saved_at >= self._training.settings.checkpoint_seconds:
                self._save()

    def _on_step(self) -> bool:
        return True

    def finish(self) -> None:
        """After the last round."""
        self._between_rounds(last=True)
        self._save()

    def _between_rounds(self, last: bool) -> None:
        training = self._training
        env, settings, agent = training.env, training.settings, training.agent
        if training.normalise:
            normalise_by(agent.policy, *env.scale())
        done = env.round - 1
        row = {
            "round": float(done),
            "steps": float(agent.num_timesteps * training.held),
            "reward": env.mean_reward,
            "distance": float(np.median(env.final_distance)),
            "violating": float(np.mean(env.violated)),
        }
        if training.between is not None:
            row |= training.between()
        logged = self.logger.name_to_value
        row |= {name: float(value) for name, value in logged.items() if name.startswith("train/")}
        logged.clear()
        if last or done % settings.evaluate_every == 0:
            row |= training.measure()
        now = time.monotonic()
        row["seconds"], self._round_began = now - self._round_began, now
        self._curve.add(row)

    def _save(self) -> None:
        training = self._training
        self._saved_at = time.monotonic()
        content = {
            "identity": self._identity,
            "round": training.env.round,
            "agent": checkpoint.agent_state(training.agent),
            "statistics": training.env.statistics.state(),
            "parts": {name: copy.deepcopy(part.state()) for name, part in training.parts.items()},
            "best": training.best,
            "history": self._curve.history,
        }
        checkpoint.save(self._folder, content)
        self._curve.save()
