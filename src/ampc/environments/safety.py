"""The safety filter around an environment: an agent's torques become safe ones before they act."""

from typing import Any

import gymnasium
import numpy as np

from ampc.arrays import FloatArray
from ampc.control.controller import StepRecord
from ampc.control.safety_filter import SafetyFilter
from ampc.control.safety_settings import SafetyFilterSettings
from ampc.environments.flexible_arm import FlexibleArmEnv, torque_of
from ampc.environments.reaching import Action
from ampc.errors import SettingsError
from ampc.plants.measurement import Measurement
from ampc.robots import load_robot
from ampc.tasks.task import Task


class SafetyFilterWrapper(gymnasium.Wrapper[FloatArray, Action, FloatArray, Action]):
    """`FlexibleArmEnv` whose actions pass through a `SafetyFilter`.

    The info of each step gives ``nominal_torque``, what the action asked for, ``filtered_torque``, what the
    filter made of it, and ``applied_torque``, what the plant accepted, each (m,) [N m]; ``filter_decision``,
    see `FilterStep`; and ``filter_reserve``, what is left of the limits.
    """

    def __init__(
        self,
        env: gymnasium.Env[FloatArray, Action],
        robot: str = "flexible-arm",
        settings: SafetyFilterSettings | None = None,
    ) -> None:
        """Put a filter around an environment.

        Args:
            env: A `FlexibleArmEnv`, wrapped or not.
            robot: The model that the filter believes in.
            settings: Of the filter.

        Raises:
            SettingsError: The environment is of another kind.
        """
        super().__init__(env)
        inner = env.unwrapped
        if not isinstance(inner, FlexibleArmEnv):
            raise SettingsError(f"the safety filter goes around a FlexibleArmEnv, not {type(inner).__name__}")
        self._arm = inner
        self._agent = _Agent(inner.robot.n_actuated, 1.0 / float(inner.metadata["render_fps"]))
        self.filter = SafetyFilter(self._agent, load_robot(robot), settings)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """See `ReachingEnv.reset`."""
        found = self.env.reset(seed=seed, options=options)
        still = np.zeros(self._arm.robot.n_actuated)
        obstacles = self._arm.obstacles
        self.filter.reset(Task(0, "", still, self._arm.goal, still, seed=0, obstacles=obstacles))
        return found

    def step(self, action: Action) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Apply the safe torque nearest to the action's (m,) for one control period."""
        robot = self._arm.robot
        nominal = torque_of(np.asarray(action, dtype=np.float64), robot)
        self._agent.torque = nominal
        filtered = self.filter.act(self._arm.measurement)
        lower, upper = robot.torque_limits.T
        share = ((2.0 * filtered - upper - lower) / (upper - lower)).astype(np.float32)
        observation, reward, terminated, truncated, info = self.env.step(share)
        step = self.filter.history[-1]
        info |= {
            "nominal_torque": nominal,
            "filtered_torque": filtered,
            "applied_torque": torque_of(share.astype(np.float64), robot),
            "filter_decision": step.decision,
            "filter_reserve": step.reserve,
        }
        return observation, float(reward), terminated, truncated, info


class _Agent:
    """The torque of the last action, as a controller."""

    def __init__(self, n_motors: int, control_period: float) -> None:
        self.name, self.control_period = "agent", control_period
        self.torque = np.zeros(n_motors)
        self.last_step = StepRecord(self.torque, self.torque, self.torque)

    def reset(self, task: Task) -> None:
        self.torque = np.zeros_like(self.torque)

    def act(self, measurement: Measurement) -> FloatArray:
        zero = np.zeros_like(self.torque)
        self.last_step = StepRecord(self.torque, self.torque, zero)
        return self.torque
