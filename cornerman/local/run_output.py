"""Output of a command: JSON lines on stdout for programs, or text, notes and a progress bar for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from types import MappingProxyType
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

from cornerman.local.counts import SourceCounts, summary_line
from cornerman.local.event_lines import Line, clock
from cornerman.local.log_lines import log_fields, log_text
from cornerman_shared.process.logs import Format
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

WIDTH: Final = 120  # columns, where stdout is not a terminal

STYLES: Final = {"feedback": "green", "correct": "bold yellow", "error": "bold red", "next": "dim"}


class RunOutput:
    """Output of one command.

    Args:
        as_json: results as JSON objects on stdout, one a line; everything else on stderr.
        many: text lines name their source. May be changed.
        progress: show a bar for each source if the output is a terminal.
        counts (attribute): each repetition is a line. May be changed.
        log_form (attribute): `log.format`: how log lines of services are shown. May be changed.
        native (attribute): information of native libraries is shown. May be changed.
        printed_last: stdout is written to only after the bar has gone, so that it may be a terminal, too.
    """

    def __init__(self, *, as_json: bool, many: bool = False, progress: bool = True, printed_last: bool = False) -> None:
        self.as_json = as_json
        self.many = many
        self.counts = False
        self.log_form: Format = "auto"
        self.native = True
        self._out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        self._err = Console(stderr=True, soft_wrap=True, highlight=False)
        # Lines would tear a bar that another console draws. JSON bypasses the console, so the bar goes to stderr.
        self._console = self._err if as_json else self._out
        torn = as_json and not printed_last and sys.stdout.isatty()
        visible = self._console.is_terminal and not torn
        self._progress = (
            Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                _Bar(bar_width=24),
                TextColumn("{task.fields[status]}", markup=False),
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
        """Prints one result."""
        if self.as_json:
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            return
        shown = self._text(line)
        if shown is not None:
            self._out.print(shown)

    def _text(self, line: Line) -> Text | None:
        kind = line["type"]
        source = f"{line['source_id']}  " if self.many else ""
        if line.get("silent"):
            return None
        if kind == "feedback":
            text = Text.assemble((f"{clock(line['pts_s'])}  ", "cyan"), (source, "blue"))
            text.append(f"{line['action']:<9} ", STYLES.get(line["action"], ""))
            text.append(" ".join(clean_text(line["text"]).split()))
            if line.get("said_by") == "owner":
                text.append("  (your words)", "dim")
            total_ms = line["latency_ms"].get("total")
            return text.append(f"  ({total_ms / 1000:.1f} s)" if total_ms else "", "dim")
        if kind == "decision" and self.counts and line.get("about", {}).get("ended"):
            seen = line["about"]
            counted = f"{seen['repetitions']:>3}  {seen['exercise'].replace('_', ' ')}"
            return Text.assemble((f"{clock(line['pts_s'])}  ", "cyan"), (source, "blue"), _safe(counted))
        if kind == "declined":
            return Text.assemble(("declined  ", STYLES["next"]), (source, "blue"), _safe(line["message"]))
        if kind == "error":
            return Text.assemble(
                (f"error at {line['stage']}  ", STYLES["error"]), (source, "blue"), _safe(line["message"])
            )
        return None

    def note(self, text: str) -> None:
        """Prints a note for people; on stderr when stdout carries JSON."""
        self._console.print(Text(_safe(text)))

    def complain(self, text: str) -> None:
        """Prints an error."""
        console = self._console if self._progress else self._err
        console.print(Text(_safe(text), style="red"))

    def child(self, role: str, line: str) -> None:
        """Prints a line of a service, or one about it. A `LogLine`."""
        console = self._console if self._progress else self._err
        if logged := log_fields(line):
            plain = self.log_form == "console" or (self.log_form == "auto" and console.is_terminal)
            # A JSON log line names its role already.
            safe = {name: _safe(str(value)) for name, value in logged.items()}
            console.print(log_text(safe) if plain else Text(_safe(line), "dim"))
        elif line.startswith("INFO: "):  # of a native library
            if self.native:
                console.print(Text(_safe(f"{role}: {line}"), "dim"))
        else:
            self.complain(f"{role}: {line}")

    def advance(self, source_id: str, pts_s: float, length_s: float | None, status: str) -> None:
        """Moves the source's bar. `status`: a few words after the bar."""
        if not self._progress:
            return
        if source_id not in self._bars:
            self._bars[source_id] = self._progress.add_task(escape(source_id), total=length_s, status="")
        # Container lengths are estimates: a bar must not pass its end.
        done = min(pts_s, length_s) if length_s else pts_s
        self._progress.update(self._bars[source_id], completed=done, status=clean_text(status))

    def summary(
        self, wall_s: float, counts: Mapping[str, SourceCounts], unseen: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Prints the last output of a run. By source id: the counts, and why there was no picture."""
        if self.as_json:
            self.line(summary_line(wall_s, counts, unseen))
            return
        table = Table(box=None, header_style="dim", pad_edge=False)
        columns = ("frames", "sampled", "chunks due", "dropped", "decided", "requests", "feedback", "errors", "expired")
        for column in ("source", *columns):
            table.add_column(column, justify="left" if column == "source" else "right")
        for source_id, one in counts.items():
            table.add_row(source_id, *(str(number) for number in _numbers(one)))
        self._out.print(table)


def _safe(text: str) -> str:
    """Text for a terminal, without secrets and escape sequences."""
    return clean_text(redact_url(text))


def _numbers(one: SourceCounts) -> tuple[int, ...]:
    dropped = sum(one.dropped.values())
    return (
        *(one.captured, one.sampled, one.due, dropped, one.decided),
        *(one.requests, one.feedback, one.errors, one.expired),
    )


class DiscardOutput(RunOutput):
    """Passes notes, errors and logs on to stderr; discards results and summary."""

    def __init__(self) -> None:
        super().__init__(as_json=True, progress=False)

    def line(self, line: Line) -> None:
        """Discards a result."""

    def summary(
        self, wall_s: float, counts: Mapping[str, SourceCounts], unseen: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Discards the summary."""


class _Bar(ProgressColumn):
    """A bar where the length is known; empty for sources without an end."""

    def __init__(self, bar_width: int) -> None:
        super().__init__()
        self._bar = BarColumn(bar_width=bar_width)

    def render(self, task: Task) -> Any:
        return self._bar.render(task) if task.total else Text("")
