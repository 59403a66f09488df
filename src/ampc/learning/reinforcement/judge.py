"""How good a policy is by now: without exploration, on tasks that are always the same."""

from collections.abc import Callable

import numpy as np
import torch

from ampc.environments.loops import ManyLoops
from ampc.learning.reinforcement.arms_env import ArmsEnv, Cost
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec
from ampc.tasks import Task


class Judge:
    """Lets policies drive an episode of every arm."""

    def __init__(
        self,
        loops: ManyLoops,
        spec: PolicySpec,
        tasks: Callable[[range], list[Task]],
        decisions: int,
        held: int = 1,
        cost: Cost | None = None,
    ) -> None:
        """Take the arms, one for each task, length of episodes and of decisions, and what is paid for."""
        self._env, self._decisions = ArmsEnv(loops, spec, tasks, decisions + 1, held, cost=cost), decisions

    def measure(self, policy: Policy) -> dict[str, float]:
        """Final distances [m], mean reward of a decision, share of episodes that enter an obstacle."""
        env = self._env
        env.round = 0
        seen = env.reset()
        policy.eval()
        limit, rewards = policy.command_limit, 0.0
        for _ in range(self._decisions):
            with torch.inference_mode():
                features = (torch.from_numpy(seen) - policy.features.mean) / policy.features.deviation
                commands = policy.saturate(policy.network(features[:, None]) * limit)
            env.step_async((commands / limit).numpy())
            seen, gained, _, _ = env.step_wait()
            rewards += float(gained.mean()) / self._decisions
        return {
            "judged distance": float(np.median(env.distance)),
            "judged mean": float(np.mean(env.distance)),
            "judged reward": rewards,
            "judged violating": float(np.mean(env.entered)),
        }

    def close(self) -> None:
        """Free what the arms hold."""
        self._env.close()
