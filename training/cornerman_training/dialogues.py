"""Reads data sets of timed feedbacks and conversations about video files, for fine-tuning.

Two shapes of JSON, a list of objects each: conversations (`video`, `conversations: [{from, value}, ...]`, as QVED and
most instruction sets have them) and sessions (`video`, `feedbacks`, with times, as QEVD and the gym have them).
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cornerman_media.errors import MediaError
from cornerman_media.sampling import sampled, with_shorter_side
from cornerman_training.evaluate.sources import read_truth
from cornerman_training.gym.phrases import PROMPT
from cornerman_training.sampling import CHUNK, SAMPLE_FPS, STRIDE

SHORTER_SIDE = 224
_HUMAN, _MODEL = ("human", "user"), ("gpt", "assistant")


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample: the reply to `prompt` about the video up to `time_s` (None: all of it).

    `action` is that of a timed feedback, "feedback" or "correct"; None for a conversation.
    """

    video: Path
    time_s: float | None
    prompt: str
    reply: str
    action: str | None = None


def read_samples(path: Path, videos: Path | None = None) -> list[Sample]:
    """Reads the samples of a JSON file; relative video paths are below `videos`, or beside the file.

    Raises:
        ValueError: with the file, the entry and its problem.
    """
    if not path.is_file():
        raise ValueError(f"no data set at {path}: give a JSON file")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    rows = rows if isinstance(rows, list) else [rows]
    root = videos or path.parent
    out: list[Sample] = []
    for i, row in enumerate(rows):
        if isinstance(row, dict) and "conversations" in row:
            out += _conversation(row, f"{path}, entry {i}", root)
    if any(isinstance(row, dict) and "feedbacks" in row for row in rows):
        for session in read_truth(path):
            video = _video(root, session.video or path.with_suffix(".mp4").name, str(path))
            out += [Sample(video, s.time_s, PROMPT, s.text, s.action) for s in session.truth]
    if not out:
        raise ValueError(f"{path} has neither `conversations` nor `feedbacks`; see cornerman_training/dialogues.py")
    return out


def _video(root: Path, name: object, where: str) -> Path:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}: `video` is {name!r}; expected the path of a video file")
    path = root / name
    if not path.is_file():
        raise ValueError(f"{where}: no video at {path}")
    return path


def _conversation(row: dict[str, object], where: str, root: Path) -> list[Sample]:
    video = _video(root, row.get("video"), where)
    turns = row["conversations"]
    if not isinstance(turns, list) or len(turns) < 2:
        raise ValueError(f"{where}: `conversations` needs a question and an answer")
    out: list[Sample] = []
    for question, answer in zip(turns[::2], turns[1::2], strict=False):
        if question.get("from") not in _HUMAN or answer.get("from") not in _MODEL:
            raise ValueError(
                f"{where}: expected turns from {_HUMAN[0]} and {_MODEL[0]} in turn, "
                f"found {question.get('from')!r} and {answer.get('from')!r}"
            )
        prompt = str(question["value"]).replace("<image>", "").replace("<video>", "").strip()
        out.append(Sample(video, None, prompt, str(answer["value"])))
    return out


def sample_frames(video: Path, until_s: float | None, most: int) -> NDArray[np.uint8]:
    """Reads the last `most` frames [T,H,W,3] at `SAMPLE_FPS` before `until_s`, shorter side 224.

    Raises:
        ValueError: if the file has no video, or less than one chunk before that time.
    """
    # With a limit only the newest frames are needed; without, frames are chosen at the end.
    frames: deque[NDArray[np.uint8]] = deque(maxlen=most if until_s is not None else None)
    try:
        for frame in sampled(video, SAMPLE_FPS, until_s):
            frames.append(frame.rgb(with_shorter_side(frame.size, SHORTER_SIDE)))
    except MediaError as error:
        raise ValueError(str(error)) from error
    if len(frames) < CHUNK:
        raise ValueError(f"{video} has {len(frames)} frames before {until_s} s; a chunk needs {CHUNK}")
    if until_s is None and len(frames) > most:
        chosen = np.linspace(0, len(frames) - 1, most).round().astype(int)
        return np.stack([frames[i] for i in chosen])
    return np.stack(frames)


def split_chunks(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Overlapping chunks [n,8,H,W,3] in time order; the last one ends with the newest frame."""
    ends = list(range(len(frames), CHUNK - 1, -STRIDE))[::-1]
    return np.stack([frames[e - CHUNK : e] for e in ends])
