"""All that the next round of a training depends on, as tensors and plain values, never pickled objects."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.buffers import ReplayBuffer

from ampc.episodes.files import write_atomically
from ampc.errors import PolicyError
from ampc.learning.checkpoint import CHECKPOINT_FILE
from ampc.learning.reinforcement.agents import Agent

_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def save(folder: Path, content: dict[str, Any]) -> None:
    """Replace the folder's checkpoint.

    Raises:
        DatasetError: If the disk is full or the folder cannot be written.
    """
    write_atomically(folder / CHECKPOINT_FILE, lambda path: torch.save(content, path))


def load(folder: Path) -> dict[str, Any] | None:
    """Read the folder's checkpoint; None if there is none.

    Raises:
        PolicyError: If the file is damaged.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        return dict(torch.load(path, weights_only=True))
    except Exception as error:  # torch.load fails in many undocumented ways on a damaged file
        raise PolicyError(f"{path} is damaged ({error}); delete it to train from the start") from error


def agent_state(agent: Agent) -> dict[str, Any]:
    """Weights, optimisers, counters, memory and random numbers of an agent between two rounds."""
    state: dict[str, Any] = {
        "policy": agent.policy.state_dict(),
        "timesteps": agent.num_timesteps,
        "updates": agent._n_updates,
        "actions": agent.action_space.np_random.bit_generator.state,
        "torch": torch.get_rng_state(),
        "numpy": _numpy_state(),
    }
    if isinstance(agent, PPO):
        return state | {"optimiser": agent.policy.optimizer.state_dict()}
    state["actor"] = agent.actor.optimizer.state_dict()
    state["critic"] = agent.critic.optimizer.state_dict()
    if agent.ent_coef_optimizer is not None and agent.log_ent_coef is not None:
        state["entropy"] = agent.ent_coef_optimizer.state_dict()
        state["log_entropy"] = agent.log_ent_coef.detach().clone()
    return state | {"buffer": _buffer_state(_buffer_of(agent))}


def restore_agent(agent: Agent, state: dict[str, Any]) -> None:
    """Bring an agent that was made with the same settings to `agent_state`."""
    agent.policy.load_state_dict(state["policy"])
    agent.num_timesteps, agent._n_updates = state["timesteps"], state["updates"]
    agent.action_space.np_random.bit_generator.state = state["actions"]
    if isinstance(agent, PPO):
        agent.policy.optimizer.load_state_dict(state["optimiser"])
    else:
        agent.actor.optimizer.load_state_dict(state["actor"])
        agent.critic.optimizer.load_state_dict(state["critic"])
        if agent.ent_coef_optimizer is not None and agent.log_ent_coef is not None:
            agent.ent_coef_optimizer.load_state_dict(state["entropy"])
            with torch.no_grad():
                agent.log_ent_coef.copy_(state["log_entropy"])
        _restore_buffer(_buffer_of(agent), state["buffer"])
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002 - the library's own


def _numpy_state() -> list[Any]:
    """State of the generator that stable-baselines3 draws batches with."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return [kind, torch.from_numpy(np.asarray(keys, np.int64)), *rest]


def _buffer_of(agent: SAC) -> ReplayBuffer:
    assert agent.replay_buffer is not None
    return agent.replay_buffer


def _buffer_state(buffer: ReplayBuffer) -> dict[str, Any]:
    rows = buffer.buffer_size if buffer.full else buffer.pos
    arrays = {name: torch.from_numpy(getattr(buffer, name)[:rows]) for name in _BUFFER}
    return {"position": buffer.pos, "full": buffer.full, **arrays}


def _restore_buffer(buffer: ReplayBuffer, state: dict[str, Any]) -> None:
    buffer.pos, buffer.full = state["position"], state["full"]
    for name in _BUFFER:
        array = state[name].numpy()
        getattr(buffer, name)[: len(array)] = array
