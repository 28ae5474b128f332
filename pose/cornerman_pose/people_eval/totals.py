"""The scores of many clips as one table. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cornerman_pose.people_eval.score import ClipScore


@dataclass(frozen=True, slots=True)
class PeopleScore:
    """What `cornerman evaluate --people` prints; `to_dict` has its keys."""

    clips: tuple[ClipScore, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types; None where no clip can tell.

        Rates of named mistakes are by take: the clips of one group count as one.
        """
        exercise = [one for one in self.clips if one.clip.exercise]
        counted = [one for one in exercise if one.reps is not None]
        quiet = [one for one in self.clips if one.clip.quiet]
        visible = [found for one in self.clips for found in one.mistakes]
        errors = [abs(one.said - (one.reps or 0)) for one in counted]
        labels = sum(one.reps or 0 for one in counted)
        return {
            "exercise_right": mean([float(one.right) for one in exercise]),
            "count_mae": mean(errors),
            "count_within_one": mean([float(error <= 1) for error in errors]),
            "ends_hit": sum(len(one.hits) for one in counted) / labels if labels else None,
            "ends_false_per_min": per_minute(sum(one.said for one in quiet), quiet),
            "apt": sum(len(one.apt) for one in self.clips),
            "false_corrections_per_min": per_minute(sum(len(one.false_corrections) for one in self.clips), self.clips),
            "mistakes_found": {"found": sum(found.found for found in visible), "of": len(visible)},
            "mistake_named_of_wrong": by_take([one for one in exercise if one.clip.verdict == "mistake"]),
            "mistake_named_of_right": by_take([one for one in exercise if one.clip.verdict == "good"]),
            "quiet_clips": {"quiet": sum(one.stayed_quiet for one in quiet), "of": len(quiet)},
            "clips": [one.to_dict() for one in self.clips],
        }


def by_take(scores: Sequence[ClipScore]) -> float | None:
    """Share of takes in which a mistake was named; a take is the mean of its clips."""
    takes: dict[str, list[float]] = defaultdict(list)
    for one in scores:
        takes[one.clip.group].append(float(bool(one.named)))
    return mean([sum(named) / len(named) for named in takes.values()])


def per_minute(events: int, clips: Iterable[ClipScore]) -> float | None:
    """Events a minute of what the coach saw of these clips."""
    minutes = sum(one.minutes for one in clips)
    return events / minutes if minutes else None


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return sum(values) / len(values) if values else None


def as_text(score: PeopleScore) -> str:
    """A line a clip, and then the totals, for a terminal."""
    lines = [_line(one) for one in score.clips]
    values = score.to_dict()
    del values["clips"]
    width = max(len(name) for name in values)
    lines.append("")
    lines += [f"{name:<{width}}  {_value(value)}" for name, value in values.items()]
    return "\n".join(lines)


def _line(one: ClipScore) -> str:
    got = one.got or "-"
    if one.clip.quiet:
        state = "quiet" if one.stayed_quiet else f"NOT QUIET: {one.said} ends, {len(one.run.spoken)} sentences"
        return f"{one.clip.name:<20} {one.clip.label[:28]:<28} {state}"
    mark = "ok " if one.right else "BAD"
    count = f"{one.said} of {one.reps} counted, {len(one.hits)} hit" if one.reps is not None else f"{one.said} counted"
    named = f", named {', '.join(one.named)}" if one.named else ""
    return f"{one.clip.name:<20} {one.clip.label[:28]:<28} {mark} {got:<15} {count}, {one.clip.verdict}{named}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{number} {name}" if name != "of" else f"of {number}" for name, number in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)
