"""Running a study: what is missing of its cells, then its tables and figures."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ampc.errors import AmpcError, SettingsError
from ampc.experiments.cell import Cell, Store, run_cell
from ampc.experiments.study import Findings, Study
from ampc.experiments.writing import write_study
from ampc.workers import count_cores, run_in_processes


def reproduce(
    studies: Sequence[Study],
    store: Store,
    output: Path,
    quick: bool = False,
    workers: int | None = None,
    console: Console | None = None,
    only: Sequence[str] = (),
) -> dict[str, Findings]:
    """Run studies one after the other; what is finished already is not run again.

    Args:
        studies: What to run.
        store: Where finished cells are kept.
        output: Receives a folder of tables and figures for each study.
        quick: Run the small versions.
        workers: Cells at a time, where the study has no say in it; None for one a core.
        console: Where progress is shown.
        only: Run nothing but the cells whose names begin with one of these patterns, and make tables of all
            that are finished by then; for studies with `Study.within` alone. All cells without patterns.

    Returns:
        What each study has found.

    Raises:
        SettingsError: If a study needs all of its cells.
        AmpcError: If cells have failed, after everything that does not need them; what is finished is kept.
    """
    if only and (whole := [study.name for study in studies if study.within is None]):
        raise SettingsError(f"the study {whole[0]!r} needs all of its cells; leave out `only`")
    console = console or Console()
    found: dict[str, Findings] = {}
    failed: list[str] = []
    for study in studies:
        console.rule(f"[bold]{study.name}[/]: {study.title}")
        cells = study.cells(quick)
        folder = output / study.name
        if study.core_minutes is not None and not quick:
            console.print(f"about {_duration(study.core_minutes)} of one core for all of it", highlight=False)
        try:
            run_cells(_chosen(cells, only), store, study.workers or workers or count_cores(), console)
            if only:
                cells = {name: cell for name, cell in cells.items() if store.is_finished(cell)}
            found[study.name] = study.findings(cells, store)
            write_study(folder, study, cells, store, found[study.name], quick)
        except AmpcError as error:
            console.print(f"[bold red]{study.name} has failed:[/] {escape(str(error))}")
            failed.append(study.name)
            continue
        except Exception:  # a bug in one study must not cost the others
            console.print_exception()
            failed.append(study.name)
            continue
        console.print(f"{study.name}: [bold]{folder}[/]", soft_wrap=True)
    if failed:
        raise AmpcError(f"no results of {', '.join(failed)}; see above. The same command goes on there")
    return found


def tell_left_out(studies: Sequence[Study], console: Console) -> None:
    """Say which studies have to be asked for, and how long they take."""
    for study in studies:
        console.print(
            f"left out: {study.name}, about {_duration(study.core_minutes or 0.0)} of one core; "
            f"--study {study.name} runs it, --all everything",
            highlight=False,
        )


def _duration(minutes: float) -> str:
    return f"{minutes / 60.0:.1f} hours" if minutes > 90.0 else f"{minutes:.0f} minutes"


def _chosen(cells: Mapping[str, Cell], only: Sequence[str]) -> dict[str, Cell]:
    """Cells whose names begin with one of the patterns; all without patterns.

    Raises:
        SettingsError: If there is none for a pattern.
    """
    for pattern in only:
        if not any(fnmatchcase(name, f"{pattern}*") for name in cells):
            raise SettingsError(f"no cell begins with {pattern!r}; they are {', '.join(cells)}")
    return {
        name: cell
        for name, cell in cells.items()
        if not only or any(fnmatchcase(name, f"{pattern}*") for pattern in only)
    }


def run_cells(cells: Mapping[str, Cell], store: Store, workers: int, console: Console) -> None:
    """Run what is missing of some cells and of all that they need, each once its ingredients are there.

    Raises:
        AmpcError: If cells have failed, after all that do not need them.
    """
    everything = with_ingredients(cells)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cells"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("cells", total=len(everything))
        while True:
            missing = {name: cell for name, cell in everything.items() if not store.is_finished(cell)}
            progress.update(bar, completed=len(everything) - len(missing))
            failures: dict[str, AmpcError] = {}
            for name, error in _execute(missing, store, workers):
                if error is not None:
                    failures[name] = error
                    continue
                progress.console.print(f"{name}: {store.seconds(everything[name]):.0f} s", highlight=False)
                progress.advance(bar)
            if not any(store.is_finished(everything[name]) for name in failures):
                break  # otherwise another process has finished some, and others may be waiting for those
    if failures:
        raise AmpcError("\n".join(map(str, failures.values())))


def with_ingredients(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """The cells and all that they need, each once, ingredients first and named after their first user."""
    found: dict[str, Cell] = {}
    seen: set[str] = set()

    def visit(name: str, cell: Cell) -> None:
        if cell.key not in seen:
            seen.add(cell.key)
            for ingredient in cell.ingredients:
                visit(f"{type(ingredient).__name__} of {name}", ingredient)
            found[f"{name} ({cell.key[:6]})" if name in found else name] = cell

    for name, cell in cells.items():
        visit(name, cell)
    return found


def _execute(missing: dict[str, Cell], store: Store, workers: int) -> Iterator[tuple[str, AmpcError | None]]:
    """Run cells as soon as their ingredients are finished; what each has come to."""
    waiting = dict(missing)

    def ready() -> list[tuple[str, Cell, Store]]:
        names = [name for name, cell in waiting.items() if all(map(store.is_finished, cell.ingredients))]
        return [(name, waiting.pop(name), store) for name in names]

    yield from run_in_processes(run_cell, ready(), workers, follow=lambda _: ready())
