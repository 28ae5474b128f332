"""Runs a polling session: settings and checks, the pipeline, its files, and what the exit code says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornerman.local.machine import machine
from cornerman.local.output_files import writable_folder
from cornerman.local.pipeline import run_sources
from cornerman.local.poll_files import new_session_id, write_benchmark, write_session
from cornerman.local.poll_plan import PollOptions
from cornerman.local.poll_series import PollSeries
from cornerman.local.poll_session import PollSession
from cornerman.local.prompt_notes import refuse_unanswerable_prompt
from cornerman.local.session_log import LoggedOutput, SessionLog
from cornerman.local.source_args import length_s
from cornerman.local.source_specs import source_specs
from cornerman_shared.clock import SystemClock
from cornerman_shared.process.exit_codes import EXIT_NO_INPUT, EXIT_OK, EXIT_SOFTWARE
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from cornerman.local.poll_settings import ChosenPolling
    from cornerman.local.run_output import RunOutput
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class PollRun:
    """Everything that a polling command was asked for.

    Attributes:
        plan: pairs of interval in seconds and number of polls (0 = until the end).
        max_duration_s: it ends after so long.
        warmup: first polls that do not count.
        benchmark: writes the figures by interval, too.
    """

    video_source: str
    wanted: PollOptions
    plan: list[tuple[float, int]]
    max_duration_s: float
    warmup: int
    output_dir: Path
    log_dir: Path
    as_json: bool = False
    verbose: bool = False
    benchmark: bool = False


@dataclass(frozen=True, slots=True)
class PollResult:
    """How a session ended, and its files by name."""

    code: int
    session: PollSession
    files: dict[str, Path]


def run_polls(run: PollRun, polling: ChosenPolling) -> PollResult:
    """Polls a source and writes the files, also if something fails on the way.

    Raises:
        ConfigError: the prompt cannot be answered, or a folder cannot be written; nothing was started.
        SourceError: the source does not exist.
        CornermanError: the pipeline failed.
    """
    settings = polling.chosen.settings
    (spec,) = source_specs([run.video_source], settings, mode="polling")
    refuse_unanswerable_prompt(polling.choice, run.wanted.prompt)
    writable_folder("--output-dir", run.output_dir)
    now_s = SystemClock().now_s()
    session_id = new_session_id(now_s, run.output_dir, run.log_dir)
    log = SessionLog(run.log_dir / f"polling_{session_id}.log")
    output = LoggedOutput(log, as_json=run.as_json, verbose=run.verbose)
    try:
        for sentence in polling.notes:
            output.note(sentence)
        session = _session(run, session_id, now_s, spec, settings)
        log.write("info", "cornerman", f"session {session_id}: {session.settings}")
        series = PollSeries(spec.source_id, session, run.plan, run.warmup, output)
        code, files = EXIT_SOFTWARE, dict[str, Path]()
        try:
            code = run_sources(
                polling.chosen,
                [spec],
                output,
                seconds=run.max_duration_s,
                on_event=series.on_event,
                on_end=series.on_end,
                director=series.direct,
            )
        finally:
            session.end_time = SystemClock().now_s()
            files = _write(run, session) | {"log": log.path}
        code = verdict(session, code, output, interrupted=series.interrupted)
        log.write("info", "cornerman", f"session {session_id} ended with exit code {code}: {session.summary()}")
        return PollResult(code, session, files)
    finally:
        log.close()


def verdict(session: PollSession, code: int, output: RunOutput, *, interrupted: bool = False) -> int:
    """The exit code of a session; says why where it is not 0.

    Args:
        code: of the pipeline.
        interrupted: by a signal; then a session without polls has not failed.
    """
    if code != EXIT_OK:
        return code
    causes = session.summary()["errors_by_cause"]
    if session.polls and not any(poll.done for poll in session.polls):
        worst = max(causes, key=lambda cause: causes[cause])
        output.complain(f"every poll failed ({len(session.polls)}): {worst}")
        return EXIT_SOFTWARE
    if session.polls or interrupted:
        return EXIT_OK
    if not session.captured:
        output.complain(f"there was no poll: no frame of {session.video_source} came")
        return EXIT_NO_INPUT
    if session.warmup_polls:
        output.complain(f"there was no poll after {session.warmup_polls} of --warmup-runs; give fewer")
        return EXIT_SOFTWARE
    skipped = ", ".join(f"{reason}: {count}" for reason, count in session.skipped.items())
    output.complain(
        f"there was no poll, though {session.captured} frames came"
        + (f" (not asked: {skipped})" if skipped else "")
        + f"; the first is due once --window = {session.settings['window']:g} s are full: give a shorter one, or a "
        "longer video"
    )
    return EXIT_SOFTWARE


def _write(run: PollRun, session: PollSession) -> dict[str, Path]:
    files = write_session(session, run.output_dir)
    if run.benchmark:
        name = run.video_source
        video = {"path": session.video_source, "duration_seconds": length_s(name) if Path(name).is_file() else None}
        files |= write_benchmark(session, run.output_dir, video)
    return files


def _session(run: PollRun, session_id: str, now_s: float, spec: SourceSpec, settings: Settings) -> PollSession:
    wanted, say = run.wanted, spec.say
    asked: dict[str, Any] = {
        "base_model": settings.generator.model or "bundled coach",
        "lora_weights": settings.generator.adapters.get(say.adapter, say.adapter) or None,
        "encoder": settings.encoder.backend,
        "generator": settings.generator.backend,
        "quantize": settings.generator.quantize,
        "polling_interval": run.plan[0][0],
        "intervals": [interval for interval, _ in run.plan],
        "polls_per_interval" if run.benchmark else "max_polls": run.plan[0][1] or None,
        "max_duration": run.max_duration_s,
        "warmup_runs": run.warmup,
        "num_frames": wanted.num_frames,
        "window": wanted.window_s,
        "fps": spec.watch.sample_fps,
        "max_new_tokens": say.max_new_tokens,
        "temperature": say.temperature,
    }
    source = redact_url(run.video_source)
    return PollSession(session_id, now_s, source, say.prompt, run.plan[0][0], settings=asked, machine=machine())
