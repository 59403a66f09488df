"""Studies: a question, the cells that answer it, and what is made of their results."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ampc.errors import SettingsError
from ampc.experiments.cell import Cell, Store

Arm = Literal["rigid", "flexible"]
Value = str | float | int | bool | None
Row = Mapping[str, Value]
LONG = 120.0
"""Minutes of one core from which a study is run only if it is asked for."""


@dataclass(frozen=True)
class Findings:
    """What a study has found, ready to be written."""

    tables: Mapping[str, Sequence[Row]]
    """Rows of each table by its name; all rows of a table have the same columns."""
    figures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG images by name."""
    notes: Sequence[str] = ()
    """Sentences above the tables: what was compared on what, and what stands out."""
    films: Mapping[str, bytes] = field(default_factory=dict)
    """MP4 films by name."""


@dataclass(frozen=True)
class Budget:
    """How much of a long study is to be done."""

    seeds: int | None = None
    """Number of training seeds; None for the study's own."""
    steps: int | None = None
    """Control steps that each agent drives; None for the study's own."""

    def __post_init__(self) -> None:
        for name in ("seeds", "steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"{name} is {value}; it must be at least 1")


@dataclass(frozen=True)
class Study:
    """A frozen description of an experiment; adding one means adding one module that has a `STUDY`."""

    name: str
    """Name on the command line and of its folder."""
    title: str
    """What it is about, in a few words."""
    question: str
    """What it answers, in a sentence or two."""
    cells: Callable[[bool], Mapping[str, Cell]]
    """Cells by name; True asks for a small version that is done in a minute or two."""
    findings: Callable[[Mapping[str, Cell], Store], Findings]
    """Tables and figures from finished cells, a pure function."""
    workers: int | None = None
    """Cells at a time; None for one a core, 1 where time is measured."""
    core_minutes: float | None = None
    """Time of one core that all of it takes [min]; None where nobody has said."""
    within: Callable[[Budget], "Study"] | None = None
    """The same study with another budget; of such studies, `findings` makes do with cells that are there."""

    @property
    def long(self) -> bool:
        """Whether it is run only if it is asked for."""
        return self.core_minutes is not None and self.core_minutes > LONG


def studies_of(arm: Arm) -> dict[str, Study]:
    """All studies of an arm by name, in the order of their modules' names."""
    package = importlib.import_module(f"ampc.experiments.{arm}")
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    found = [
        getattr(importlib.import_module(f"{package.__name__}.{name}"), "STUDY", None) for name in modules
    ]
    return {study.name: study for study in found if study is not None}


def choose(arm: Arm, names: Sequence[str], budget: Budget | None = None) -> list[Study]:
    """Studies of an arm by name, all if no name is given; within a budget, where there is one.

    Raises:
        SettingsError: If there is no study of a name, or one has no choice of a budget.
    """
    studies = studies_of(arm)
    unknown = [name for name in names if name not in studies]
    if unknown:
        raise SettingsError(f"the {arm} arm has no study {unknown[0]!r}; choose from {', '.join(studies)}")
    found = [studies[name] for name in (names or studies)]
    if budget is None or budget == Budget():
        return found
    if fixed := [study.name for study in found if study.within is None]:
        raise SettingsError(f"the study {fixed[0]!r} has no choice of seeds and steps; name one that has")
    return [study.within(budget) for study in found if study.within is not None]
