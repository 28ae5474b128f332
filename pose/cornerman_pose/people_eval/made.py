"""Mistakes made from real repetitions: a good clip is shown as it is, and then once more with one mistake made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.landmarks import INDEX, PRESENT, LandmarkTrack
from cornerman_pose.people_eval.clips import LabelledClip
from cornerman_pose.people_eval.coach import PersonCoach, watch
from cornerman_pose.people_eval.names import exercise_name, mistake_name
from cornerman_pose.people_eval.score import EARLY_S, LATE_S

Spans = Sequence[tuple[float, float]]

_ARM: Final = [INDEX[f"left_{part}"] for part in ("elbow", "wrist", "pinky", "index", "thumb")]
_PARTS: Final = ("hip", "ankle", "wrist", "shoulder")
_SINKS_M: Final = 0.22
"""Hips that come this much nearer to the feet: a squat or a lunge, and no push-up, press or jumping jack."""

_FRONT: Final = 0.45
"""Shoulders that span at least this share of the trunk's length face the camera."""

_GAP_S: Final = 0.125


@dataclass(frozen=True, slots=True)
class MadeKind:
    """A way to make a mistake: what any of the names it may be given is, by exercise, and the clip's new samples."""

    names: Mapping[str, tuple[str, ...]]
    make: Callable[[LandmarkTrack, Spans], tuple[LandmarkTrack, list[tuple[float, float]]]]
    front: bool = False


@dataclass(frozen=True, slots=True)
class MadeScore:
    """Of one kind: repetitions with the mistake and those of them in which it was named; the same of the untouched
    ones, in which none of the names should be given."""  # fmt: skip

    made: int
    named: int
    untouched: int
    false: int

    def __add__(self, other: MadeScore) -> MadeScore:
        return MadeScore(
            self.made + other.made,
            self.named + other.named,
            self.untouched + other.untouched,
            self.false + other.false,
        )

    def to_dict(self) -> dict[str, float | int | None]:
        """Counts and shares; None of nothing."""
        return {
            "made": self.made,
            "named": self.named / self.made if self.made else None,
            "untouched": self.untouched,
            "named_of_untouched": self.false / self.untouched if self.untouched else None,
        }


def _taken(track: LandmarkTrack, rows: Sequence[int], times: Sequence[float]) -> LandmarkTrack:
    index = np.asarray(rows, np.int64)
    return LandmarkTrack(
        np.asarray(times, np.float32),
        track.image_px[index].copy(),
        track.world_m[index].copy(),
        track.visibility[index].copy(),
        track.presence[index].copy(),
        track.size_px,
    )


def _pair(part: str) -> list[int]:
    return [INDEX[f"{side}_{part}"] for side in ("left", "right")]


def _rows(track: LandmarkTrack, span: tuple[float, float]) -> NDArray[np.int64]:
    inside = (track.t_s >= span[0]) & (track.t_s <= span[1]) & (track.presence >= PRESENT)
    return np.flatnonzero(inside)


def _depth(world_m: NDArray[np.float32]) -> NDArray[np.float64]:
    """[T] metres up or down from where the first frame is."""
    height = -world_m[..., 1].astype(np.float64)
    hips, ankles, hands, shoulders = (height[:, _pair(part)].mean(axis=1) for part in _PARTS)
    legs, arms = (np.abs(rise - rise[0]) for rise in (hips - ankles, hands - shoulders))
    out: NDArray[np.float64] = legs if float(legs.max()) > _SINKS_M else arms
    return out


def half_depth(track: LandmarkTrack, spans: Spans) -> tuple[LandmarkTrack, list[tuple[float, float]]]:
    """Each repetition is cut where half of its depth is reached, and played back from there in the time it took.

    Depth is the height of the hips above the feet where the legs do the work, else of the hands above the shoulders.
    """
    rows = list(range(len(track)))
    for span in spans:
        inside = _rows(track, span)
        if len(inside) < 4:
            continue
        way = _depth(track.world_m[inside])
        half = int(np.argmax(way >= 0.5 * way.max()))
        there = np.interp(np.linspace(0, 2, len(inside)), (0, 1, 2), (0, half, 0))
        for row, take in zip(inside, there, strict=True):
            rows[row] = int(inside[round(take)])
    return _taken(track, rows, track.t_s.tolist()), list(spans)


def double_speed(track: LandmarkTrack, spans: Spans) -> tuple[LandmarkTrack, list[tuple[float, float]]]:
    """Everything in half the time."""
    first = float(track.t_s[0])
    times = [first + (float(t) - first) / 2 for t in track.t_s]
    quick = [(first + (a - first) / 2, first + (b - first) / 2) for a, b in spans]
    return _taken(track, range(len(track)), times), quick


def frozen_arm(track: LandmarkTrack, spans: Spans) -> tuple[LandmarkTrack, list[tuple[float, float]]]:
    """The left arm hangs from its shoulder as it did when the first repetition began."""
    made = _taken(track, range(len(track)), track.t_s.tolist())
    shoulder = INDEX["left_shoulder"]
    begin = int(np.argmin(np.abs(track.t_s - spans[0][0])))
    for array in (made.image_px, made.world_m):
        array[:, _ARM] = array[:, shoulder, None] + (array[begin, _ARM] - array[begin, shoulder])
    return made, list(spans)


