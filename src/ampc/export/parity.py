"""Whether an exported policy computes what the trained one does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ampc.arrays import FloatArray
from ampc.control.feedback import Reference
from ampc.errors import PolicyError
from ampc.policies.law import TorchPolicy
from ampc.policies.native import NativePolicy
from ampc.policies.runtime import OnnxPolicy
from ampc.policies.spec import PolicySpec
from ampc.robots import KinematicChain

LARGEST_DIFFERENCE = 1e-4
"""Parity that an export has to reach, see `Parity`. Sums in another order differ in the seventh digit, which
the gains of a policy multiply: most reach 1e-6, those taught under noise or with a reference network 2e-5."""

LARGEST_ESTIMATED = 1e-3
"""The same for policies on estimated states, whose features resolve millimetres at the goal: in single
precision the end effector of a chain of many joints is known to a micrometre, which they magnify."""


LARGEST_BENDING = 0.1
"""Of a joint without a motor in `recordings` [rad]."""


@dataclass(frozen=True)
class Parity:
    """How far the exported file is from the torch policy, over `steps` steps of whole sequences."""

    command: float
    """Largest difference of a saturated command, as a fraction of its limit."""
    raw_command: float
    """Largest difference of a command before saturation, as a fraction of its limit or, where larger, of
    the command itself."""
    steps: int
    """Steps compared."""


def require_parity(parity: Parity, spec: PolicySpec, path: Path) -> None:
    """Refuse an export that is too far from the policy.

    Raises:
        PolicyError: If the parity is worse than `LARGEST_DIFFERENCE`, or `LARGEST_ESTIMATED`.
    """
    allowed = LARGEST_ESTIMATED if spec.inputs.estimated else LARGEST_DIFFERENCE
    if max(parity.command, parity.raw_command) > allowed:
        raise PolicyError(
            f"the exported policy differs from the trained one by {parity.raw_command:.1e} of the command "
            f"limit (at most {allowed:.0e} is allowed); nothing was written to {path}"
        )


def compare(
    expected: TorchPolicy, found: OnnxPolicy | NativePolicy, sequences: int = 20, length: int = 50
) -> Parity:
    """Run both laws through the same `recordings`, history and hidden state included.

    Args:
        expected: The torch policy.
        found: The exported one.
        sequences: Number of sequences, each with its own reference and goal.
        length: Steps of a sequence.
    """
    limit = np.asarray(found.spec.command_limit)
    difference = raw_difference = 0.0
    for recording in recordings(found.spec, sequences, length):
        expected.reset(recording.reference)
        found.reset(recording.reference)
        for state in recording.states:
            commands = expected.command(*state), found.command(*state)
            raw, other_raw = expected.raw_command, found.raw_command
            difference = max(difference, np.max(np.abs(commands[0] - commands[1]) / limit))
            scale = np.maximum(limit, np.abs(raw))
            raw_difference = max(raw_difference, np.max(np.abs(raw - other_raw) / scale))
    return Parity(float(difference), float(raw_difference), sequences * length)


@dataclass(frozen=True, eq=False)
class Recording:
    """Inputs of an episode."""

    reference: Reference
    """Goal and joint reference."""
    states: list[tuple[FloatArray, ...]]
    """States of the steps, in parts: (q, dq), each (m,), or q (n,), dq (n,) and the rest of an estimated
    state."""

    @property
    def q(self) -> FloatArray:
        """Joint positions (length, joints) [rad]."""
        return np.array([state[0] for state in self.states])

    @property
    def dq(self) -> FloatArray:
        """Joint velocities (length, joints) [rad/s]."""
        return np.array([state[1] for state in self.states])


def recordings(spec: PolicySpec, sequences: int, length: int) -> Iterator[Recording]:
    """Episodes that cover what a policy may meet, always the same.

    Half of them are exponential approaches to the reference as in a closed loop, from any configuration to
    rest; half are white noise. The goal is where the reference puts the end effector, if the specification
    has the kinematics.

    Args:
        spec: The policy.
        sequences: Number of episodes, each with its own reference and goal.
        length: Steps of an episode.
    """
    rate = 3.0
    chain = KinematicChain.from_dict(spec.kinematic_chain) if spec.kinematic_chain else None
    joints = list(range(spec.n_joints)) if spec.inputs.estimated else list(spec.actuated)
    # Joints without a motor only bend: by far less than motors turn.
    spread = np.where(np.isin(np.arange(spec.n_joints), spec.actuated), np.pi, LARGEST_BENDING)
    rng = np.random.default_rng(0)
    for sequence in range(sequences):
        q_ref = spread * rng.uniform(-1.0, 1.0, spec.n_joints)
        goal = rng.uniform(-1.0, 1.0, 3) if chain is None else chain.end_effector(q_ref)
        if sequence % 2:
            q, dq = spread[joints] * rng.uniform(-1.0, 1.0, (2, length, len(joints)))
        else:
            decay = np.exp(-rate * spec.control_period * np.arange(length))[:, None]
            error = spread[joints] * rng.uniform(-1.0, 1.0, len(joints)) * decay
            q, dq = q_ref[joints] + error, -rate * error
        parts = (_surroundings(spec, rng),) if spec.inputs.estimated else ()
        yield Recording(Reference(goal, q_ref), [(*pair, *parts) for pair in zip(q, dq, strict=True)])


def _surroundings(spec: PolicySpec, rng: np.random.Generator) -> FloatArray:
    """What follows positions and velocities in an estimated state (1 + 4 k,)."""
    normals = rng.normal(size=(spec.n_obstacles, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    heights = rng.uniform(-0.5, 0.0, (spec.n_obstacles, 1))
    return np.concatenate([rng.uniform(-0.1, 0.1, 1), np.hstack([normals, heights]).ravel()])
