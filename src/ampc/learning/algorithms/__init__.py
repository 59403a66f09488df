"""The algorithms by name; a module of this folder that has an `ALGORITHM` is one.

Importing this package imports no algorithm; `algorithm_of` and `algorithms` do.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ampc.errors import SettingsError

if TYPE_CHECKING:
    from ampc.learning.lesson import Lesson
    from ampc.policies.policy import Policy

__all__ = ["Algorithm", "algorithm_names", "algorithm_of", "algorithms"]


@dataclass(frozen=True)
class Algorithm:
    """A way to make a policy of a lesson."""

    name: str
    """Name on the command line: that of its module."""
    summary: str
    """What it does, in a sentence."""
    settings: type[Any]
    """Its settings: a frozen dataclass with defaults for all fields."""
    learn: "Callable[[Lesson, Any, Path, Console | None], Policy]"
    """Learns by such settings, or goes on where an earlier call was stopped; leaves checkpoint, logs and
    policy in the folder, and returns the policy in evaluation mode."""


def algorithm_names() -> tuple[str, ...]:
    """Names of all algorithms, without importing them."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def algorithm_of(name: str) -> Algorithm:
    """The algorithm of a name.

    Raises:
        SettingsError: If there is none.
    """
    if name not in algorithm_names():
        raise SettingsError(f"there is no algorithm {name!r}; choose one of {', '.join(algorithm_names())}")
    found = importlib.import_module(f"{__name__}.{name}").ALGORITHM
    assert isinstance(found, Algorithm)
    return found


def algorithms() -> dict[str, Algorithm]:
    """All of them by name."""
    return {name: algorithm_of(name) for name in algorithm_names()}
