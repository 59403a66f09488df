"""The agents of stable-baselines3 with our settings, and the deployable policy that one has learned."""

import dataclasses
import hashlib
import math
import warnings
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO, SAC
from torch import Tensor, nn

from ampc.arrays import FloatArray
from ampc.errors import PolicyError
from ampc.learning.reinforcement.agent_settings import PPOSettings, SACSettings
from ampc.learning.reinforcement.arms_env import ArmsEnv
from ampc.learning.reinforcement.memory import MirroredBuffer
from ampc.learning.reinforcement.settings import NetworkShape
from ampc.learning.reinforcement.statistics import Normalised, normalise_by
from ampc.learning.reinforcement.straight_tanh import straight_tanh
from ampc.policies.policy import Policy
from ampc.policies.settings import NetworkSettings
from ampc.policies.spec import PolicySpec

Agent = SAC | PPO


class PatientPPO(PPO):
    """`PPO` whose policy stands still until its critic has learned what the policy is worth."""

    patience: int = 0
    """Actions, of all arms together, in which the critic alone learns."""

    def train(self) -> None:
        """Learn from a round."""
        learns = self.num_timesteps > self.patience
        self.policy.mlp_extractor.policy_net.requires_grad_(learns)
        self.policy.action_net.requires_grad_(learns)
        self.policy.log_std.requires_grad_(learns)
        super().train()


def require_plain_inputs(spec: PolicySpec) -> None:
    """Refuse policies that an agent without memory cannot be.

    Raises:
        PolicyError: If the policy has a memory, or another network than a feed-forward one.
    """
    inputs = spec.inputs
    plain = inputs.history == 1 and not inputs.past_commands and not inputs.adaptive
    if spec.network.architecture != "ffn" or spec.reference_network is not None or not plain:
        raise PolicyError(
            "reinforcement learning makes feed-forward policies that see the present alone: network 'ffn', "
            "inputs.history 1, no past commands, no adaptive window, no reference network"
        )


def make_sac(
    env: ArmsEnv,
    settings: SACSettings,
    shape: NetworkShape,
    seed: int,
    memory: type[MirroredBuffer] = MirroredBuffer,
) -> SAC:
    """Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905) that drives all arms."""
    return SAC(
        "MlpPolicy",
        env,
        learning_rate=settings.learning_rate,
        buffer_size=settings.buffer_size,
        learning_starts=settings.learning_starts,
        batch_size=settings.batch_size,
        tau=settings.tau,
        gamma=settings.gamma,
        train_freq=1,
        gradient_steps=max(1, round(settings.updates_per_action * env.num_envs)),
        ent_coef=f"auto_{settings.first_entropy}" if settings.entropy == "auto" else float(settings.entropy),
        target_entropy=settings.entropy_target * math.prod(env.action_space.shape or ()),
        replay_buffer_class=memory,
        replay_buffer_kwargs={"mirror": env.mirror if settings.mirror else None},
        policy_kwargs=_network(shape),
        seed=seed,
        device="cpu",
    )


def make_ppo(env: ArmsEnv, settings: PPOSettings, shape: NetworkShape, decisions: int, seed: int) -> PPO:
    """Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347); a rollout is a round."""
    with warnings.catch_warnings():
        # Rounds are as long as episodes, whatever the batch size: the last batch of an epoch may be smaller.
        warnings.filterwarnings("ignore", "You have specified a mini-batch size")
        agent = PatientPPO(
            "MlpPolicy",
            env,
            learning_rate=settings.learning_rate,
            n_steps=decisions,
            batch_size=settings.batch_size,
            n_epochs=settings.epochs,
            gamma=settings.gamma,
            gae_lambda=settings.gae_lambda,
            clip_range=settings.clip_range,
            ent_coef=settings.entropy,
            max_grad_norm=settings.max_gradient,
            target_kl=settings.largest_divergence,
            policy_kwargs=_network(shape) | {"log_std_init": float(np.log(settings.first_deviation))},
            seed=seed,
            device="cpu",
        )
    agent.patience = settings.critic_rounds * decisions * env.num_envs
    return agent


