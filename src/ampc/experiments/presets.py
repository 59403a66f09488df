"""Run settings by name: a first look, and the specification's protocol in full."""

import dataclasses
from difflib import get_close_matches
from typing import Literal, cast

from ampc.episodes.collection import CollectionSettings
from ampc.errors import SettingsError
from ampc.learning import training_preset
from ampc.runs.settings import EvaluationSettings, LearningSettings, RunSettings

PresetName = Literal["quick", "full"]

PRESETS: dict[str, RunSettings] = {
    "quick": RunSettings(
        collection=CollectionSettings(episodes=2500),
        learning=LearningSettings(training=training_preset("short")),
        evaluation=EvaluationSettings(tasks_per_region=200),
    ),
    "full": RunSettings(
        collection=CollectionSettings(episodes=5000),
        learning=LearningSettings(
            architectures=("ffn", "lstm", "gru", "transformer"),
            seeds=(0, 1, 2),
            training=dataclasses.replace(training_preset("paper"), max_samples=100_000),
        ),
        evaluation=EvaluationSettings(tasks_per_region=1000),
    ),
}
"""``quick``: one feed-forward policy in a few minutes, to see the whole way. ``full``: the specification's
protocol, 100,000 samples of 5,000 episodes, four architectures with three seeds each, 1,000 tasks in each
region: more than an hour on two cores."""


def preset(name: str) -> RunSettings:
    """Settings of that name.

    Raises:
        SettingsError: If there are none.
    """
    return PRESETS[require_preset(name)]


def require_preset(name: str) -> PresetName:
    """A name, if it is that of a preset.

    Raises:
        SettingsError: If it is not; the message says which was meant.
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(PRESETS)}"
        raise SettingsError(f"unknown preset {name!r}; {hint}")
    return cast(PresetName, name)
