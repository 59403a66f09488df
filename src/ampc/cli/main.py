"""Parsing, help and errors of the command line."""

import argparse
import dataclasses
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ampc import __version__
from ampc.cli import verbs
from ampc.cli.distill_flexible import DistillFlexible, distill_flexible, is_flexible
from ampc.cli.options import (
    Bench,
    Check,
    Collect,
    Dataset,
    Distill,
    Evaluate,
    Export,
    Report,
    Reproduce,
    Simulate,
    Train,
)
from ampc.cli.safety import Certify, Margins, certify, margins
from ampc.cli.simulate import simulate
from ampc.cli.teach import is_lesson, teach
from ampc.errors import AmpcError
from ampc.experiments import preset
from ampc.runs import Run, RunSettings
from ampc.settings import from_dict, read_settings_file, to_dict

Beginning = TypeVar("Beginning", bound=Distill)

VERBS: dict[str, tuple[type[Any], Callable[..., int]]] = {
    "check": (Check, verbs.check),
    "simulate": (Simulate, simulate),
    "distill": (Distill, verbs.distill),
    "collect": (Collect, verbs.collect),
    "train": (Train, verbs.train),
    "export": (Export, verbs.export),
    "evaluate": (Evaluate, verbs.evaluate),
    "report": (Report, verbs.report),
    "certify": (Certify, certify),
    "margins": (Margins, margins),
    "dataset": (Dataset, verbs.dataset),
    "bench": (Bench, verbs.bench),
    "reproduce": (Reproduce, verbs.reproduce),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        Exit status: 0 if it did its job, 1 if a check failed, 2 for an error, 130 for Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    console, errors = Console(), Console(stderr=True, highlight=False, soft_wrap=True)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        _print_help(console)
        return 0
    verb, *rest = arguments
    if verb in ("--version", "version"):
        console.print(f"ampc {__version__}", highlight=False)
        return 0
    if verb not in VERBS:
        errors.print(f"[bold red]error:[/] unknown verb {verb!r}; choose one of {', '.join(VERBS)}")
        return 2
    try:
        if verb == "distill" and is_flexible(rest):
            options = tyro.cli(DistillFlexible, args=rest, prog="ampc distill flexible-arm")
            return distill_flexible(options, console)
        if verb == "train" and is_lesson(rest):
            return teach(rest, console)
        return VERBS[verb][1](_parse(verb, rest), console)
    except AmpcError as error:
        errors.print("[bold red]error:[/]", escape("\n".join([str(error), *getattr(error, "__notes__", [])])))
        return 2
    except OSError as error:  # a full disk, a folder without permission
        errors.print("[bold red]error:[/]", escape(str(error)))
        return 2
    except KeyboardInterrupt:
        errors.print("stopped; what is finished is kept, and the same command goes on")
        return 130


def _parse(verb: str, arguments: list[str]) -> Any:
    """Options of a verb; their defaults come from a preset, a settings file or the run's own settings."""
    kind, program = VERBS[verb][0], f"ampc {verb}"
    if issubclass(kind, Distill):
        return _parse_beginning(kind, program, arguments)
    default = None
    folder = next((Path(word) for word in arguments if Path(word, "settings.json").exists()), None)
    if kind in (Train, Evaluate) and folder is not None:
        stored = Run.open(folder).settings
        default = kind(folder, stored.learning if kind is Train else stored.evaluation)
    return tyro.cli(kind, args=arguments, prog=program, default=default)


def _parse_beginning(kind: type[Beginning], program: str, arguments: list[str]) -> Beginning:
    """Options of a verb that begins a run: --preset and --settings set the defaults of the others."""
    parser = argparse.ArgumentParser(prog=program, add_help=False, allow_abbrev=False)
    parser.add_argument("--preset")
    parser.add_argument("--settings", type=Path)
    known, rest = parser.parse_known_args(arguments)
    settings = preset(known.preset) if known.preset else RunSettings()
    if known.settings is not None:
        values = _merge(to_dict(settings), read_settings_file(known.settings))
        settings = from_dict(RunSettings, values, str(known.settings))
    found = tyro.cli(kind, args=rest, prog=program, default=kind(tyro.MISSING, tyro.MISSING, settings))
    robot = dataclasses.replace(found.settings.robot, source=found.robot)
    return dataclasses.replace(found, settings=dataclasses.replace(found.settings, robot=robot))


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _print_help(console: Console) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for verb, (kind, _) in VERBS.items():
        table.add_row(f"[bold]{verb}[/]", (inspect.getdoc(kind) or "").partition("\n\n")[0])
    console.print(f"[bold]ampc {__version__}[/]: from a slow MPC to a fast, measured, exported policy\n")
    console.print(escape("usage: ampc VERB [options]      (ampc VERB --help lists them)\n"))
    console.print(table)
    console.print("\nfirst steps:")
    console.print("  ampc check my_arm.xml")
    console.print("  ampc distill my_arm.xml --preset quick --out runs/mine")
