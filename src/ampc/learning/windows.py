"""Training samples as views of episodes: windows for memoryless networks, sequences for recurrent ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ampc.arrays import IntArray
from ampc.errors import DatasetError


class Batch(NamedTuple):
    """What one step of training sees: the arguments of `Policy`, the labels and their weights."""

    states: Tensor
    """Measured q [rad] and dq [rad/s], newest last (B, T, 2m)."""
    reference: Tensor
    """Joint reference (B, n), or after every state (B, T, n) [rad]."""
    goal: Tensor
    """End-effector goal, world frame (B, 3) [m]."""
    past_commands: Tensor
    """Entry k is the command applied just before ``states[:, k]`` was measured (B, T, m)."""
    commands: Tensor
    """Labels: after the newest state (B, 1, m), or after every state (B, T, m)."""
    weight: Tensor
    """Weight of each label (B, 1) or (B, T); zero where there is none, or a sequence is only padded."""
    responses: Tensor | None = None
    """`Frames.responses` where the labels are (B, 1, m, m) or (B, T, m, m)."""
    derivatives: Tensor | None = None
    """`Frames.derivatives` where the labels are (B, 1, m, 2n) or (B, T, m, 2n)."""


class Samples(Protocol):
    """Something to draw batches from."""

    n_frames: int
    """Labels in one pass."""

    def __len__(self) -> int:
        """Number of samples."""

    def batch(self, indices: Tensor) -> Batch:
        """Samples with these indices (B,)."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of E whole episodes, one after the other, N in all, in single precision."""

    states: Tensor
    """Measured q [rad] and dq [rad/s] (N, 2m), or estimated states (N, S)."""
    references: Tensor
    """Joint references (N, n) [rad]."""
    goals: Tensor
    """End-effector goals, world frame (N, 3) [m]."""
    past_commands: Tensor
    """Commands applied just before the states were measured (N, m); zero at the start of an episode."""
    commands: Tensor
    """Labels (N, m)."""
    labelled: Tensor
    """Whether that is a label and not only what was done (N,)."""
    starts: Tensor
    """Index of the first frame of each episode (E,)."""
    lengths: Tensor
    """Frames of each episode (E,)."""
    responses: Tensor | None = None
    """Acceleration of the motors' joints by the torque of each motor, ``M(q)^-1``, at labels (N, m, m)
    [rad/s2 per N m]; None where no loss asks for it, see `ampc.learning.acceleration`."""
    derivatives: Tensor | None = None
    """Derivatives of labels by positions and velocities of all joints (N, m, 2n), NaN where there is none;
    None where there is none at all."""

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, "np.ndarray[Any, Any]"], starts: IntArray, lengths: IntArray
    ) -> "Frames":
        """Frames from the columns of a dataset.

        Args:
            columns: ``observation.state``, ``observation.reference``, ``observation.goal`` and ``action``,
                all frames in the order of the episodes; ``action.applied`` where the commands that were
                applied are not the labels, ``action.is_label`` where not all actions are labels,
                ``action.derivative`` and ``action.has_derivative`` where some come with one.
            starts: Index of the first frame of each episode (E,).
            lengths: Frames of each episode (E,).

        Raises:
            DatasetError: If a state, goal or action is not finite, or episodes are empty.
        """
        if len(lengths) == 0 or np.min(lengths) < 1:
            raise DatasetError("the dataset has no episodes, or an episode without frames")
        for name in ("observation.state", "observation.goal", "action"):
            bad = np.flatnonzero(~np.isfinite(columns[name]).all(axis=1))
            if len(bad):
                episode = int(np.searchsorted(starts, bad[0], side="right")) - 1
                raise DatasetError(
                    f"{name} is not finite in {len(bad)} frames, first in frame {bad[0] - starts[episode]} "
                    f"of episode {episode}: collect the dataset again"
                )
        states, references, goals, commands = (
            torch.tensor(columns[name], dtype=torch.float32)
            for name in ("observation.state", "observation.reference", "observation.goal", "action")
        )
        applied = columns.get("action.applied", columns["action"])
        past_commands = torch.roll(torch.tensor(applied, dtype=torch.float32), 1, dims=0)
        past_commands[torch.as_tensor(starts)] = 0.0
        is_label = columns.get("action.is_label", np.ones((len(states), 1)))
        found = columns.get("action.derivative")
        shape = (len(states), commands.shape[1], -1)
        derivatives = None if found is None else torch.tensor(found, dtype=torch.float32).reshape(shape)
        if derivatives is not None:
            derivatives[torch.tensor(columns["action.has_derivative"][:, 0] < 0.5)] = torch.nan
        return cls(
            states,
            references,
            goals,
            past_commands,
            commands,
            torch.tensor(is_label[:, 0] > 0.5),
            torch.tensor(starts, dtype=torch.int64),
            torch.tensor(lengths, dtype=torch.int64),
            derivatives=derivatives,
        )

    @classmethod
    def joined(cls, parts: Sequence["Frames"]) -> "Frames":
        """The episodes of several sets of frames, one set after the other.

        All have responses, or none; what has no derivatives where others do is filled up.
        """
        if known := [part.derivatives.shape[1:] for part in parts if part.derivatives is not None]:
            parts = [part.with_derivatives(known[0]) for part in parts]
        names = [item.name for item in fields(cls) if getattr(parts[0], item.name) is not None]
        columns = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        columns["starts"] = columns["lengths"].cumsum(0) - columns["lengths"]
        return cls(**columns)

    def with_derivatives(self, shape: Sequence[int]) -> "Frames":
        """These frames, with derivatives of a shape (m, 2n) that nobody knows if they have none."""
        if self.derivatives is not None:
            return self
        return replace(self, derivatives=torch.full((len(self.states), *shape), torch.nan))

    def velocities(self, rows: Tensor) -> Tensor:
        """Joint velocities of some frames (B, joints) [rad/s]."""
        joints = self.references.shape[1]
        estimated = self.states.shape[1] > 2 * joints
        n = joints if estimated else self.states.shape[1] // 2
        return self.states[rows, n : 2 * n]

    def require_references(self) -> None:
        """Refuse frames without joint references.

        Raises:
            DatasetError: If a reference is not finite.
        """
        if not torch.isfinite(self.references).all():
            raise DatasetError(
                "this policy sees the joint reference, but the dataset was collected by a controller without "
                "one: choose inputs without 'state_error' and 'reference', or another dataset"
            )

    def split(
        self, validation_share: float, seed: int, max_samples: int | None = None
    ) -> tuple[IntArray, IntArray]:
        """Episodes to train on and to validate on, none in both.

        Args:
            validation_share: Share of the episodes for validation, at least one.
            seed: Seed of the choice.
            max_samples: Use only the first episodes that together have at least that many frames.

        Returns:
            Sorted episode indices for training and validation.

        Raises:
            DatasetError: If there are fewer than two episodes.
        """
        n_episodes = len(self.lengths)
        if max_samples is not None:
            enough = torch.searchsorted(torch.cumsum(self.lengths, 0), max_samples) + 1
            n_episodes = min(n_episodes, int(enough))
        if n_episodes < 2:
            raise DatasetError(
                f"training needs at least two episodes, one of them for validation; there is {n_episodes}"
            )
        order = np.random.default_rng(seed).permutation(n_episodes)
        n_validation = min(max(1, round(validation_share * n_episodes)), n_episodes - 1)
        return np.sort(order[n_validation:]), np.sort(order[:n_validation])

    def gather(
        self, frames: Tensor, references: Tensor, first: Tensor, labels: Tensor, weight: Tensor
    ) -> Batch:
        """Batch of frames.

        Args:
            frames: Indices (B, T).
            references: Those whose joint references are taken (B,) or (B, T).
            first: First frames of the episodes (B,).
            labels: Those whose commands are learned (B, 1) or (B, T).
            weight: Weights of these labels.
        """
        return Batch(
            self.states[frames],
            self.references[references],
            self.goals[first],
            self.past_commands[frames],
            self.commands[labels],
            weight,
            None if self.responses is None else self.responses[labels],
            None if self.derivatives is None else self.derivatives[labels],
        )


