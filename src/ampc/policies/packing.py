"""A policy as the C code of this room takes it: whole numbers and arrays, named as in src/policy.h."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ampc.arrays import FloatArray
from ampc.errors import PolicyError
from ampc.policies.chain_constants import ChainConstants
from ampc.policies.files import Weights
from ampc.policies.planar_constants import PlanarChain
from ampc.policies.settings import Architecture, Component
from ampc.policies.spec import PolicySpec

SIZES = (
    "joints", "motors", "positions", "state", "obstacles", "points", "history", "stride", "components",
    "past_commands", "features", "architecture", "width", "depth", "heads", "adaptive", "shortest",
    "reference_width", "reference_depth", "branches", "refinements",
)  # fmt: skip
"""Whole numbers of ``PolicyModel``, in its order; its arrays, in theirs, follow."""
INDICES = ("actuated", "component")
NUMBERS = (
    "mean", "deviation", "limit", "products", "offsets", "tool", "planar", "window", "network",
    "reference_network",
)  # fmt: skip
MAX_JOINTS = 64
"""``POLICY_MAX_JOINTS``."""


@dataclass(frozen=True)
class PackedPolicy:
    """What ``PolicyModel`` holds; arrays that the policy does not use are empty."""

    spec: PolicySpec
    """The policy."""
    sizes: dict[str, int]
    """Whole numbers, by the names in `SIZES`."""
    indices: dict[str, NDArray[np.intc]]
    """Arrays of whole numbers, by those in `INDICES`."""
    numbers: dict[str, NDArray[np.float32]]
    """Arrays of single precision, by those in `NUMBERS`."""


def pack(spec: PolicySpec, weights: Weights) -> PackedPolicy:
    """Arrange a saved policy for C.

    Args:
        spec: ``policy.json``.
        weights: ``policy.safetensors``.

    Raises:
        PolicyError: If a tensor is missing, not of the shape that the specification asks for or not finite,
            or the arm has more joints than the C code provides for.
    """
    inputs, second = spec.inputs, spec.reference_network
    n, m, width, depth = spec.n_joints, spec.n_actuated, *spec.network.size
    if n > MAX_JOINTS:
        raise PolicyError(f"the C code of policies provides for {MAX_JOINTS} joints, not for {n}")
    tensors = _Tensors(weights)
    n_features = feature_size(spec)
    sizes = {
        "joints": n,
        "motors": m,
        "positions": n if inputs.estimated else m,
        "state": spec.n_state,
        "obstacles": spec.n_obstacles,
        "points": len(spec.planar_chain.along) if spec.planar_chain else 0,
        "history": 1 if spec.recurrent else inputs.history,
        "stride": inputs.stride,
        "components": len(inputs.components),
        "past_commands": int(inputs.past_commands),
        "features": n_features,
        "architecture": get_args(Architecture).index(spec.network.architecture),
        "width": width,
        "depth": depth,
        "heads": spec.network.heads,
        "adaptive": int(inputs.adaptive),
        "shortest": inputs.shortest,
        "reference_width": second.hidden_size if second else 0,
        "reference_depth": second.layers if second else 0,
        "branches": second.branches if second else 0,
        "refinements": second.refinements if second else 0,
    }
    indices = {
        "actuated": spec.actuated,
        "component": [get_args(Component).index(component) for component in inputs.components],
    }
    chain = ChainConstants.from_dict(spec.kinematic_chain) if spec.kinematic_chain else None
    numbers: dict[str, Any] = {
        "mean": tensors.take("features.mean", n_features),
        "deviation": tensors.take("features.deviation", n_features),
        "limit": spec.command_limit,
        "products": chain.products if chain else (),
        "offsets": chain.offsets if chain else (),
        "tool": chain.tool if chain else (),
        "planar": _planar(spec.planar_chain) if spec.planar_chain else (),
        "window": [tensors.take("window.start"), tensors.take("window.end")] if inputs.adaptive else (),
        "network": np.concatenate([part.ravel() for part in _network(spec, n_features, tensors)]),
        "reference_network": np.concatenate([part.ravel() for part in _reference_network(spec, tensors)])
        if second
        else (),
    }
    return PackedPolicy(
        spec,
        sizes,
        {name: np.array(values, dtype=np.intc) for name, values in indices.items()},
        {name: np.array(values, dtype=np.float32).ravel() for name, values in numbers.items()},
    )


def _planar(chain: PlanarChain) -> FloatArray:
    parts = (
        chain.base,
        [chain.heading, chain.sin_tilt, chain.cos_tilt],
        chain.offset,
        chain.along,
        chain.across,
    )
    return np.concatenate([np.ravel(part) for part in parts])


class _Tensors:
    """Tensors by name, checked before C reads them by the sizes alone."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def take(self, name: str, *shape: int) -> FloatArray:
        """One tensor."""
        if name not in self._weights:
            raise PolicyError(f"the weights of this policy lack {name}")
        tensor = np.asarray(self._weights[name], dtype=np.float64)
        if tensor.shape != shape:
            raise PolicyError(f"{name} has shape {tensor.shape}; its specification says {shape}")
        if not np.isfinite(tensor).all():
            raise PolicyError(f"{name} is not finite")
        return tensor

    def linear(self, weight: str, bias: str, n_inputs: int, n_outputs: int) -> tuple[FloatArray, FloatArray]:
        """A linear map: matrix (inputs, outputs), then its bias."""
        return self.take(weight, n_outputs, n_inputs).T, self.take(bias, n_outputs)

    def module(self, name: str, n_inputs: int, n_outputs: int) -> tuple[FloatArray, FloatArray]:
        """That of a ``torch.nn.Linear``."""
        return self.linear(f"{name}.weight", f"{name}.bias", n_inputs, n_outputs)


