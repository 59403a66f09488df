"""What both halves of the comparison with the package `imitation` share: task, agent, measurement, records.

Both environments run it, the package's with an older Gymnasium and stable-baselines3: nothing of `ampc` here.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer

EPISODE = 200
"""Steps of an episode of Pendulum-v1, which is a round."""
FIRST_START = 9_000
"""Seed of the first start that policies are judged from; the next ones follow."""
DISCRIMINATOR_STEP, DISCRIMINATOR_BATCH, DISCRIMINATOR_WIDTH = 3e-4, 256, 64
"""Of both sides' discriminators: Adam's step size, the expert's steps of an update, width of two layers."""
GAMMA = 0.98

Floats = NDArray[np.float32]
RewardOf = Callable[[Floats, Floats, Floats], NDArray[Any]]
"""Learned rewards (B,) of features (B, 3), actions (B, 1), following features (B, 3)."""


@dataclass(frozen=True)
class Budget:
    """How much every training has, on both sides."""

    steps: int = 8_000
    """Steps of the pendulum; an episode is a round."""
    updates: int = 50
    """Updates of the discriminator after every round."""
    judged: int = 5
    """Evaluations along the training, the last one at its end."""
    episodes: int = 20
    """Episodes of an evaluation, the same starts in every one."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    folder: Path = Path("runs/imitation_package")
    """Holds the demonstrations and a record of each training; what is there already is not run again."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Seeds of the trainings."""
    only: tuple[str, ...] = ()
    """Trainings to run, such as ``"GAIL, package"``; none for all."""