class Windows:
    """One sample per label: the history that `HistoryBuffer` holds there, and the command that follows it.

    Only indices into the frames are made, batch by batch, so that overlapping windows cost no memory. Entries
    before the start of the episode are its first frame, whose past command is zero.
    """

    def __init__(self, frames: Frames, episodes: IntArray, history: int, stride: int = 1) -> None:
        """Take the windows of some episodes.

        Args:
            frames: Frames of all episodes.
            episodes: Which episodes.
            history: Entries of a window.
            stride: Control steps between two of them.
        """
        chosen = torch.as_tensor(episodes)
        lengths = frames.lengths[chosen]
        self._frames = frames
        self._first = torch.repeat_interleave(frames.starts[chosen], lengths)
        before = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
        within = torch.arange(len(self._first)) - before
        newest = self._first + within
        labelled = frames.labelled[newest]
        self._first, self._newest = self._first[labelled], newest[labelled]
        self._age = stride * torch.arange(history - 1, -1, -1)
        self.n_frames = len(self._newest)

    def __len__(self) -> int:
        """Number of windows."""
        return self.n_frames

    def batch(self, indices: Tensor) -> Batch:
        """Windows with these indices (B,)."""
        newest, first = self._newest[indices], self._first[indices]
        frames = torch.maximum(newest[:, None] - self._age, first[:, None])
        return self._frames.gather(frames, newest, first, newest[:, None], torch.ones(len(indices), 1))


class Sequences:
    """One sample per episode: all its frames and the command after each, for recurrent networks.

    Episodes that end at rest can be extended by repeating their last frame, which is what would have been
    measured had the episode gone on. Shorter samples of a batch are padded at the end with weight zero.
    """

    def __init__(
        self, frames: Frames, episodes: IntArray, extension: int = 0, rest_velocity: float = 0.05
    ) -> None:
        """Take the sequences of some episodes.

        Args:
            frames: Frames of all episodes.
            episodes: Which episodes.
            extension: Frames by which episodes that end at rest are extended.
            rest_velocity: Largest velocity of a joint that counts as rest [rad/s].
        """
        chosen = torch.as_tensor(episodes)
        self._frames = frames
        self._first = frames.starts[chosen]
        self._last = self._first + frames.lengths[chosen] - 1
        velocity = frames.velocities(self._last)
        at_rest = velocity.abs().amax(1) <= rest_velocity
        self._lengths = frames.lengths[chosen] + extension * at_rest
        self.n_frames = int(self._lengths.sum())

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._first)

    def batch(self, indices: Tensor) -> Batch:
        """Sequences with these indices (B,)."""
        first, lengths = self._first[indices], self._lengths[indices]
        step = torch.arange(int(lengths.max()))
        frames = torch.minimum(first[:, None] + step, self._last[indices][:, None])
        counted = (step < lengths[:, None]) & self._frames.labelled[frames]
        weight = counted.to(self._frames.states.dtype)
        return self._frames.gather(frames, frames, first, frames, weight)
