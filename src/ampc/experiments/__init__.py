"""Ready-made runs by name, and studies: cells that are kept on disk, tables and figures made of them."""

from ampc.experiments.cell import Cell, Store
from ampc.experiments.presets import PRESETS, PresetName, preset, require_preset
from ampc.experiments.reproduce import reproduce, tell_left_out
from ampc.experiments.study import Budget, Findings, Study, choose, studies_of

__all__ = [
    "PRESETS",
    "Budget",
    "Cell",
    "Findings",
    "PresetName",
    "Store",
    "Study",
    "choose",
    "preset",
    "reproduce",
    "require_preset",
    "studies_of",
    "tell_left_out",
]
