"""Policies that learn from chosen labels, as cells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampc.episodes.setup import EpisodeSetup
from ampc.experiments.cell import Store
from ampc.experiments.rigid.demonstrations import Demonstrations
from ampc.experiments.rigid.policies import ONNX_FILE, PolicyCell, specify
from ampc.export.onnx import export_onnx
from ampc.learning.label_efficiency import LabelSettings, learn_from_labels
from ampc.learning.windows import Frames
from ampc.policies.spec import InputSettings, NetworkSettings


@dataclass(frozen=True)
class LabelledPolicy(PolicyCell):
    """A policy from so many labels of states that demonstrations have visited."""

    pool: Demonstrations
    """Where the states come from; of their commands only as many are read as there are labels."""
    labels: LabelSettings
    """How many labels, which, and how they are learned from."""
    inputs: InputSettings
    """What the policy sees."""

    @property
    def setup(self) -> EpisodeSetup:
        """Whom it imitates, and on which plant."""
        return self.pool.setup

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Ask, train and export."""
        dataset = self.pool.open(store.folder(self.pool))
        frames = Frames.from_columns(dataset.frames, dataset.episode_starts, dataset.episode_lengths)
        spec = specify(self.setup, self.inputs, NetworkSettings())
        policy = learn_from_labels(frames, spec, self.setup.controller.mpc, self.labels)
        export_onnx(policy, folder / ONNX_FILE)
        return {"labels": policy.spec.training["labels"], "pool": len(dataset)}
