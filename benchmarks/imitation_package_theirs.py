"""GAIL, AIRL and density of the package `imitation`, for `imitation_package.py` to compare with.

It runs in an environment of its own, since the package pins Gymnasium 0.29 and stable-baselines3 2.2::

    python3.11 -m venv ENV
    ENV/bin/pip install "torch==2.13.0" "numpy<2" gymnasium==0.29.1 pandas matplotlib rich tqdm scikit-learn \
        tensorboard tyro
    ENV/bin/pip install --no-deps stable-baselines3==2.2.1 imitation==1.0.1
    ENV/bin/python benchmarks/imitation_package_theirs.py

The second line without dependencies: the package's are for its scripts, which are not needed. Demonstrations
come from `imitation_package.py`, which runs before, and gathers the figures when it runs again.
"""

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tyro
from imitation.algorithms.adversarial.airl import AIRL  # type: ignore[import-not-found]
from imitation.algorithms.adversarial.gail import GAIL  # type: ignore[import-not-found]
from imitation.algorithms.density import DensityAlgorithm  # type: ignore[import-not-found]
from imitation.data.types import TrajectoryWithRew  # type: ignore[import-not-found]
from imitation.policies.replay_buffer_wrapper import (  # type: ignore[import-not-found]
    ReplayBufferRewardWrapper,
)
from imitation.rewards.reward_nets import (  # type: ignore[import-not-found]
    BasicRewardNet,
    BasicShapedRewardNet,
)
from imitation.util.logger import HierarchicalLogger  # type: ignore[import-not-found]
from imitation.util.networks import RunningNorm  # type: ignore[import-not-found]
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from imitation_package_task import (
    DISCRIMINATOR_BATCH,
    DISCRIMINATOR_STEP,
    DISCRIMINATOR_WIDTH,
    EPISODE,
    GAMMA,
    Budget,
    Demonstrated,
    Floats,
    Options,
    Record,
    make_agent,
    make_env,
    missing,
)

PACKAGE = "package"
RELABELLED = "package, rewards relabelled"
"""With the package's own memory that asks for the reward anew, which its GAIL and AIRL do not use."""
TRAININGS = (
    f"SAC on the true reward, {PACKAGE}",
    f"GAIL, {PACKAGE}",
    f"AIRL, {PACKAGE}",
    f"density, {PACKAGE}",
    f"GAIL, {RELABELLED}",
    f"AIRL, {RELABELLED}",
)


def main(options: Options) -> None:
    """Train what has no record yet."""
    shown, budget = Demonstrated.load(options.folder), Budget()
    difference = shown.replayed()
    print(f"demonstrations done again here: largest difference {difference:.1e}")
    if difference > 1e-4:
        raise SystemExit("the task here is not the one of the demonstrations")
    for name, seed in missing(TRAININGS, options, budget):
        kind = name.split(",")[0]
        record = Record(name, seed, budget, shown)
        if kind == "density":
            train_density(record, shown)
        elif kind in ("GAIL", "AIRL"):
            train_adversarial(record, shown, kind, relabelled=name.endswith(RELABELLED))
        else:
            train_true(record)
        record.save(options.folder)


def train_adversarial(record: Record, shown: Demonstrated, kind: str, relabelled: bool) -> None:
    """GAIL or AIRL, as the package trains them."""
    venv = DummyVecEnv([make_env])
    spaces = (venv.observation_space, venv.action_space)
    width, options = (DISCRIMINATOR_WIDTH,) * 2, {"normalize_input_layer": RunningNorm}
    net = (
        BasicRewardNet(*spaces, hid_sizes=width, **options)
        if kind == "GAIL"
        else BasicShapedRewardNet(
            *spaces, reward_hid_sizes=width, potential_hid_sizes=width, discount_factor=GAMMA, **options
        )
    )

    def reward(state: Floats, action: Floats, next_state: Floats, done: Floats) -> Any:
        return trainer.reward_train.predict_processed(state, action, next_state, done.reshape(-1))

    agent = (
        make_agent(
            venv,
            record.seed,
            ReplayBufferRewardWrapper,
            {"replay_buffer_class": ReplayBuffer, "reward_fn": reward},
        )
        if relabelled
        else make_agent(venv, record.seed)
    )
    trainer = {"GAIL": GAIL, "AIRL": AIRL}[kind](
        demonstrations=_trajectories(shown),
        demo_batch_size=DISCRIMINATOR_BATCH,
        venv=venv,
        gen_algo=agent,
        reward_net=net,
        n_disc_updates_per_round=record.budget.updates,
        disc_opt_kwargs={"lr": DISCRIMINATOR_STEP},
        gen_train_timesteps=EPISODE,
        custom_logger=_quiet(),
    )

    def reward_of(features: Floats, actions: Floats, following: Floats) -> Any:
        return reward(features, actions, following, np.zeros(len(features), np.float32))

    def after(finished: int) -> None:
        said = trainer.logger.default_logger.name_to_value
        logged = {
            f"{who} seen as {who}": float(said[f"mean/disc/disc_acc_{theirs}"])
            for who, theirs in (("expert", "expert"), ("agent", "gen"))
        }
        record.after_round(finished + 1, agent, reward_of, logged)

    trainer.train(record.budget.steps, after)


def train_density(record: Record, shown: Demonstrated) -> None:
    """The package's kernel estimate, with its defaults."""
    agent = make_agent(DummyVecEnv([make_env]), record.seed)
    trainer = DensityAlgorithm(
        demonstrations=_trajectories(shown),
        venv=DummyVecEnv([make_env]),
        rng=np.random.default_rng(record.seed),
        rl_algo=agent,
        custom_logger=_quiet(),
    )
    trainer.train()

    def reward_of(features: Floats, actions: Floats, following: Floats) -> Any:
        return trainer(features, actions, following, np.zeros(len(features)))

    _rounds(record, lambda: trainer.train_policy(EPISODE), agent, reward_of)


def train_true(record: Record) -> None:
    """The agent on the task's own reward."""
    agent = make_agent(DummyVecEnv([make_env]), record.seed)
    _rounds(record, lambda: agent.learn(EPISODE, reset_num_timesteps=False), agent, None)


def _rounds(record: Record, drive: Callable[[], Any], agent: Any, reward_of: Any) -> None:
    for done in range(1, record.budget.steps // EPISODE + 1):
        drive()
        record.after_round(done, agent, reward_of)


def _quiet() -> Any:
    return HierarchicalLogger(Logger(folder=tempfile.mkdtemp(), output_formats=[]), [])


def _trajectories(shown: Demonstrated) -> list[Any]:
    """Episodes as the package has them; like its own, they count as terminated at their end."""
    found = []
    for first in range(0, len(shown.actions), EPISODE):
        rows = slice(first, first + EPISODE)
        seen = np.concatenate([shown.features[rows], shown.following[first + EPISODE - 1][None]])
        found.append(TrajectoryWithRew(seen, shown.actions[rows], None, True, np.zeros(EPISODE)))
    return found


if __name__ == "__main__":
    main(tyro.cli(Options))
