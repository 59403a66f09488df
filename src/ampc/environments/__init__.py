"""The arms as Gymnasium environments: ``ampc/RigidArm-v0`` and ``ampc/FlexibleArm-v0``.

Importing this room registers them with `gymnasium.make` and, the flexible arm's vector form,
`gymnasium.make_vec`. docs/environments.md has the tables of observations and actions.
"""

import gymnasium

from ampc.environments.flexible_arm import EPISODE_STEPS as _FLEXIBLE_STEPS
from ampc.environments.flexible_arm import PUBLISHED_TASKS, FlexibleArmEnv
from ampc.environments.flexible_arm_vector import FlexibleArmVectorEnv
from ampc.environments.rigid_arm import EPISODE_STEPS as _RIGID_STEPS
from ampc.environments.rigid_arm import RigidArmEnv

__all__ = ["PUBLISHED_TASKS", "FlexibleArmEnv", "FlexibleArmVectorEnv", "RigidArmEnv"]

gymnasium.register(
    id="ampc/RigidArm-v0",
    entry_point="ampc.environments.rigid_arm:RigidArmEnv",
    max_episode_steps=_RIGID_STEPS,
)
gymnasium.register(
    id="ampc/FlexibleArm-v0",
    entry_point="ampc.environments.flexible_arm:FlexibleArmEnv",
    vector_entry_point="ampc.environments.flexible_arm_vector:FlexibleArmVectorEnv",
    max_episode_steps=_FLEXIBLE_STEPS,
)
