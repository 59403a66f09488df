"""Settings: frozen dataclasses in, TOML and JSON files out, with errors that name the misspelt field."""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import cattrs
from cattrs.gen import make_dict_structure_fn

from ampc.errors import SettingsError

T = TypeVar("T")


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Path, lambda value, _: Path(_expect(value, str, "a path")))
    converter.register_unstructure_hook(Path, str)
    converter.register_structure_hook(str, lambda value, _: _expect(value, str, "a string"))
    converter.register_structure_hook(bool, lambda value, _: _expect(value, bool, "true or false"))
    converter.register_structure_hook(int, lambda value, _: _expect(value, int, "a whole number"))
    converter.register_structure_hook(float, lambda value, _: float(_expect(value, (int, float), "a number")))
    return converter


def _expect(value: Any, kinds: type | tuple[type, ...], what: str) -> Any:
    is_stray_bool = isinstance(value, bool) and kinds is not bool
    if is_stray_bool or not isinstance(value, kinds):
        raise TypeError(f"{value!r} is not {what}")
    return value


def _structure_table(structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda values, kind: structure(_expect(values, dict, "a table of settings"), kind)


_converter = _make_converter()
_converter.register_structure_hook_factory(
    dataclasses.is_dataclass,
    lambda cls: _structure_table(make_dict_structure_fn(cls, _converter, _cattrs_forbid_extra_keys=True)),
)


def to_dict(settings: Any) -> dict[str, Any]:
    """Settings dataclass as nested dict of plain values, ready for JSON."""
    return cast(dict[str, Any], json.loads(json.dumps(_converter.unstructure(settings))))


def from_dict(kind: type[T], values: dict[str, Any], where: str = "settings") -> T:
    """Settings dataclass from a nested dict; fields that are left out keep their defaults.

    Args:
        kind: The dataclass.
        values: Nested dict, as read from TOML or JSON.
        where: Where the values come from, for messages.

    Raises:
        SettingsError: For an unknown field (with the nearest valid name) or a value of the wrong type.
    """
    try:
        return _converter.structure(values, kind)
    except (cattrs.BaseValidationError, cattrs.ForbiddenExtraKeysError, ValueError, TypeError) as error:
        raise SettingsError("\n".join(f"{where}: {line}" for line in _explain(error))) from error


def load_settings(kind: type[T], path: Path) -> T:
    """Settings dataclass from a ``.toml`` or ``.json`` file.

    Raises:
        SettingsError: If the file is missing, cannot be parsed or does not fit the dataclass.
    """
    return from_dict(kind, read_settings_file(path), str(path))


def read_settings_file(path: Path) -> dict[str, Any]:
    """Contents of a ``.toml`` or ``.json`` file as nested dict.

    Raises:
        SettingsError: If the file is missing or cannot be parsed.
    """
    if path.suffix not in (".toml", ".json"):
        raise SettingsError(f"{path}: settings files end in .toml or .json")
    try:
        text = path.read_text()
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise SettingsError(f"cannot read settings file {path}: {error.strerror}") from error
    except ValueError as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise SettingsError(f"{path} is not valid {kind}: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold a table of settings, not a {type(values).__name__}")
    return values


def save_settings(settings: Any, path: Path) -> None:
    """Write a settings dataclass as JSON, all defaults resolved; the file is replaced whole or not at all."""
    draft = path.with_name(f"{path.name}.part")
    draft.write_text(json.dumps(to_dict(settings), indent=2) + "\n")
    draft.replace(path)


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Fields in which two nested dicts differ, as ``field: old -> new``."""
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key, "absent"), new.get(key, "absent")
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            found.append(f"{prefix}{key}: {before} -> {after}")
    return found


def _explain(error: BaseException, path: str = "") -> Iterator[str]:
    """One line a problem, each naming the field by its dotted path."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        valid = [field.name for field in dataclasses.fields(error.cl)]
        for name in sorted(error.extra_fields):
            near = difflib.get_close_matches(name, valid, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"valid fields are {', '.join(valid)}"
            yield f"unknown field {path + name!r}; {hint}"
    elif isinstance(error, cattrs.BaseValidationError):
        for inner in error.exceptions:
            yield from _explain(inner, path + _step(inner))
    else:
        field = path.rstrip(".").replace(".[", "[")
        yield f"{field}: {error}" if field else str(error)


def _step(error: BaseException) -> str:
    """The step from a container to the field or item that an error is about, from cattrs' notes."""
    for note in getattr(error, "__notes__", []):
        if isinstance(note, cattrs.AttributeValidationNote):
            return f"{note.name}."
        if isinstance(note, cattrs.IterableValidationNote):
            return f"[{note.index}]."
    return ""
