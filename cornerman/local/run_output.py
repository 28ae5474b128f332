"""What a person or a program sees of a run: JSON lines on stdout, or text, a progress bar and notes. Decides
nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from cornerman.local.event_lines import Line, clock
from cornerman.local.summary import Tally, summary_line
from cornerman_shared.redact import redact_url

WIDE: Final = 120  # columns, where no terminal says how many

STYLES: Final = {"feedback": "green", "correct": "bold yellow", "error": "bold red", "next": "dim"}


class RunOutput:
    """Output of one command.

    Args:
        as_json: results as JSON objects on stdout, one a line; everything else on stderr.
        many: more than one source, so that text lines say which. May be changed.
        progress: show a bar for each source, if there is a terminal to show it on.
    """

    def __init__(self, *, as_json: bool, many: bool = False, progress: bool = True) -> None:
        self.as_json = as_json
        self.many = many
        self._out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDE)
        self._err = Console(stderr=True, soft_wrap=True, highlight=False)
        # A bar and lines must go through one console. As JSON goes past it, the bar needs stderr for itself.
        self._console = self._err if as_json else self._out
        visible = self._console.is_terminal and not (as_json and sys.stdout.isatty())
        self._progress = (
            Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                _Bar(bar_width=24),
                TextColumn("{task.fields[told]}", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            if visible and progress
            else None
        )
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> RunOutput:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def line(self, line: Line) -> None:
        """One result."""
        if self.as_json:
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            return
        shown = self._text(line)
        if shown is not None:
            self._out.print(shown)

    def _text(self, line: Line) -> Text | None:
        kind = line["type"]
        who = f"{line['source_id']}  " if self.many else ""
        if line.get("silent"):
            return None
        if kind == "feedback":
            text = Text.assemble((f"{clock(line['pts_s'])}  ", "cyan"), (who, "blue"))
            text.append(f"{line['action']:<9} ", STYLES.get(line["action"], ""))
            text.append(" ".join(line["text"].split()))
            total_ms = line["latency_ms"].get("total")
            return text.append(f"  ({total_ms / 1000:.1f} s)" if total_ms else "", "dim")
        if kind == "error":
            return Text.assemble((f"error at {line['stage']}  ", STYLES["error"]), (who, "blue"), line["message"])
        return None

    def note(self, text: str) -> None:
        """Something a person should know. On stderr when stdout carries JSON."""
        self._console.print(Text(redact_url(text)))

    def complain(self, text: str) -> None:
        """Something went wrong."""
        console = self._console if self._progress else self._err
        console.print(Text(redact_url(text), style="red"))

    def child(self, role: str, line: str) -> None:
        """A line that a service wrote, or that we say of it."""
        if line.startswith("{"):
            # Already a log line that says its role.
            console = self._console if self._progress else self._err
            console.print(Text(line), style="dim")
            return
        self.complain(f"{role}: {line}")

    def advance(self, source_id: str, pts_s: float, length_s: float | None, told: str) -> None:
        """Moves the source's bar. `told`: a few words behind it."""
        if not self._progress:
            return
        if source_id not in self._bars:
            self._bars[source_id] = self._progress.add_task(escape(source_id), total=length_s, told="")
        done = min(pts_s, length_s) if length_s else pts_s
        self._progress.update(self._bars[source_id], completed=done, told=told)

    def summary(self, wall_s: float, tallies: Mapping[str, Tally]) -> None:
        """The last output of a run."""
        if self.as_json:
            self.line(summary_line(wall_s, tallies))
            return
        table = Table(box=None, header_style="dim", pad_edge=False)
        columns = ("frames", "sampled", "chunks due", "dropped", "decided", "requests", "feedback", "errors", "expired")
        for column in ("source", *columns):
            table.add_column(column, justify="left" if column == "source" else "right")
        for source_id, tally in tallies.items():
            table.add_row(source_id, *(str(number) for number in _numbers(tally)))
        self._out.print(table)


def _numbers(tally: Tally) -> tuple[int, ...]:
    dropped = sum(tally.dropped.values())
    return (
        *(tally.captured, tally.sampled, tally.due, dropped, tally.decided),
        *(tally.requests, tally.feedback, tally.errors, tally.expired),
    )


class _Bar(ProgressColumn):
    """A bar where the length is known; nothing for sources without end."""

    def __init__(self, bar_width: int) -> None:
        super().__init__()
        self._bar = BarColumn(bar_width=bar_width)

    def render(self, task: Task) -> Any:
        return self._bar.render(task) if task.total else Text("")
