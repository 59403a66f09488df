"""Policies taught by DAgger, as cells."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ampc.episodes.dataset import Dataset
from ampc.episodes.setup import EpisodeSetup
from ampc.experiments.cell import Store
from ampc.experiments.rigid.policies import ONNX_FILE, PolicyCell, specify
from ampc.export.onnx import export_onnx
from ampc.learning.dagger import Teaching, dagger
from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import TrainingSettings
from ampc.policies.spec import InputSettings, NetworkSettings


@dataclass(frozen=True)
class DaggerPolicy(PolicyCell):
    """A policy that has asked an expert about the states that it came to itself."""

    teaching: Teaching
    """Expert, plant and tasks."""
    training: TrainingSettings
    """How the last round is trained, its seed included."""
    dagger: DaggerSettings
    """How many labels, in how many rounds."""
    inputs: InputSettings = field(default_factory=InputSettings)
    """What it sees."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """The network."""

    @property
    def setup(self) -> EpisodeSetup:
        """Whom it imitates, and on which plant."""
        assert isinstance(self.teaching.setup, EpisodeSetup)
        return self.teaching.setup

    def run(self, folder: Path, store: Store) -> dict[str, Any]:
        """Teach and export."""
        spec = specify(self.setup, self.inputs, self.network)
        alone = replace(self.teaching, collection=replace(self.teaching.collection, workers=1))
        policy = dagger(alone, spec, self.training, self.dagger, folder, Console(quiet=True))
        export_onnx(policy, folder / ONNX_FILE)
        window = float(self.inputs.history)
        if policy.window is not None:
            last = Dataset.open(folder / "rounds" / str(self.dagger.rounds) / "dataset")
            states = torch.tensor(last.frames["observation.state"], dtype=torch.float32)[:, None]
            window = float(policy.window.lengths(states).mean())
        return {"validation_loss": policy.spec.training["validation_loss"], "mean_window": window}
