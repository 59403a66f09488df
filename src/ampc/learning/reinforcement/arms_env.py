"""Many arms as stable-baselines3 wants them: a vector of environments that is reset by itself."""

from collections.abc import Callable, Iterable
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from ampc.arrays import BoolArray, FloatArray
from ampc.environments.loops import ManyLoops, Views
from ampc.environments.score import Score, ScoreSettings
from ampc.learning.reinforcement.shaping import Shaping
from ampc.learning.reinforcement.statistics import RunningStatistics
from ampc.policies.features import Features
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec
from ampc.tasks import Task

Rows = NDArray[np.float32]
Reward = Callable[[Rows, Rows], FloatArray]
"""Rewards (B,) of features (B, F) and actions (B, m), in place of the distance."""
Cost = Callable[[Views, FloatArray], FloatArray]
"""Costs (B,) of a control step that led to such views by torques (B, m) [N m], in place of the distance."""


class ArmsEnv(VecEnv):
    """B arms whose observations are the features that a policy computes, before it normalises them.

    An action is the command divided by its limit, held for some control steps; its reward is the mean of
    ``-distance - violation_penalty * violation`` over them [m], or another, and what `Shaping` adds. All
    episodes begin and end together, and never terminate: their ends are truncations, as in
    `ampc.environments`. Together they are a *round*; its number decides the tasks, so that a training can go
    on at the beginning of any round.

    Attributes:
        round: Number of rounds begun.
        at_start: Whether a round has begun, and no step of it been made.
        statistics: Mean and deviation of all observations so far.
        mirror: Signs of observations (F,) and actions (m,) with left and right exchanged; None without that
            symmetry.
        decisions: Length of a round in actions.
        distance: Distances after the last action (B,) [m].
        entered: Whether an obstacle has been entered in this round (B,).
        final_distance: `distance` at the end of the last round.
        violated: `entered` at the end of the last round.
        mean_reward: Mean reward of the last round, without shaping.
    """

    def __init__(
        self,
        loops: ManyLoops,
        spec: PolicySpec,
        tasks: Callable[[range], list[Task]],
        decisions: int,
        held: int = 1,
        score: ScoreSettings | None = None,
        reward: Reward | None = None,
        cost: Cost | None = None,
        shaping: Shaping | None = None,
    ) -> None:
        """Wrap closed loops.

        Args:
            loops: What is driven.
            spec: Of the policies that are learned; says the features and the limits of the commands.
            tasks: Tasks of consecutive episodes.
            decisions: Length of an episode in actions.
            held: Control steps of an action.
            score: What a violation costs.
            reward: What is rewarded, where it is not the distance.
            cost: What is paid for, where it is not the distance.
            shaping: What is rewarded besides, on the way.
        """
        self.render_mode = None
        self.round, self.at_start = 0, False
        self.distance: FloatArray = np.zeros(loops.count)
        self.entered: BoolArray = np.zeros(loops.count, dtype=np.bool_)
        self.final_distance, self.violated = self.distance, self.entered
        self.mean_reward = 0.0
        self._loops, self._tasks, self._reward, self._cost = loops, tasks, reward, cost
        self._shaping, self._potential = shaping, np.zeros(loops.count)
        self.decisions, self._held = decisions, held
        self._score = Score(loops.robot, loops.count, loops.control_period, score or ScoreSettings())
        self._all = np.arange(loops.count)
        self._features = Features(spec)
        self._past = torch.zeros(loops.count, 1, spec.n_actuated)
        self._limit = np.asarray(spec.command_limit)
        self.statistics = RunningStatistics(self._features.size)
        self.mirror: tuple[torch.Tensor, torch.Tensor] | None = None
        if self._features.symmetry is not None:
            self.mirror = self._features.mirror, Policy(spec).command_mirror
        self._seen: Rows = np.zeros((loops.count, self._features.size), np.float32)
        self._actions: Rows = np.zeros((loops.count, spec.n_actuated), np.float32)
        self._goals: FloatArray = np.zeros((loops.count, 3))
        super().__init__(
            loops.count,
            Box(-np.inf, np.inf, (self._features.size,), np.float32),
            Box(-1.0, 1.0, (spec.n_actuated,), np.float32),
        )

    def reset(self) -> Rows:
        """Begin the next round."""
        first = self.round * self.num_envs
        drawn = self._tasks(range(first, first + self.num_envs))
        self.round, self.at_start, self._step = self.round + 1, True, 0
        self._goals[:] = [task.goal for task in drawn]
        views = self._loops.begin(drawn)
        self._look(views)
        if self._shaping is not None:
            self._potential = self._shaping.potential(views)
        self._score.begin(self._all, drawn, self._loops.motion())
        self._total, self.entered = 0.0, np.zeros(self.num_envs, dtype=np.bool_)
        return self._seen.copy()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the next actions (B, m)."""
        self._actions = np.asarray(actions, np.float32)

    def step_wait(self) -> tuple[Rows, NDArray[np.float32], BoolArray, list[dict[str, Any]]]:
        """Let them act; where that ends the round, begin the next one."""
        before, self.at_start = self._seen.copy(), False
        rewards: FloatArray = np.zeros(self.num_envs)
        commands = self._actions * self._limit
        for _ in range(self._held):
            views = self._loops.step(commands)
            motion = self._loops.motion()
            gained, info = self._score.step(self._all, self._goals, motion)
            if self._cost is not None:
                gained = gained + info["distance"] - self._cost(views, motion.applied_torque)
            rewards += gained / self._held
            self.entered |= info["violation"]
            self.distance = info["distance"]
        self._look(views)
        if self._reward is not None:
            rewards = self._reward(before, self._actions)
        self._total += float(rewards.mean()) / self.decisions
        if self._shaping is not None:
            before_it, self._potential = self._potential, self._shaping.potential(views)
            rewards += self._shaping.gained(before_it, self._potential)
        self._step += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ends = self._step == self.decisions
        seen = self._seen
        if ends:
            self.final_distance, self.violated = self.distance, self.entered
            self.mean_reward = self._total
            infos = [{"terminal_observation": row, "TimeLimit.truncated": True} for row in seen.copy()]
            seen = self.reset()
        return seen.copy(), rewards.astype(np.float32), np.full(self.num_envs, ends), infos

    def scale(self) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation (F,) that observations are to be normalised by."""
        return self.statistics.scale(self._features.symmetry)

    def close(self) -> None:
        """Free what the arms hold."""
        self._loops.close()

    def _look(self, views: Views) -> None:
        self._seen = features_of(self._features, views, self._past)
        self.statistics.add(self._seen)

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """One attribute for every arm; they are all the same."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        """Set an attribute of all arms."""
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: int | Iterable[int] | None = None, **kwargs: Any
    ) -> list[Any]:
        """Refused: there are no environments of single arms."""
        raise NotImplementedError(f"there is no environment of a single arm to call {method_name!r} of")

    def env_is_wrapped(
        self,
        wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]],
        indices: int | Iterable[int] | None = None,
    ) -> list[bool]:
        """Nothing is wrapped."""
        return [False] * self.num_envs


def features_of(features: Features, views: Views, past: torch.Tensor) -> Rows:
    """Features (B, F), not normalised, of views of B arms."""
    states, references, goals = (
        torch.from_numpy(np.asarray(each, np.float32))
        for each in (views.states, views.references, views.goals)
    )
    with torch.no_grad():
        found = features.raw(states[:, None], references, goals, past)
    return np.asarray(found[:, 0].numpy())
