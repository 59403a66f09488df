"""How fast each architecture trains: samples per second, and 100 epochs of 100,000 samples extrapolated.

Time depends on shapes, not on values, so that random frames with episodes as long as real ones will do.

    python benchmarks/training.py [--samples 20000] [--threads 1] [--output training.json]
"""

import csv
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from ampc.learning import TrainingSettings
from ampc.learning.behaviour_cloning import make_samples, train_on_frames
from ampc.learning.windows import Frames
from ampc.policies import InputSettings, NetworkSettings, PolicySpec
from ampc.policies.spec import Architecture
from ampc.provenance import save_result


@dataclass(frozen=True)
class Options:
    """What to measure."""

    architectures: tuple[Architecture, ...] = ("ffn", "lstm", "gru", "transformer")
    """Networks, in their default sizes."""
    samples: int = 20_000
    """Samples of the timed epochs."""
    epochs: int = 3
    """Epochs to time, after a first one that warms up; the fastest counts."""
    episode_length: int = 24
    """Frames of an episode; recurrent networks train on whole episodes."""
    joints: int = 3
    """Joints of the arm."""
    history: int = 10
    """Entries of a window."""
    threads: int = 1
    """Threads of one training."""
    output: Path | None = None
    """JSON file for the figures."""


@dataclass(frozen=True)
class Row:
    """Speed of one architecture."""

    architecture: Architecture
    """The network."""
    parameters: int
    """Its weights."""
    epoch_seconds: float
    """Time of one epoch, validation included [s]."""
    epochs_per_second: float
    """Its inverse, for the samples that were timed [1/s]."""
    samples_per_second: float
    """Samples of the dataset per second, an extension at rest not counted [1/s]."""
    labels_per_second: float
    """Labels per second, with that extension [1/s]."""
    minutes_for_100_epochs: float
    """Extrapolated to 100 epochs of 100,000 samples [min]."""


def main(options: Options) -> None:
    """Print the table and, if asked, write it down."""
    rows = [measure(architecture, options) for architecture in options.architectures]
    table = Table(title=f"Training, {options.threads} threads, torch {torch.__version__}")
    for heading in ("network", "weights", "epochs/s", "samples/s", "labels/s", "100 epochs of 100k [min]"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.architecture,
            f"{row.parameters:,}",
            f"{row.epochs_per_second:.2f}",
            f"{row.samples_per_second:,.0f}",
            f"{row.labels_per_second:,.0f}",
            f"{row.minutes_for_100_epochs:.1f}",
        )
    Console().print(table)
    if options.output is not None:
        content = {
            "options": {**asdict(options), "output": str(options.output)},
            "torch": torch.__version__,
            "rows": [asdict(row) for row in rows],
        }
        save_result(options.output, content)


def measure(architecture: Architecture, options: Options) -> Row:
    """Train on random frames and read the times from the log."""
    n = options.joints
    spec = PolicySpec(
        robot="random",
        robot_fingerprint="random",
        joint_names=tuple(f"joint{i}" for i in range(n)),
        actuated=tuple(range(n)),
        control_period=0.05,
        command_limit=(10.0,) * n,
        inputs=InputSettings(history=options.history),
        network=NetworkSettings(architecture).resolved(),
    )
    settings = TrainingSettings(
        epochs=options.epochs + 1, patience=options.epochs + 1, threads=options.threads
    )
    frames = random_frames(options)
    with tempfile.TemporaryDirectory() as folder:
        policy = train_on_frames(frames, spec, settings, Path(folder), Console(quiet=True))
        with (Path(folder) / "training.csv").open() as file:
            seconds = min(float(entry["seconds"]) for entry in list(csv.DictReader(file))[1:])
    n_episodes = len(frames.lengths)
    labels = make_samples(frames, np.arange(n_episodes), spec, settings).n_frames
    samples = n_episodes * options.episode_length
    return Row(
        architecture=architecture,
        parameters=sum(parameter.numel() for parameter in policy.parameters()),
        epoch_seconds=seconds,
        epochs_per_second=1.0 / seconds,
        samples_per_second=samples / seconds,
        labels_per_second=labels / seconds,
        minutes_for_100_epochs=100 * 100_000 / samples * seconds / 60,
    )


def random_frames(options: Options) -> Frames:
    """Episodes that end at rest, otherwise without meaning."""
    rng = np.random.default_rng(0)
    n_episodes = max(2, options.samples // options.episode_length)
    lengths = np.full(n_episodes, options.episode_length)
    rows, n = int(lengths.sum()), options.joints
    states = rng.standard_normal((rows, 2 * n))
    states[options.episode_length - 1 :: options.episode_length, n:] = 0.0
    columns = {
        "observation.state": states,
        "observation.reference": rng.standard_normal((rows, n)),
        "observation.goal": rng.standard_normal((rows, 3)),
        "action": rng.standard_normal((rows, n)),
    }
    return Frames.from_columns(columns, np.cumsum(lengths) - lengths, lengths)


if __name__ == "__main__":
    main(tyro.cli(Options))
