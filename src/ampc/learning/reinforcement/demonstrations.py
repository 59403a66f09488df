"""What the expert showed, as the pairs that learned rewards are made of."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from ampc.arrays import FloatArray
from ampc.episodes.dataset import Dataset
from ampc.errors import DatasetError
from ampc.learning.behaviour_cloning import require_fit
from ampc.learning.windows import Frames
from ampc.policies.features import Features
from ampc.policies.spec import PolicySpec

_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """N steps of the expert; features are those of the policy, not normalised."""

    features: Tensor
    """Of the states (N, F)."""
    actions: Tensor
    """What the expert did there, as part of the command limit, cut to [-1, 1] (N, m)."""
    following: Tensor
    """Features of the states in which an action that begins there would end (N, F)."""
    scale: tuple[FloatArray, FloatArray]
    """Mean and deviation (F,) by which a policy of these demonstrations would normalise them."""

    @classmethod
    def of(cls, dataset: Dataset, spec: PolicySpec, held: int, steps: int = 0) -> "Demonstrations":
        """Take the labelled steps of a dataset.

        A demonstration that ended since the arm had settled goes on with its last step until it is as long as
        an agent's episode: otherwise the expert would seem to be mostly on its way, and an agent that stands
        at its goal as long as its episode lasts would be told from it by that (as absorbing states in
        Kostrikov et al. 2019, arXiv 1809.02925).

        Args:
            dataset: The expert's episodes.
            spec: The policy to make.
            held: Control steps from a state to the one that follows it: those of an agent's action. The
                agent's action is held for them, the expert's goes on changing.
            steps: Control steps of an agent's episode.

        Raises:
            DatasetError: If the dataset is of another robot or control period, or its episodes are shorter
                than an action.
        """
        require_fit(dataset, spec)
        frames = Frames.from_columns(dataset.frames, dataset.episode_starts, dataset.episode_lengths)
        if spec.inputs.needs_reference:
            frames.require_references()
        rows = torch.arange(len(frames.states))
        episode = torch.repeat_interleave(torch.arange(len(frames.lengths)), frames.lengths)
        ends = (frames.starts + frames.lengths)[episode]
        rows = rows[(rows + held < ends) & frames.labelled]
        if len(rows) == 0:
            raise DatasetError(f"no episode of the demonstrations has {held + 1} labelled steps")
        settled = torch.tensor([time is not None for time in dataset.episodes["settled_at"]])
        missing = torch.where(settled, (steps - frames.lengths).clamp(min=0), 0)
        kept, counts = torch.unique_consecutive(episode[rows], return_counts=True)
        lasting = torch.repeat_interleave(rows[counts.cumsum(0) - 1], missing[kept])
        rows = torch.cat([rows, lasting])
        limit = torch.tensor(spec.command_limit)
        actions = (frames.commands[rows] / limit).clamp(-1.0, 1.0)
        features = Features(spec)
        before, after = (_features(features, frames, some) for some in (rows, rows + held))
        features.fit(before)
        scale = features.mean.double().numpy(), features.deviation.double().numpy()
        return cls(before, actions, after, scale)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def digest(self) -> str:
        """Fingerprint, by content."""
        found = hashlib.sha256()
        for part in (self.features, self.actions, self.following):
            found.update(part.numpy().tobytes())
        return found.hexdigest()[:16]


def _features(features: Features, frames: Frames, rows: Tensor) -> Tensor:
    with torch.no_grad():
        parts = [
            features.raw(
                frames.states[some][:, None],
                frames.references[some],
                frames.goals[some],
                frames.past_commands[some][:, None],
            )[:, 0]
            for some in torch.split(rows, _CHUNK)
        ]
    return torch.cat(parts)
