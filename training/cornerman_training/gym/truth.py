"""Writes the truth of a session as JSON and as WebVTT subtitles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cornerman_media.webvtt import Cue, webvtt
from cornerman_training.gym.labels import ACTIVITIES, FAULTS
from cornerman_training.gym.phrases import PROMPT

if TYPE_CHECKING:
    from cornerman_training.gym.session import GymSession

VERSION = 1
_SHOWN_S = 2.5


def truth(session: GymSession) -> dict[str, object]:
    """The truth in plain JSON types: timed feedbacks, repetitions, and per-frame exercise, phase and mistake."""
    return {
        "version": VERSION,
        "seed": session.seed,
        "split": session.split,
        "kind": session.kind,
        "fps": session.fps,
        "duration_s": session.duration_s,
        "prompt": PROMPT,
        "feedbacks": [
            {"time_s": f.time_s, "action": f.action, "text": f.text, "exercise": f.exercise, "mistake": f.mistake}
            for f in session.feedbacks
        ],
        "repetitions": [
            {
                "exercise": r.exercise,
                "mistake": r.mistake,
                "start_s": round(r.start_s, 3),
                "end_s": round(r.end_s, 3),
            }
            for r in session.reps
        ],
        "names": {"exercise": list(ACTIVITIES), "mistake": list(FAULTS)},
        "frames": {
            "exercise": session.activity.tolist(),
            "phase": np.round(session.phase, 3).tolist(),
            "mistake": session.fault.tolist(),
        },
    }


def as_vtt(session: GymSession) -> str:
    """Feedbacks as WebVTT; each cue's identifier is its action."""
    cues = []
    starts = [f.time_s for f in session.feedbacks]
    for i, f in enumerate(session.feedbacks):
        end = f.time_s + _SHOWN_S
        if i + 1 < len(starts):
            end = min(end, starts[i + 1] - 0.05)
        cues.append(Cue(f.time_s, end, f.text, identifier=f.action))
    return webvtt(cues)


def write_truth(session: GymSession, video: Path) -> tuple[Path, Path]:
    """Writes .json and .vtt beside `video`; returns their paths."""
    table, subtitles = video.with_suffix(".json"), video.with_suffix(".vtt")
    table.write_text(json.dumps(truth(session), separators=(",", ":")) + "\n", encoding="utf-8")
    subtitles.write_text(as_vtt(session), encoding="utf-8")
    return table, subtitles
