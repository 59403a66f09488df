"""Whole trainings by our GAIL, AIRL and density beside those by the package `imitation`, on Pendulum-v1.

Both sides have the same demonstrations (ten episodes of an agent of SAC), the same SAC, as many steps, and
the same discriminators as far as their interfaces allow; policies are judged without exploration, from common
starts. Ours are trained as they are by default, and in the package's manner: what differs on purpose is gone,
but for rewards that are those of now. The package is in an environment of its own, so that there are three
commands; the last one finds all records and gathers them::

    OMP_NUM_THREADS=1 python benchmarks/imitation_package.py
    OMP_NUM_THREADS=1 ENV/bin/python benchmarks/imitation_package_theirs.py
    OMP_NUM_THREADS=1 python benchmarks/imitation_package.py --output results/imitation_package.json
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from stable_baselines3 import SAC
from torch import Tensor, nn

from ampc.learning.reinforcement.adversarial import log_probability
from ampc.learning.reinforcement.demonstrations import Demonstrations
from ampc.learning.reinforcement.density import DensityReward, DensitySettings
from ampc.learning.reinforcement.discriminator import (
    AirlDiscriminator,
    Discriminator,
    DiscriminatorTrainer,
    GailDiscriminator,
    Steps,
)
from ampc.learning.reinforcement.discriminator_settings import DiscriminatorSettings
from ampc.learning.reinforcement.rewarded_memory import RewardedBuffer
from ampc.provenance import save_result
from imitation_package_task import (
    DISCRIMINATOR_BATCH,
    DISCRIMINATOR_STEP,
    DISCRIMINATOR_WIDTH,
    EPISODE,
    GAMMA,
    Budget,
    Demonstrated,
    Floats,
    Record,
    judge,
    make_agent,
    make_env,
    missing,
    without_exploration,
)
from imitation_package_task import Options as Common

OURS, ALIKE = "ours", "ours in the package's manner"
TRAININGS = (
    f"SAC on the true reward, {OURS}",
    *(f"{kind}, {manner}" for manner in (OURS, ALIKE) for kind in ("GAIL", "AIRL", "density")),
)
EXPERT_STEPS, EXPERT_SEED, DEMONSTRATED_SEEDS = 20_000, 0, range(100, 110)


@dataclass(frozen=True)
class Options(Common):
    """What to run, and where figures go."""

    output: Path | None = None
    """JSON file for what all records say together."""


def main(options: Options) -> None:
    """Train what has no record yet, print the table and, if asked, write it down."""
    budget = Budget()
    if not (options.folder / "demonstrations.npz").exists():
        demonstrate().save(options.folder)
    shown = Demonstrated.load(options.folder)
    for name, seed in missing(TRAININGS, options, budget):
        kind, manner = name.split(", ")
        record = Record(name, seed, budget, shown)
        if kind == "density":
            train_density(record, shown, alike=manner == ALIKE)
        elif kind in ("GAIL", "AIRL"):
            train_adversarial(record, shown, kind, alike=manner == ALIKE)
        else:
            train_true(record)
        record.save(options.folder)
    gather(options, shown, budget)


def demonstrate() -> Demonstrated:
    """Whole episodes of an agent that has learned from the true reward, without its exploration."""
    expert = make_agent(make_env(), EXPERT_SEED)
    expert.learn(EXPERT_STEPS)
    act, env, steps = without_exploration(expert), make_env(), list[tuple[Floats, Floats, Floats]]()
    for seed in DEMONSTRATED_SEEDS:
        seen, _ = env.reset(seed=seed)
        for _ in range(EPISODE):
            action = act(seen[None])[0]
            following = env.step(action)[0]
            steps.append((seen, action, following))
            seen = following
    features, actions, following = (np.stack(part) for part in zip(*steps, strict=True))
    judged = np.array(judge(act, Budget().episodes))
    return Demonstrated(features, actions, following, np.array(DEMONSTRATED_SEEDS), judged)


class Rewarded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The task with a reward of features (B, 3) and actions (B, 1) instead of its own."""

    def __init__(self, reward: Callable[[Floats, Floats], Any]) -> None:
        """Take the reward."""
        super().__init__(make_env())
        self._reward, self._seen = reward, np.zeros(3, np.float32)

    def reset(self, **options: Any) -> Any:
        """Begin an episode."""
        found = self.env.reset(**options)
        self._seen = found[0]
        return found

    def step(self, action: Floats) -> Any:
        """Take a step."""
        before = self._seen
        self._seen, _, *rest = self.env.step(action)
        return self._seen, float(self._reward(before[None], action[None])[0]), *rest


class PackagesGail(GailDiscriminator):
    """Rewarded by ``-log(1 - D)``."""

    def reward(self, steps: Steps) -> Tensor:
        """Reward (B,)."""
        return nn.functional.softplus(super().reward(steps))


class PackagesAirl(AirlDiscriminator):
    """Without a bound on log pi."""

    def logit(self, steps: Steps, log_probability: Tensor) -> Tensor:
        """Logit (B,)."""
        return self.reward(steps) - log_probability