def _narrowed(parts: Mapping[str, float]) -> Callable[..., tuple[LandmarkTrack, list[tuple[float, float]]]]:
    def narrow(track: LandmarkTrack, spans: Spans) -> tuple[LandmarkTrack, list[tuple[float, float]]]:
        made = _taken(track, range(len(track)), track.t_s.tolist())
        for part, share in parts.items():
            pair = [INDEX[f"{side}_{part}"] for side in ("left", "right")]
            for array in (made.image_px, made.world_m):
                middle = array[:, pair, 0].mean(axis=1, keepdims=True)
                array[:, pair, 0] = middle + share * (array[:, pair, 0] - middle)
        return made, list(spans)

    return narrow


KINDS: Final[Mapping[str, MadeKind]] = {
    "half_depth": MadeKind(
        {
            "squat": ("too_shallow",),
            "push_up": ("half_way",),
            "lunge": ("too_shallow",),
            "overhead_press": ("half_press",),
            "jumping_jack": ("low_arms", "narrow_feet"),
        },
        half_depth,
    ),
    "double_speed": MadeKind({"squat": ("too_fast",), "push_up": ("too_fast",)}, double_speed),
    "frozen_arm": MadeKind({"jumping_jack": ("one_arm",), "overhead_press": ("uneven",)}, frozen_arm),
    "narrow_legs": MadeKind(
        {"jumping_jack": ("narrow_feet",)}, _narrowed({"knee": 0.3, "ankle": 0.2, "heel": 0.2, "foot_index": 0.2}), True
    ),
    "narrow_knees": MadeKind({"squat": ("knees_in",)}, _narrowed({"knee": 0.5}), True),
}
"""By name. Exercises without a name for what is made are left out."""


def faces_camera(track: LandmarkTrack) -> bool:
    """Whether a person shows their front or back for most of a clip."""
    there = track.world_m[track.presence >= PRESENT]
    if not len(there):
        return False
    left, right = there[:, INDEX["left_shoulder"]], there[:, INDEX["right_shoulder"]]
    trunk = np.linalg.norm((left + right) / 2, axis=-1)
    return bool(np.median(np.abs(left[:, 0] - right[:, 0]) / np.maximum(trunk, 1e-3)) > _FRONT)


def made_spans(clip: LabelledClip, track: LandmarkTrack, kind: MadeKind) -> list[tuple[float, float]]:
    """The repetitions of a clip in which a mistake of a kind can be made; none where it is not good or not of use."""
    unfit = clip.verdict != "good" or not kind.names.get(clip.exercise) or (kind.front and not faces_camera(track))
    if unfit:
        return []
    return [span for span in clip.reps or () if span[0] >= track.t_s[0] and span[1] <= track.t_s[-1]]


def made_after(track: LandmarkTrack, made: LandmarkTrack) -> tuple[LandmarkTrack, float]:
    """The clip and after it the changed one; and by how many seconds that one is later."""
    later = float(track.t_s[-1]) + _GAP_S - float(made.t_s[0])
    joined = LandmarkTrack(
        np.concatenate([track.t_s, made.t_s + np.float32(later)]),
        np.concatenate([track.image_px, made.image_px]),
        np.concatenate([track.world_m, made.world_m]),
        np.concatenate([track.visibility, made.visibility]),
        np.concatenate([track.presence, made.presence]),
        track.size_px,
    )
    return joined, later


def score_made(
    clips: Sequence[tuple[LabelledClip, LandmarkTrack]], make_coach: Callable[[], PersonCoach]
) -> dict[str, MadeScore]:
    """For each kind: in how many repetitions its mistake was named. Clips that are not good are left out.

    A repetition is one that was labelled, and the nearest end that the coach counts within the times in which an end
    is hit (`score.EARLY_S`, `score.LATE_S`); without such an end nothing was named. What is named of untouched
    repetitions is any of the same names.
    """
    scores = {name: MadeScore(0, 0, 0, 0) for name in KINDS}
    for clip, track in clips:
        for name, kind in KINDS.items():
            if not (spans := made_spans(clip, track, kind)):
                continue
            names = kind.names[clip.exercise]
            made, changed = kind.make(track, spans)
            both, later = made_after(track, made)
            run = watch(make_coach(), both.chunks())
            said = [
                (end.t_s, any(mistake_name(m) in names for m in end.mistakes))
                for end in run.ends
                if exercise_name(end.exercise) == clip.exercise
            ]
            new = [_named(said, end + later) for _, end in changed]
            old = [_named(said, end) for _, end in spans]
            scores[name] += MadeScore(len(new), sum(new), len(old), sum(old))
    return scores


def _named(said: Sequence[tuple[float, bool]], end_s: float) -> bool:
    near = [(abs(t - end_s), named) for t, named in said if -EARLY_S <= t - end_s <= LATE_S]
    return min(near)[1] if near else False
