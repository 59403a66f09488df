"""Ready-made runs: what to run, no machinery."""

from ampc.experiments.presets import PRESETS, PresetName, preset

__all__ = ["PRESETS", "PresetName", "preset"]
