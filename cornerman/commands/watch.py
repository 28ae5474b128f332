"""`cornerman watch` and `cornerman ask`: follow what is said, and ask about what is on screen. Start nothing."""

from __future__ import annotations

import re
import sys
import uuid
from typing import Annotated

import typer

from cornerman.local import options
from cornerman.local.event_lines import EventLines
from cornerman.local.run_output import RunOutput
from cornerman.local.signals import run_until_signal
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, Question, StartEvent
from cornerman_shared.bus.registry import get_source
from cornerman_shared.bus.streams import question_request_id
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.tree import Settings

FIND_S = 3.0


def watch(
    source_id: Annotated[str, typer.Argument(metavar="[SOURCE]", help="Id of a source; none = all.")] = "",
    since: Annotated[str, typer.Option(metavar="ID", help="Go on behind this event; 0 = all that is kept.")] = "$",
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Follow what is said about a source, or about all, until Ctrl-C.

    With --json each object carries the event's `id`, which --since takes.
    """
    if not re.fullmatch(r"\$|\d+(-\d+)?", since):
        raise ConfigError(f"--since {since!r} is no event's id; give one that --json printed, or 0 for all")
    chosen = options.choose(config, redis)
    screen = RunOutput(as_json=as_json, many=not source_id, progress=False)
    run_until_signal(_watch(chosen.settings, source_id or None, since, screen))


async def _watch(settings: Settings, source_id: str | None, since: str, screen: RunOutput) -> None:
    lines = EventLines()
    async with Bus.connect(settings) as bus:
        await bus.ready(FIND_S)
        async for entry_id, event in bus.subscribe(source_id, since=since):
            line = lines.of(event)
            if line is not None:
                screen.line({**line, "id": entry_id})


def ask(
    source_id: Annotated[str, typer.Argument(metavar="SOURCE", help="Id of a source.")],
    text: Annotated[list[str], typer.Argument(metavar="QUESTION…")],
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Ask about what is on screen now; the answer is printed as it comes."""
    chosen = options.choose(config, redis)
    run_until_signal(_ask(chosen.settings, source_id, " ".join(text), RunOutput(as_json=as_json, progress=False)))


async def _ask(settings: Settings, source_id: str, text: str, screen: RunOutput) -> None:
    async with Bus.connect(settings) as bus:
        await bus.ready(FIND_S)
        if await get_source(bus, source_id) is None:
            raise ConfigError(f"there is no source {source_id!r}; `cornerman sources list` shows those there are")
        question = Question(uuid.uuid4().hex, source_id, text, bus.clock.now_s())
        request_id = question_request_id(source_id, question.question_id)
        events = bus.subscribe(source_id, since=await bus.newest_id(bus.keys(source_id).feedback(source_id)))
        await bus.ask(question)
        told = False
        async for _, event in events:
            if getattr(event, "request_id", "") != request_id:
                continue
            if isinstance(event, StartEvent) and event.attempt > 1 and told and not screen.as_json:
                sys.stdout.write("\n")  # another worker starts over
            if isinstance(event, DeltaEvent) and not screen.as_json:
                sys.stdout.write(event.text)
                sys.stdout.flush()
                told = True
            if isinstance(event, EndEvent):
                if told:
                    sys.stdout.write("\n")
                if event.status != "done":
                    raise GenerationError(f"the question ended without an answer ({event.status}): {event.cause}")
                line = EventLines().of(event)
                if line is not None and screen.as_json:
                    screen.line(line)
                return
