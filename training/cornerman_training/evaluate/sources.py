"""Reads timed truth: the gym's JSON, QEVD-style JSON, and WebVTT."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from cornerman_training.evaluate.messages import ACTIONS, SpokenFeedback, TimedSession

_CUE = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})\s+-->\s+(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})")


def read_truth(path: Path) -> list[TimedSession]:
    """Reads the sessions of a .json (gym or QEVD style) or .vtt file.

    QEVD style is a list (or one) of objects with `video`, and either `feedbacks` and `feedback_timestamps` (with an
    optional `video_timestamps` or `duration_s`), or `feedbacks` as objects with a time and a text. With
    `video_timestamps`, all times are on their clock, and the first of them is the start of the video.

    Raises:
        ValueError: with the file and its problem.
    """
    if not path.is_file():
        raise ValueError(f"no truth at {path}: give a .json or .vtt file")
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".vtt":
        return [_vtt(text, path)]
    try:
        table = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    rows = table if isinstance(table, list) else [table]
    if not rows:
        raise ValueError(f"{path} holds no session")
    return [_session(row, path, i) for i, row in enumerate(rows)]


def _session(row: object, path: Path, index: int) -> TimedSession:
    where = f"{path}, session {index}"
    if not isinstance(row, dict) or not isinstance(row.get("feedbacks"), list):
        raise ValueError(f"{where}: expected an object with a list `feedbacks`")
    items = row["feedbacks"]
    stamps = row.get("feedback_timestamps")
    if stamps is not None and (not isinstance(stamps, list) or len(stamps) != len(items)):
        raise ValueError(f"{where}: {len(items)} feedbacks, but feedback_timestamps is {stamps!r:.80}")
    clock = row.get("video_timestamps")
    frames = clock if isinstance(clock, list) and clock else [0.0]
    begin = float(frames[0]) if isinstance(frames[0], int | float) else 0.0
    truth: list[SpokenFeedback] = []
    for i, item in enumerate(items):
        try:
            found = _feedback(item, stamps[i] if stamps is not None else None)
            truth.append(replace(found, time_s=found.time_s - begin))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where}, feedback {i}: {error!s}") from error
    truth.sort(key=lambda t: t.time_s)
    length = row.get("duration_s")
    if length is None and len(frames) > 1:
        length = frames[-1] - begin
    if length is None:
        length = truth[-1].time_s if truth else 0.0
    video = str(row.get("video", row.get("video_path", "")))
    return TimedSession(video or f"{path.stem}:{index}", float(length), tuple(truth), not truth, video)


def _feedback(item: object, stamp: object) -> SpokenFeedback:
    if isinstance(item, str):
        if not isinstance(stamp, int | float):
            raise ValueError(f"the feedback {item!r:.60} has no time; give feedback_timestamps in seconds")
        return SpokenFeedback(float(stamp), item)
    if not isinstance(item, dict):
        raise TypeError(f"expected a sentence or an object, found {item!r:.60}")
    time = stamp if stamp is not None else next((item[k] for k in ("time_s", "timestamp", "time") if k in item), None)
    text = next((item[k] for k in ("text", "feedback") if k in item), None)
    if not isinstance(time, int | float) or not isinstance(text, str):
        raise ValueError(f"expected a time in seconds and a text, found {item!r:.80}")
    mistake = str(item.get("mistake", ""))
    action = str(item.get("action", "correct" if mistake else "feedback"))
    return SpokenFeedback(float(time), text, action, str(item.get("exercise", "")), mistake)


def _vtt(text: str, path: Path) -> TimedSession:
    if not text.lstrip("\ufeff").startswith("WEBVTT"):
        raise ValueError(f"{path} does not begin with WEBVTT; it is not a WebVTT file")
    truth: list[SpokenFeedback] = []
    end = 0.0
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = [line for line in block.split("\n") if line.strip()]
        at = next((i for i, line in enumerate(lines) if _CUE.search(line)), None)
        if at is None:
            continue
        cue = _CUE.search(lines[at])
        assert cue is not None
        start, end = _seconds(cue.groups()[:4]), _seconds(cue.groups()[4:])
        name = lines[at - 1].strip() if at else ""
        truth.append(SpokenFeedback(start, " ".join(lines[at + 1 :]), name if name in ACTIONS else "feedback"))
    return TimedSession(path.stem, end, tuple(sorted(truth, key=lambda t: t.time_s)), not truth, "")


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, millis = (int(p or 0) for p in parts)
    return hours * 3600 + minutes * 60 + seconds + millis / 1000
