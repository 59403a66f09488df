"""Records that hold the same parts many times, with each part written once."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

SHORTEST = 120
"""Length as text from which on a part is worth a reference."""


def share(records: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put references in the place of objects that occur more than once.

    Args:
        records: Plain values by name.

    Returns:
        The records, where an object that is found elsewhere too is a text ``@NAME``; and those objects by
        that text. They refer to each other in the same way.
    """
    times: Counter[str] = Counter()
    _count(records, times)
    parts: dict[str, Any] = {}
    return {name: _refer(value, times, parts) for name, value in records.items()}, parts


def _count(value: Any, times: Counter[str]) -> None:
    if isinstance(value, dict):
        text = _text(value)
        times[text] += 1
        if times[text] > 1:
            return
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _count(each, times)


def _refer(value: Any, times: Counter[str], parts: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_refer(each, times, parts) for each in value]
    if not isinstance(value, dict):
        return value
    text = _text(value)
    is_shared = times[text] > 1 and len(text) >= SHORTEST
    name = "@" + hashlib.sha256(text.encode()).hexdigest()[:10]
    if is_shared and name in parts:
        return name
    whole = {key: _refer(each, times, parts) for key, each in value.items()}
    if not is_shared:
        return whole
    parts[name] = whole
    return name


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