def _network(spec: PolicySpec, n_features: int, tensors: _Tensors) -> Iterator[FloatArray]:
    width, depth = spec.network.size
    match spec.network.architecture:
        case "ffn":
            sizes = [spec.inputs.history * n_features, *[width] * depth, spec.n_actuated]
            yield from _perceptron("network.layers", sizes, tensors)
            return
        case "transformer":
            yield from _encoder(spec, n_features, tensors)
        case kind:
            gates = (4 if kind == "lstm" else 3) * width
            for k in range(depth):
                n_inputs = width if k else n_features
                cells = "network.cells"
                yield from tensors.linear(f"{cells}.weight_ih_l{k}", f"{cells}.bias_ih_l{k}", n_inputs, gates)
                yield from tensors.linear(f"{cells}.weight_hh_l{k}", f"{cells}.bias_hh_l{k}", width, gates)
    yield from tensors.module("network.readout", width, spec.n_actuated)


def _encoder(spec: PolicySpec, n_features: int, tensors: _Tensors) -> Iterator[FloatArray]:
    width, depth = spec.network.size
    yield from tensors.module("network.embedding", n_features, width)
    yield positions(spec.inputs.history, width)
    for k in range(depth):
        layer = f"network.layers.{k}"
        yield from (tensors.take(f"{layer}.norm1.{name}", width) for name in ("weight", "bias"))
        attention = f"{layer}.self_attn"
        yield from tensors.linear(
            f"{attention}.in_proj_weight", f"{attention}.in_proj_bias", width, 3 * width
        )
        yield from tensors.module(f"{attention}.out_proj", width, width)
        yield from (tensors.take(f"{layer}.norm2.{name}", width) for name in ("weight", "bias"))
        yield from tensors.module(f"{layer}.linear1", width, 4 * width)
        yield from tensors.module(f"{layer}.linear2", 4 * width, width)
    yield from (tensors.take(f"network.norm.{name}", width) for name in ("weight", "bias"))


def _reference_network(spec: PolicySpec, tensors: _Tensors) -> Iterator[FloatArray]:
    settings = spec.reference_network
    assert settings is not None
    n = spec.n_joints
    for name, size in (("goal_mean", 3), ("goal_deviation", 3), ("lower", n), ("upper", n)):
        yield tensors.take(f"reference_network.{name}", size)
    sizes = [3, *[settings.hidden_size] * settings.layers, settings.branches * (n + 1)]
    yield from _perceptron("reference_network.layers", sizes, tensors)


def _perceptron(name: str, sizes: list[int], tensors: _Tensors) -> Iterator[FloatArray]:
    """Linear maps of a ``torch.nn.Sequential`` in which every second module is an activation."""
    for layer, (n_inputs, n_outputs) in enumerate(pairwise(sizes)):
        yield from tensors.module(f"{name}.{2 * layer}", n_inputs, n_outputs)


def positions(history: int, width: int) -> FloatArray:
    """Sinusoidal positions (history, width) of `Transformer`."""
    angles = np.arange(history)[:, None] * np.exp(np.arange(0, width, 2) * (-math.log(10000.0) / width))
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(history, width)


def feature_size(spec: PolicySpec, components: tuple[Component, ...] | None = None) -> int:
    """Number of features F of one entry of the history, or those of some of its components."""
    m, n = spec.n_actuated, spec.n_joints
    joints = n if spec.inputs.estimated else m  # of a state
    points = len(spec.planar_chain.along) if spec.planar_chain else 0
    sizes: dict[Component, int] = {
        "state": spec.n_state,
        "state_error": 2 * joints,
        "reference": n,
        "target": 3,
        "target_error": 3,
        "sincos": 2 * m,
        "near_error": joints,
        "bending": n - m,
        "reference_sincos": 2 * m,
        "stiffness": 1,
        "arm_target_error": 6,
        "obstacles": spec.n_obstacles * (3 * points + 1),
        "obstacle_directions": 3 * spec.n_obstacles,
    }
    if components is not None:
        return sum(sizes[name] for name in components)
    return sum(sizes[name] for name in spec.inputs.components) + m * spec.inputs.past_commands