def train_adversarial(record: Record, shown: Demonstrated, kind: str, alike: bool) -> None:
    """GAIL or AIRL of our modules, joined as `ampc.learning.reinforcement.adversarial` joins them."""
    expert = Steps(*map(torch.from_numpy, (shown.features, shown.actions, shown.following)))
    own = DiscriminatorSettings(
        hidden_size=DISCRIMINATOR_WIDTH,
        learning_rate=DISCRIMINATOR_STEP,
        batch_size=DISCRIMINATOR_BATCH,
        updates=record.budget.updates,
    )
    if alike:
        own = replace(own, recent=1, gradient_penalty=0.0, noise=0.0, reward_scale=1.0)
    mean, deviation = _scale(shown)
    discriminator: Discriminator
    if kind == "GAIL":
        make = PackagesGail if alike else GailDiscriminator
        discriminator = make(mean, deviation, 1, own.hidden_size)
    else:
        made = PackagesAirl if alike else AirlDiscriminator
        discriminator = made(mean, deviation, 1, own.hidden_size, GAMMA)
    trainer = DiscriminatorTrainer(discriminator, own)
    agent = make_agent(Rewarded(lambda features, actions: np.zeros(1)), record.seed, RewardedBuffer)
    buffer = agent.replay_buffer
    assert isinstance(buffer, RewardedBuffer)
    buffer.reward_of = lambda steps: own.reward_scale * discriminator.reward(steps)

    def reward_of(*steps: Floats) -> Any:
        with torch.no_grad():
            return buffer.reward_of(Steps(*map(torch.from_numpy, steps))).numpy()

    def update() -> dict[str, float]:
        chosen = torch.randint(len(expert.features), (own.batch_size,))
        recent = buffer.recent(own.batch_size, own.recent * EPISODE)
        batch = Steps(*(part[chosen] for part in expert))
        return trainer.update(batch, recent, lambda steps: log_probability(agent, steps))

    def between() -> dict[str, float]:
        logged = [update() for _ in range(own.updates)]
        names = ("expert seen as expert", "agent seen as agent")
        return {name: float(np.mean([each[name] for each in logged])) for name in names}

    _rounds(record, agent, reward_of, between)


def train_density(record: Record, shown: Demonstrated, alike: bool) -> None:
    """SAC on our kernel estimate; in the package's manner on its plain logarithm."""
    features, actions, following = map(torch.from_numpy, (shown.features, shown.actions, shown.following))
    demonstrations = Demonstrations(features, actions, following, _scale(shown))
    estimate = DensityReward(demonstrations, DensitySettings())
    reward = estimate.log_density if alike else estimate
    agent = make_agent(Rewarded(reward), record.seed)
    _rounds(record, agent, lambda features, actions, following: reward(features, actions), dict)


def train_true(record: Record) -> None:
    """The agent on the task's own reward."""
    _rounds(record, make_agent(make_env(), record.seed), None, dict)


def _rounds(record: Record, agent: SAC, reward_of: Any, between: Callable[[], dict[str, float]]) -> None:
    for done in range(1, record.budget.steps // EPISODE + 1):
        agent.learn(EPISODE, reset_num_timesteps=False)
        record.after_round(done, agent, reward_of, between())


def _scale(shown: Demonstrated) -> tuple[Any, Any]:
    return shown.features.mean(0, dtype=np.float64), shown.features.std(0, dtype=np.float64)


def gather(options: Options, shown: Demonstrated, budget: Budget) -> None:
    """Print all records as a table of medians and ranges over seeds, and save them."""
    rng = np.random.default_rng(0)
    chance = judge(lambda seen: rng.uniform(-1, 1, (len(seen), 1)).astype(np.float32), budget.episodes)
    found = [json.loads(path.read_text()) for path in sorted((options.folder / "records").glob("*.json"))]
    rows = [_summary([record for record in found if record["training"] == name]) for name in _names(found)]
    expert, by_chance = float(shown.judged.mean()), float(np.mean(chance))
    table = Table(title=f"Mean return; expert {expert:.0f}, at random {by_chance:.0f}")
    table.add_column("training")
    for heading in ("seeds", *map(str, rows[0]["steps"]), "range at the end"):
        table.add_column(heading, justify="right")
    for row in rows:
        medians, last = [f"{value:.0f}" for value in row["median"]], [curve[-1] for curve in row["returns"]]
        ends = f"{min(last):.0f} to {max(last):.0f}"
        table.add_row(row["training"], str(len(last)), *medians, ends)
    Console(width=120).print(table)
    if options.output is not None:
        content = {
            "task": "Pendulum-v1, actions in [-1, 1]",
            "demonstrated steps": len(shown.actions),
            "return of the expert": expert,
            "return at random": by_chance,
            "budget": asdict(budget),
            "versions": {record["training"].split(", ")[1]: record["versions"] for record in found},
            "trainings": rows,
        }
        save_result(options.output, content)


def _names(found: list[dict[str, Any]]) -> list[str]:
    return sorted({record["training"] for record in found})


def _summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """One training of several seeds: its curves, and what else there was to see at the end."""
    curves = [[round(point["return"], 1) for point in record["points"]] for record in records]
    others = [name for name in records[0]["points"][-1] if name not in ("steps", "return", "returns")]
    return {
        "training": records[0]["training"],
        "seeds": [record["seed"] for record in records],
        "steps": [point["steps"] for point in records[0]["points"]],
        "median": np.median(curves, axis=0).tolist(),
        "returns": curves,
        "at the end": {name: [_short(record["points"][-1][name]) for record in records] for name in others},
        "processor seconds": [round(record["processor seconds"]) for record in records],
    }


def _short(value: Any) -> Any:
    return [_short(each) for each in value] if isinstance(value, list) else float(f"{value:.3g}")


if __name__ == "__main__":
    main(tyro.cli(Options))
