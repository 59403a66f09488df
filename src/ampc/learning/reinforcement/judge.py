"""How good a policy is by now: without exploration, at its own rate, on tasks that are always the same."""

from collections.abc import Callable

import numpy as np
import torch

from ampc.environments.loops import ManyLoops
from ampc.learning.reinforcement.arms_env import ArmsEnv
from ampc.policies.policy import Policy
from ampc.policies.spec import PolicySpec
from ampc.tasks import Task


class Judge:
    """Lets policies drive an episode of every arm, deciding at every control step."""

    def __init__(
        self, loops: ManyLoops, spec: PolicySpec, tasks: Callable[[range], list[Task]], steps: int
    ) -> None:
        """Take the arms, one for each task, and the length of the episodes in control steps."""
        self._env, self._steps = ArmsEnv(loops, spec, tasks, steps + 1), steps

    def measure(self, policy: Policy) -> dict[str, float]:
        """Median and mean of the final distances [m], and the share of episodes that enter an obstacle."""
        env = self._env
        env.round = 0
        seen = env.reset()
        policy.eval()
        limit = policy.command_limit
        for _ in range(self._steps):
            with torch.inference_mode():
                features = (torch.from_numpy(seen) - policy.features.mean) / policy.features.deviation
                commands = policy.saturate(policy.network(features[:, None]) * limit)
            env.step_async((commands / limit).numpy())
            seen = env.step_wait()[0]
        return {
            "judged distance": float(np.median(env.distance)),
            "judged mean": float(np.mean(env.distance)),
            "judged violating": float(np.mean(env.entered)),
        }

    def close(self) -> None:
        """Free what the arms hold."""
        self._env.close()
