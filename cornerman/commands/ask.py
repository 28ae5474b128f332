"""`cornerman ask SOURCE QUESTION…`: asks about the picture shown now. Starts nothing."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

import typer

from cornerman.local import options
from cornerman.local.event_lines import EventLines
from cornerman.local.question_text import question_text
from cornerman.local.run_output import RunOutput
from cornerman.local.running_server import require_server
from cornerman.local.signals import run_until_signal
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, Event, Question, StartEvent
from cornerman_shared.bus.registry import get_source
from cornerman_shared.bus.streams import question_request_id
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.tree import Settings
from cornerman_shared.text import clean_text

UNHEARD_S = 5.0
"""How long after its deadline the end of a question may come."""
OLD_S = 5.0
"""An answer about an older picture says so."""


def ask(
    source_id: Annotated[str, typer.Argument(metavar="SOURCE", help="Id of a source.")],
    text: Annotated[list[str], typer.Argument(metavar="QUESTION…")],
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Ask about the picture shown now; the answer is printed as it comes.

    A question that the model cannot answer is declined, with the questions that it does answer.
    """
    chosen = options.command_settings(config, redis)
    output = RunOutput(as_json=as_json, progress=False)
    run_until_signal(_ask(chosen.settings, source_id, question_text(" ".join(text)), output))


async def _ask(settings: Settings, source_id: str, text: str, output: RunOutput) -> None:
    async with Bus.connect(settings) as bus:
        await require_server(bus)
        if await get_source(bus, source_id) is None:
            raise ConfigError(f"there is no source {source_id!r}; `cornerman sources list` shows those there are")
        question = Question(uuid.uuid4().hex, source_id, text, bus.clock.now_s())
        request_id = question_request_id(source_id, question.question_id)
        # The newest id is read before the question is sent: no event of the answer is missed.
        events = bus.subscribe(source_id, since=await bus.newest_id(bus.keys(source_id).feedback(source_id)))
        most = settings.decider.max_questions
        if waiting := await bus.ask(question, most):
            raise GenerationError(
                f"{waiting} questions about {source_id!r} are unanswered (decider.max_questions = {most}); ask again "
                "once they are answered, or see with `cornerman status` whether a decider and a generator run"
            )
        printed = False
        async for event in _of_request(events, request_id, settings):
            if isinstance(event, StartEvent) and event.attempt > 1 and printed and not output.as_json:
                sys.stdout.write("\n")  # another worker starts over
            if isinstance(event, DeltaEvent) and not output.as_json:
                sys.stdout.write(clean_text(event.text))
                sys.stdout.flush()
                printed = True
            if isinstance(event, EndEvent):
                if printed:
                    sys.stdout.write("\n")
                if event.status == "declined" and not output.as_json:
                    output.note(event.cause)
                if event.status not in ("done", "declined"):
                    raise GenerationError(f"the question ended without an answer ({event.status}): {event.cause}")
                if event.status == "done" and event.picture_age_s >= OLD_S:
                    print(f"about a picture {event.picture_age_s:.0f} s old", file=sys.stderr)
                line = EventLines().of(event)
                if line is not None and output.as_json:
                    output.line(line)
                return


async def _of_request(
    events: AsyncIterator[tuple[str, Event]], request_id: str, settings: Settings
) -> AsyncIterator[Event]:
    """Events of a request.

    Raises:
        GenerationError: it has not begun or ended when the decider should have ended it as expired.
    """
    expires_s = settings.decider.question_s + UNHEARD_S
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(expires_s) as limit:
            async for _, event in events:
                if getattr(event, "request_id", "") != request_id:
                    continue
                if isinstance(event, StartEvent):  # from here on, the generator or the decider ends it
                    limit.reschedule(loop.time() + expires_s + settings.generator.timeout_s)
                yield event
    except TimeoutError:
        if not limit.expired():
            raise
        raise GenerationError(
            f"no service answered within {expires_s:g} s (decider.question_s); `cornerman status` shows what runs"
        ) from None
