"""How far a long job is: a bar on a terminal, a line every few seconds in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 5.0


class EpisodeProgress:
    """Counts episodes and the labels in them."""

    def __init__(self, done: int, console: Console | None = None) -> None:
        """Set up the display.

        Args:
            done: Number of episodes that were there before the job started.
            console: Where to print; None for standard error.
        """
        self.console = console or Console(stderr=True)
        self._total = done
        self._episodes = self._done = done
        self._labels = 0
        self._started = self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("collect"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("episodes  {task.fields[rate]} labels/s"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("collect", total=done, completed=done, rate="-")

    @property
    def began(self) -> bool:
        """Whether episodes were made."""
        return self._episodes > self._done

    def expect(self, total: int) -> None:
        """Take the number of episodes that the job will have when it is done, as far as is known."""
        self._total = total
        self._bar.update(self._task, total=total)

    @property
    def summary(self) -> str:
        """What was done so far, in one line."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        return (
            f"{self._episodes:,} of {self._total:,} episodes, {self._labels:,} new labels in {seconds:.1f} s "
            f"({self._labels / seconds:,.0f} labels/s)"
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def add(self, episodes: int, labels: int) -> None:
        """Count newly stored episodes and their rows."""
        self._episodes += episodes
        self._labels += labels
        now = time.monotonic()
        rate = self._labels / max(now - self._started, 1e-9)
        self._bar.update(self._task, completed=self._episodes, rate=f"{rate:,.0f}")
        if not self.console.is_terminal and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            new = self._episodes - self._done
            left = (self._total - self._episodes) * (now - self._started) / new
            self.say(f"collect: {self.summary}, {left:.0f} s left")

    def say(self, line: str) -> None:
        """Print a line above the bar, or to the log."""
        self.console.print(line, highlight=False, soft_wrap=True)
