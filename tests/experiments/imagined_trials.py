"""Results of trials that were never run: distances that depend on controller, seed and plant alone."""

from pathlib import Path
from typing import Any

import numpy as np

from ampc.experiments.cell import Cell, Store
from ampc.experiments.flexible.trial import TRACES, FlexibleTrial

STEP = {"NMPC": 2e-3, "BC": 2e-5, "DAgger": 1e-5}
"""Time of every control step [s]."""
DISTANCE = {"NMPC": 0.001, "BC": 0.3, "DAgger": 0.003}
"""Of the first task [m]; each further task ends 1 % farther away, and each further seed twice as far."""


class ImaginedTrials(Store):
    """Stands for a store of finished cells; the plant with less stiffness doubles all distances."""

    def values(self, cell: Cell) -> dict[str, Any]:
        """Episodes of a trial; what policies and films leave behind."""
        if not isinstance(cell, FlexibleTrial):
            return {"labels": 1000, "validation loss": 1e-4, "reason": "nobody was there"}
        return {"episodes": [each for own in cell.contestants for each in self._of(own.name, cell)]}

    def _of(self, name: str, cell: FlexibleTrial) -> list[dict[str, Any]]:
        """Episodes of a contestant."""
        kind, _, seed = name.partition(" ")
        first = DISTANCE.get(kind, DISTANCE["NMPC"]) * 2.0 ** (int(seed or 0) if kind in STEP else 0)
        first *= 2.0 if cell.tasks.stiffness_scale < 1.0 else 1.0
        tasks = range(cell.tasks.first, cell.tasks.first + cell.tasks.count)
        return [self._episode(name, first * 1.01 ** (index % 100), index) for index in tasks]

    @staticmethod
    def _episode(name: str, distance: float, index: int) -> dict[str, Any]:
        """Every tenth episode of a policy enters an obstacle."""
        violates = name.startswith(("BC", "DAgger")) and index % 10 == 0
        return {
            "contestant": name, "distance": distance, "distance 1.5 s": 2.0 * distance,
            "distance 3 s": distance, "settled": distance < 0.01, "violating samples": 7 * violates,
            "depth": 0.01 * violates, "elbow in wall": 7 * violates, "fast samples": 0, "largest speed": 1.0,
            "torque variation": 50.0, "torque at limit": 0.0, "fallback steps": 0, "first solve": 0.01,
            "t 5 cm": 100.0 * distance, "d 5 cm": 200.0 * distance,
        }  # fmt: skip

    def folder(self, cell: Cell) -> Path:
        """A folder with the traces of a trial."""
        folder = super().folder(cell)
        if isinstance(cell, FlexibleTrial) and not (folder / TRACES).exists():
            folder.mkdir(parents=True)
            kept: dict[str, np.ndarray] = {}
            for name in (each.name for each in cell.contestants):
                steps = np.full((cell.tasks.count, 5), STEP.get(name.split(" ")[0], STEP["NMPC"]), np.float32)
                kept |= {f"{name}/step": steps, f"{name}/solve": steps}
                kept[f"{name}/error"] = np.geomspace(1.0, 1e-3, 751)[None].repeat(cell.tasks.count, 0)
                for share in ("speed", "torque"):
                    kept[f"{name}/{share}"] = np.full((cell.tasks.count, 751, 3), 0.5)
            np.savez(folder / TRACES, **kept)  # type: ignore[arg-type]
        return folder

    def seconds(self, cell: Cell) -> float:
        """Wall time of a cell [s]."""
        return 60.0
