"""Progress of one piece of work on the terminal of stderr: a bar, the step at hand, and the time.

It is drawn only where stderr is a terminal; stdout is left to results.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cornerman_shared.text import clean_text


class WorkBar:
    """A bar that is gone when the work is done.

    Args:
        what: the work, a few words.
        quiet: draw nothing, even on a terminal.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[now]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task(clean_text(what), total=None, now="")

    def __enter__(self) -> WorkBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, now: str, done: float | None = None, of: float | None = None) -> None:
        """Shows the step at hand.

        Args:
            now: a few words.
            done: how much of the work is done, in any unit; None = as before.
            of: how much there is; None = as before, unknown at first.
        """
        self._progress.update(self._task, now=clean_text(now), completed=done, total=of)

    def count(self, done: int, of: int, unit: str) -> None:
        """Says that `done` of `of` units, named in the plural, are done."""
        self.show(f"{done} of {of} {unit}", done, of)