@dataclass(frozen=True)
class Demonstrated:
    """N steps of the expert, whole episodes one after the other."""

    features: Floats
    """Cosine, sine and speed [rad/s] of the pendulum (N, 3)."""
    actions: Floats
    """Torque, as part of its limit (N, 1)."""
    following: Floats
    """Features after the step (N, 3)."""
    seeds: NDArray[np.int64]
    """Of the episodes' starts."""
    judged: NDArray[np.float64]
    """Returns of the expert where policies are judged."""

    @classmethod
    def load(cls, folder: Path) -> "Demonstrated":
        """Those of a folder."""
        with np.load(folder / "demonstrations.npz") as stored:
            return cls(**{name: stored[name] for name in stored.files})

    def save(self, folder: Path) -> None:
        """Write them down."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "demonstrations.npz", **vars(self))

    def replayed(self) -> float:
        """Largest difference of a feature when every step is done again here: the two tasks are one."""
        env, worst = make_env(), 0.0
        pendulum: Any = env.unwrapped
        for row, (cosine, sine, speed) in enumerate(self.features):
            if row % EPISODE == 0:
                begun = env.reset(seed=int(self.seeds[row // EPISODE]))[0]
                worst = max(worst, float(np.abs(begun - self.features[row]).max()))
            pendulum.state = np.array([np.arctan2(sine, cosine), speed], np.float64)
            found = pendulum.step(pendulum.max_torque * self.actions[row])[0]
            worst = max(worst, float(np.abs(found - self.following[row]).max()))
        return worst


def make_env() -> gymnasium.Env[Any, Any]:
    """The task: Pendulum-v1 with actions in [-1, 1]."""
    return gymnasium.wrappers.RescaleAction(gymnasium.make("Pendulum-v1"), np.float32(-1), np.float32(1))


def make_agent(
    env: Any,
    seed: int,
    memory: type[ReplayBuffer] = ReplayBuffer,
    memory_options: dict[str, Any] | None = None,
) -> SAC:
    """The same soft actor-critic for all trainings."""
    return SAC(
        "MlpPolicy",
        env,
        learning_rate=1e-3,
        buffer_size=50_000,
        learning_starts=400,
        batch_size=128,
        tau=0.005,
        gamma=GAMMA,
        train_freq=2,
        gradient_steps=1,
        ent_coef="auto_0.1",
        replay_buffer_class=memory,
        replay_buffer_kwargs=memory_options,
        policy_kwargs={"net_arch": [64, 64], "optimizer_kwargs": {"fused": True}},
        seed=seed,
        device="cpu",
    )


def judge(act: Callable[[Floats], Floats], episodes: int) -> list[float]:
    """Returns of episodes from common starts; ``act`` maps features (B, 3) to actions (B, 1)."""
    envs = [make_env() for _ in range(episodes)]
    seen = np.stack([env.reset(seed=FIRST_START + i)[0] for i, env in enumerate(envs)])
    returns = np.zeros(episodes)
    for _ in range(EPISODE):
        stepped = [env.step(action) for env, action in zip(envs, act(seen), strict=True)]
        seen = np.stack([step[0] for step in stepped])
        returns += [float(step[1]) for step in stepped]
    return [float(value) for value in returns]


def without_exploration(agent: SAC) -> Callable[[Floats], Floats]:
    """What an agent does, without its exploration."""
    return lambda features: np.asarray(agent.predict(features, deterministic=True)[0])


class Record:
    """One training's figures, written down at its end."""

    def __init__(self, name: str, seed: int, budget: Budget, demonstrated: Demonstrated) -> None:
        """Begin the clock."""
        self.name, self.seed, self.budget = name, seed, budget
        self._demonstrated, self._points, self._began = (
            demonstrated,
            list[dict[str, Any]](),
            time.process_time(),
        )
        self._every = budget.steps // EPISODE // budget.judged

    def after_round(
        self, done: int, agent: SAC, reward_of: RewardOf | None, logged: dict[str, float] | None = None
    ) -> None:
        """Judge the agent, if it is time for it, after so many rounds.

        Args:
            done: Rounds so far.
            agent: The agent.
            reward_of: The learned reward, where there is one.
            logged: What else there is to say of this round.
        """
        if done % self._every:
            return
        returns = judge(without_exploration(agent), self.budget.episodes)
        assert agent.log_ent_coef is not None
        point: dict[str, Any] = {
            "steps": done * EPISODE,
            "return": float(np.mean(returns)),
            "returns": returns,
        }
        point["entropy weight"] = float(agent.log_ent_coef.detach().exp())
        point |= logged or {}
        if reward_of is not None:
            shown, memory = self._demonstrated, agent.replay_buffer
            assert memory is not None
            last = getattr(memory, "replay_buffer", memory)  # the package's is a shell around another one
            rows = np.arange(last.pos - EPISODE, last.pos)
            of_agent = (last.observations[rows, 0], last.actions[rows, 0], last.next_observations[rows, 0])
            of_expert = (shown.features, shown.actions, shown.following)
            for who, steps in (("expert", of_expert), ("agent", of_agent)):
                point[f"reward of the {who}, quartiles"] = [
                    float(value) for value in np.percentile(reward_of(*steps), [25, 50, 75])
                ]
        self._points.append(point)

    def save(self, folder: Path) -> None:
        """Write it down."""
        names = ("gymnasium", "numpy", "stable-baselines3", "torch")
        content = {
            "training": self.name,
            "seed": self.seed,
            "budget": asdict(self.budget),
            "processor seconds": time.process_time() - self._began,
            "versions": {name: version(name) for name in names},
            "points": self._points,
        }
        path = record_path(folder, self.name, self.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
        print(path.stem, [round(point["return"]) for point in self._points], flush=True)


def record_path(folder: Path, name: str, seed: int) -> Path:
    """Where the record of a training lies."""
    return folder / "records" / f"{name}, seed {seed}.json"


def missing(names: tuple[str, ...], options: Options, budget: Budget) -> Iterator[tuple[str, int]]:
    """The trainings, with their seeds, that are to be run and have no record yet.

    Raises:
        SystemExit: If a record is of another budget.
    """
    for seed in options.seeds:
        for name in names:
            if options.only and name not in options.only:
                continue
            path = record_path(options.folder, name, seed)
            if not path.exists():
                torch.manual_seed(seed)
                np.random.seed(seed)  # noqa: NPY002 - stable-baselines3's memories draw from it
                yield name, seed
            elif json.loads(path.read_text())["budget"] != asdict(budget):
                raise SystemExit(f"{path} is of another budget; choose another folder")
