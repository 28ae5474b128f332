"""One run of `cornerman transcribe`: the models, the lines as they come, and the progress."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman.local.captions import Caption, captions
from cornerman.local.event_lines import clock
from cornerman.local.source_args import is_file, length_s
from cornerman.local.unseen_sources import unseen_because
from cornerman_shared.errors import GenerationError, SourceError
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from cornerman.engine.models import EngineModels
    from cornerman.local.event_lines import Line
    from cornerman.local.run_output import RunOutput
    from cornerman_common.model_parts import ModelChoice
    from cornerman_shared.settings.source import SourceSpec


class TranscriptRun:
    """Watches one source to its end, or until it is left.

    Args:
        spec: the source; lossless, unless it turns out to be live.
        choice: who encodes, decides and speaks.
        output: gets progress, notes and errors.
    """

    def __init__(self, spec: SourceSpec, choice: ModelChoice, output: RunOutput) -> None:
        self._spec, self._choice, self._output = spec, choice, output
        self._length_s = length_s(spec.url)
        self._models: EngineModels | None = None
        self._lines: list[Line] = []
        self._pts_s = 0.0
        self._failed = 0
        self._whole = False
        self._given_s: float | None = None  # set once the time is up
        self._unseen: tuple[str, str] | None = None  # the source's state and its reason, where no picture came

    @property
    def title(self) -> str:
        """The source's name for people."""
        url = self._spec.url
        return Path(url).name if is_file(url) else redact_url(url)

    def load(self) -> None:
        """Loads the models; takes seconds.

        Raises:
            ConfigError: a model cannot be loaded.
        """
        from cornerman.engine.models import load_models  # the back ends are slow to import

        self._show("loading the models")
        self._models = load_models(self._choice)

    async def watch(self, seconds: float | None) -> None:
        """Collects the lines until the source ends or the time is up.

        Raises:
            SourceError: the source cannot be opened or decoded.
            GenerationError: every request failed.
        """
        from cornerman.engine.transcription import can_wait, transcription

        assert self._models is not None
        settings, spec = self._choice.settings.capture, self._spec
        if not await can_wait(spec.url, settings):
            watch = spec.watch.model_copy(update={"lossless": False, "realtime": True})
            spec = spec.model_copy(update={"watch": watch})
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(seconds) as limit:
                async with aclosing(transcription(spec, settings, self._models, self._note, self._on_unseen)) as lines:
                    async for line in lines:
                        self._add(line, time.monotonic() - began_s)
            self._whole = True
        except TimeoutError:
            if not limit.expired():
                raise
            self._given_s = seconds
        finally:
            close = self._models.generator.close
            await close()
        if self._failed and not any(line["type"] == "feedback" for line in self._lines):
            raise GenerationError(f"none of {self._failed} requests gave words; nothing is written")

    def captions(self) -> list[Caption]:
        """What was said; says so if the source was left before its end.

        Raises:
            SourceError: no picture came in the time, or until it was left.
        """
        if self._unseen is not None:
            state, why = self._unseen
            if why or self._given_s is not None:  # not where Ctrl-C came while it was opening
                raise SourceError(f"{self.title}: {unseen_because(redact_url(why), state, self._given_s)}")
        if not self._whole and self._length_s is not None:
            self._note(f"left at {clock(self._pts_s)} of {clock(self._length_s)}; the transcript ends there")
        return captions(self._lines)

    def start_s(self) -> float:
        """Where a player shows media time 0, seconds; 0 for what is not a file of this machine."""
        if not is_file(self._spec.url):
            return 0.0
        from cornerman_media.start import start_s

        return start_s(Path(self._spec.url))

    def _add(self, line: Line, elapsed_s: float) -> None:
        if line["type"] == "error":
            self._failed += 1
            self._output.complain(f"{self.title}: {line['message']}")
            return
        self._lines.append(line)
        self._pts_s = max(self._pts_s, float(line["pts_s"]))
        said = sum(one["type"] == "feedback" for one in self._lines)
        self._show(f"{self._pts_s / max(elapsed_s, 1e-3):.1f}x · {said} said")

    def _on_unseen(self, state: str, detail: str) -> None:
        self._unseen = (state, detail)

    def _show(self, status: str) -> None:
        self._output.advance(self._spec.source_id, self._pts_s, self._length_s, status)

    def _note(self, text: str) -> None:
        self._output.note(f"{self.title}: {text}")