def _network(shape: NetworkShape) -> dict[str, Any]:
    return {
        "net_arch": [shape.hidden_size] * shape.layers,
        "activation_fn": nn.ReLU,
        "features_extractor_class": Normalised,
        "optimizer_kwargs": {"fused": True},  # a tenth of the time of an update
    }


def policy_of(agent: Agent, spec: PolicySpec, mean: FloatArray, deviation: FloatArray) -> Policy:
    """What an agent has learned, without its exploration, as a policy.

    PPO acts by the mean of its Gaussian, cut to the limits: a policy's network and saturation. SAC acts by
    the hyperbolic tangent of the mean. A policy has no such function, but one hidden layer more can draw it
    in straight pieces, see `straight_tanh`; the result is within 3e-4 of the command limit for 256 units.

    Args:
        agent: The agent.
        spec: Of the policy; its network is replaced by the one that comes of it.
        mean: Mean of the features (F,).
        deviation: Their deviation (F,).
    """
    with torch.no_grad():
        if isinstance(agent, PPO):
            body, head = agent.policy.mlp_extractor.policy_net, agent.policy.action_net
            assert isinstance(head, nn.Linear)
            layers = [*_linear(body), head]
            weights: list[tuple[Tensor, Tensor]] = [(layer.weight, layer.bias) for layer in layers]
        else:
            body, head = agent.actor.latent_pi, agent.actor.mu
            assert isinstance(head, nn.Linear)
            weights = [(layer.weight, layer.bias) for layer in _linear(body)]
            weights += straight_tanh(head.weight, head.bias)
    return _assemble(spec, weights, mean, deviation)


def begin_with(agent: PPO, policy: Policy) -> None:
    """Let a PPO agent begin with what a policy does.

    The critic begins anew, and so does the exploration; the normalisation becomes the policy's.

    Raises:
        PolicyError: If the policy's hidden layers are not those of the agent.
    """
    body, head = agent.policy.mlp_extractor.policy_net, agent.policy.action_net
    assert isinstance(head, nn.Linear)
    own = [*_linear(body), head]
    given = _linear(policy.network)
    if [layer.weight.shape for layer in own] != [layer.weight.shape for layer in given]:
        width, depth = policy.spec.network.size
        raise PolicyError(
            f"the policy to begin with has {depth} hidden layers of {width}; set network.layers and "
            "network.hidden_size to that"
        )
    with torch.no_grad():
        for mine, its in zip(own, given, strict=True):
            mine.weight.copy_(its.weight)
            mine.bias.copy_(its.bias)
    normalise_by(
        agent.policy,
        policy.features.mean.double().numpy().copy(),
        policy.features.deviation.double().numpy().copy(),
    )


def fingerprint(policy: Policy) -> str:
    """Fingerprint of a policy's weights."""
    found = hashlib.sha256()
    for tensor in policy.state_dict().values():
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()[:16]


def _linear(module: nn.Module) -> list[nn.Linear]:
    return [part for part in module.modules() if isinstance(part, nn.Linear)]


def _assemble(
    spec: PolicySpec, weights: list[tuple[Tensor, Tensor]], mean: FloatArray, deviation: FloatArray
) -> Policy:
    """A policy of these linear layers."""
    width, depth = len(weights[0][1]), len(weights) - 1
    policy = Policy(dataclasses.replace(spec, network=NetworkSettings("ffn", width, depth)))
    with torch.no_grad():
        for layer, (weight, bias) in zip(_linear(policy.network), weights, strict=True):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        policy.features.mean.copy_(torch.from_numpy(mean))
        policy.features.deviation.copy_(torch.from_numpy(deviation))
    return policy.eval()
