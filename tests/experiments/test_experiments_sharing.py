"""Sharing equal parts of records: nothing is lost, and what is repeated is written once."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ampc.experiments.sharing import SHORTEST, share

leaves = st.none() | st.booleans() | st.integers() | st.text("ab", max_size=SHORTEST)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("cd", max_size=2), inner),
    max_leaves=8,
)


def restore(value: Any, parts: dict[str, Any]) -> Any:
    if isinstance(value, str) and value in parts:
        return restore(parts[value], parts)
    if isinstance(value, list):
        return [restore(each, parts) for each in value]
    if isinstance(value, dict):
        return {key: restore(each, parts) for key, each in value.items()}
    return value


@given(st.lists(values, min_size=1, max_size=3), st.integers(1, 3))
def test_nothing_is_lost(found: list[Any], repeated: int) -> None:
    records = {f"{i} {j}": {"settings": value} for i, value in enumerate(found) for j in range(repeated)}
    shared, parts = share(records)
    assert restore(shared, parts) == records


def test_what_cells_have_in_common_is_written_once() -> None:
    robot = {"kind": "Robot", "source": "x" * SHORTEST}
    setup = {"kind": "Setup", "robot": robot, "plant": "y" * SHORTEST}
    records = {str(i): {"seed": i, "setup": setup, "robot": robot} for i in range(5)}
    shared, parts = share(records)
    assert json.dumps([shared, parts]).count("x" * SHORTEST) == 1
    assert json.dumps([shared, parts]).count("y" * SHORTEST) == 1
    assert shared["0"]["setup"] == shared["4"]["setup"]
    assert parts[shared["0"]["setup"]]["robot"] == shared["0"]["robot"]


def test_short_and_single_parts_stay_where_they_are() -> None:
    records = {"a": {"short": {"n": 1}, "long": {"text": "x" * SHORTEST}}, "b": {"short": {"n": 1}}}
    assert share(records) == (records, {})
