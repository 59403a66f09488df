"""A remark about a robot model, in plain words."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """Something that a user should know about a robot model."""

    severity: Literal["error", "warning", "info"]
    """``error``: cannot be used as it is; ``warning``: can be lived with; ``info``: good to know."""
    subject: str
    """What it is about, such as ``joint 'elbow'``."""
    message: str
    """What is wrong, and what would be right."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"
