"""The vector form of ``ampc/FlexibleArm-v0``: many arms stepped at once on all cores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ampc.arrays import BoolArray, FloatArray, IntArray
from ampc.environments.flexible_arm import EPISODE_STEPS, PUBLISHED_TASKS, torque_of
from ampc.environments.observation import Observation
from ampc.environments.reaching import LARGEST_TASK_SEED, Action
from ampc.environments.score import Info, Score, ScoreSettings, TrueMotion
from ampc.plants import ManyArms, PlantSettings
from ampc.robots import load_robot
from ampc.tasks import FlexibleRegion, FlexibleTaskSampler, FlexibleTaskSettings


class FlexibleArmVectorEnv(VectorEnv[FloatArray, Action, FloatArray | BoolArray]):
    """``num_envs`` environments like `FlexibleArmEnv`, with a task and a generator each.

    Seeds, spaces, rewards and infos are those of `gymnasium.vector.SyncVectorEnv` over the single
    environment. An arm whose episode has ended is reset by the next step, whose action is not read
    (`AutoresetMode.NEXT_STEP`).
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium's own attribute
        "render_modes": [],
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = EPISODE_STEPS,
        robot: str = "flexible-arm-10",
        region: FlexibleRegion = "random",
        tasks: FlexibleTaskSettings = PUBLISHED_TASKS,
        plant: PlantSettings | None = None,
        score: ScoreSettings | None = None,
        threads: int | None = None,
    ) -> None:
        """Make the environments.

        Args:
            num_envs: Number of arms.
            max_episode_steps: Control steps after which an episode is truncated.
            robot: As `FlexibleArmEnv`.
            region: As `FlexibleArmEnv`.
            tasks: As `FlexibleArmEnv`.
            plant: As `FlexibleArmEnv`.
            score: As `FlexibleArmEnv`.
            threads: Threads to step on; by default one for each core.
        """
        self.num_envs = num_envs
        self.robot = load_robot(robot)
        self._arms = ManyArms(self.robot, num_envs, plant, threads)
        self._sampler, self._region = FlexibleTaskSampler(self.robot, tasks), region
        self._observation = Observation(self.robot)
        self._score = Score(self.robot, num_envs, self._arms.control_period, score or ScoreSettings())
        self._max_episode_steps = max_episode_steps
        self.single_observation_space = self._observation.space
        self.single_action_space = Box(-1.0, 1.0, (self.robot.n_actuated,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators = [seeding.np_random()[0] for _ in range(num_envs)]
        self._goals: FloatArray = np.zeros((num_envs, 3))
        self._surroundings: FloatArray = np.zeros((num_envs, 6 * len(self.robot.obstacles)))
        self._seen: FloatArray = np.zeros((num_envs, self._observation.size))
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Start an episode in every environment.

        Args:
            seed: Seed of the first environment, the others have the following ones; or a seed for each.
            options: Not used.
        """
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int):
            seeds = [seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        for i, own in enumerate(seeds):
            if own is not None:
                self._generators[i] = seeding.np_random(own)[0]
        info = self._begin(np.arange(self.num_envs))
        return self._seen.copy(), _with_masks(info, self.num_envs)

    def step(self, actions: Action) -> tuple[FloatArray, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Hold actions (num_envs, m) for one control period; begin where an episode has ended."""
        running, ended = np.flatnonzero(~self._ended), np.flatnonzero(self._ended)
        rewards: FloatArray = np.zeros(self.num_envs)
        torque = torque_of(np.asarray(actions, dtype=np.float64), self.robot)
        measured = self._arms.step(torque, running)
        self._look(running, measured.q, measured.dq, measured.end_effector)
        rewards[running], info = self._score.step(running, self._goals[running], self._motion(running))
        self._steps[running] += 1
        if ended.size:
            fresh = self._begin(ended)
            for name, values in info.items():
                merged = np.zeros(self.num_envs, dtype=values.dtype)
                merged[running], merged[ended] = values, fresh[name]
                info[name] = merged
        truncated = self._arms.unstable | (self._steps >= self._max_episode_steps)
        self._ended = truncated.copy()
        never = np.zeros(self.num_envs, dtype=np.bool_)
        return self._seen.copy(), rewards, never, truncated, _with_masks(info, self.num_envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads."""
        self._arms.close()

    def _begin(self, rows: IntArray) -> Info:
        tasks = [
            self._sampler.sample(1, self._region, int(self._generators[row].integers(LARGEST_TASK_SEED)))[0]
            for row in rows.tolist()
        ]
        measured = self._arms.reset(tasks, rows)
        self._goals[rows] = [task.goal for task in tasks]
        self._surroundings[rows] = [self._observation.surroundings(task) for task in tasks]
        self._steps[rows] = 0
        self._ended[rows] = False
        self._look(rows, measured.q, measured.dq, measured.end_effector)
        return self._score.begin(rows, tasks, self._motion(rows))

    def _look(self, rows: IntArray, q: FloatArray, dq: FloatArray, end_effector: FloatArray) -> None:
        """Take in what arms (b,) see, but where the simulation has failed: there the view stands still."""
        goals, surroundings = self._goals[rows], self._surroundings[rows]
        seen = self._observation.assemble(q, dq, end_effector, goals, surroundings)
        stable = ~self._arms.unstable[rows]
        self._seen[rows[stable]] = seen[stable]

    def _motion(self, rows: IntArray) -> TrueMotion:
        arms = self._arms
        return TrueMotion(arms.points[rows], arms.dq[rows], arms.applied_torque[rows], arms.unstable[rows])


def _with_masks(info: dict[str, Any], count: int) -> dict[str, Any]:
    """Gymnasium's vector infos: beside every quantity, which environments have it."""
    masks = {f"_{name}": np.ones(count, dtype=np.bool_) for name in info}
    return {**info, **masks}
