import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampc.errors import SettingsError
from ampc.settings import differences, from_dict, load_settings, save_settings, to_dict


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    shape: Literal["round", "square"] = "round"
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    path: Path | None = None
    limit: float | None = None
    verbose: bool = False
    count: int = 3
    name: str = "x"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise SettingsError(f"count must be at least 0, not {self.count}")


@given(
    st.builds(
        Outer,
        inner=st.builds(
            Inner,
            rate=st.floats(allow_nan=False, allow_infinity=False),
            shape=st.sampled_from(["round", "square"]),
            sizes=st.lists(st.integers(-5, 5)).map(tuple),
        ),
        path=st.none() | st.just(Path("a/b")),
        limit=st.none() | st.floats(0, 9),
        verbose=st.booleans(),
        count=st.integers(0, 9),
        name=st.text(),
    )
)
def test_settings_survive_a_round_trip_through_json(settings: Outer) -> None:
    assert from_dict(Outer, json.loads(json.dumps(to_dict(settings)))) == settings


def test_toml_file_with_some_fields_keeps_the_other_defaults(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('count = 7\n[inner]\nrate = 2\nshape = "square"\n')
    assert load_settings(Outer, file) == Outer(inner=Inner(rate=2.0, shape="square"), count=7)


def test_saved_settings_are_loaded_again(tmp_path: Path) -> None:
    save_settings(Outer(count=5), tmp_path / "s.json")
    assert load_settings(Outer, tmp_path / "s.json") == Outer(count=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner": {"rat": 1.0}}, r"unknown field 'inner.rat'; did you mean 'rate'"),
        ({"zzz": 1}, r"unknown field 'zzz'; valid fields are inner, path"),
        ({"count": "many"}, r"count: 'many' is not a whole number"),
        ({"count": True}, r"count: True is not a whole number"),
        ({"inner": {"sizes": [1, "two"]}}, r"inner\.sizes\[1\]: 'two' is not a whole number"),
        ({"inner": {"shape": "oval"}}, r"inner\.shape: .*oval"),
        ({"inner": 3}, r"inner: 3 is not a table of settings"),
        ({"limit": "high"}, r"limit"),
        ({"count": -1}, r"count must be at least 0, not -1"),
    ],
)
def test_wrong_settings_name_the_field(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        from_dict(Outer, values)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read settings file .*none\.toml"):
        load_settings(Outer, tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("count = = 3")
    with pytest.raises(SettingsError, match=r"broken\.toml is not valid TOML"):
        load_settings(Outer, broken)
    with pytest.raises(SettingsError, match=r"end in \.toml or \.json"):
        load_settings(Outer, tmp_path / "settings.yaml")


def test_differences_are_listed_by_dotted_name() -> None:
    old, new = to_dict(Outer()), to_dict(Outer(inner=Inner(rate=1.0), count=4))
    assert differences(old, new) == ["count: 3 -> 4", "inner.rate: 0.5 -> 1.0"]
    assert differences(old, old) == []
