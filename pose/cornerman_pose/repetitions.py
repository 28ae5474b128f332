"""Decisions about repetitions from readings of the temporal half. Pure: neither net nor clock, only media time.

The exercise is decided by evidence over time, an end needs a repetition before it, a mistake is named only when the
view shows it and the readings around the end agree. On motion that is no exercise nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from cornerman_pose.movements import FormRule, exercise_names, form_rules, movements
from cornerman_pose.temporal import FrameReading
from numpy.typing import NDArray

FPS = 8.0


@dataclass(frozen=True, slots=True)
class CountingSettings:
    """Thresholds of the decisions; tuned on half of the people of the development clips, by person."""

    evidence_s: float = 0.9
    enter: float = 0.6
    leave: float = 0.35
    end_rise: float = 0.5
    end_fall: float = 0.3
    wrong: float = 0.75
    observable: float = 0.5
    confirm_s: float = 1.2
    per_rule: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedMistake:
    """A mistake on one repetition: its rule, probability and strength (grey units past the limit)."""

    rule: FormRule
    probability: float
    excess: float


@dataclass(frozen=True, slots=True)
class RepetitionSeen:
    """A finished repetition, or two seconds of a hold."""

    exercise: str
    number: int
    start_s: float
    end_s: float
    mistakes: tuple[NamedMistake, ...]
    judged: tuple[str, ...]  # names of the mistakes that the view allows to judge; the others are abstained from
    probability: float


@dataclass(frozen=True, slots=True)
class ChunkObservation:
    """What a chunk shows: `exercise` is "none" without one; `count` of this set; `phase` in 0..1."""

    pts_s: float
    exercise: str
    certainty: float
    count: int
    phase: float
    view: Literal["front", "oblique", "side", "nobody"]
    repetitions: tuple[RepetitionSeen, ...]


def _logit(p: float) -> float:
    return float(np.log(max(p, 1e-4) / max(1 - p, 1e-4)))


class RepetitionCounter:
    """Follows one source: feed readings in time order, get observations."""

    def __init__(self, settings: CountingSettings | None = None) -> None:
        self.settings = settings or CountingSettings()
        self._names = exercise_names()
        self._rules = form_rules()
        self._holds = {m.name for m in movements() if m.kind == "hold"}
        self._belief = np.zeros(len(self._names))
        self._belief[0] = 1.0
        self.exercise = "none"
        self.count = 0
        self._since = 0.0
        self._armed = True
        self._middle = False
        self._start_s = 0.0
        self._quiet_s = 0.0
        self._pending: list[tuple[float, float, float, str]] = []  # end, start, probability, exercise
        self._rows: list[tuple[float, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]] = []
        self._hold_s = 0.0
        self._phase = 0.0

    def push(self, times_s: NDArray[np.float64], reading: FrameReading, side: NDArray[np.float64], seen: NDArray[np.bool_]) -> ChunkObservation:
        """Decide about K frames on the grid.

        Args:
            times_s: [K] media times.
            reading: of the temporal half.
            side: [K], 0 front view to 1 side view.
            seen: [K], whether somebody was found.
        """
        done: list[RepetitionSeen] = []
        for k in range(len(times_s)):
            done += self._frame(float(times_s[k]), reading, k, bool(seen[k]))
        last = len(times_s) - 1
        view: Literal["front", "oblique", "side", "nobody"] = "nobody"
        if seen[last]:
            view = "front" if side[last] < 0.42 else "oblique" if side[last] < 0.84 else "side"
        index = self._names.index(self.exercise)
        return ChunkObservation(float(times_s[last]), self.exercise, float(self._belief[index]), self.count,
                                float(reading.phase[last]), view, tuple(done))  # fmt: skip

    def finish(self) -> ChunkObservation | None:
        """What the end of the source decides: a last repetition past its middle, cut by the end."""
        if not self._rows:
            return None
        now = self._rows[-1][0]
        out = []
        for end, start, p, _ in self._pending:
            if self.exercise != "none" and self.exercise not in self._holds:
                self.count += 1
                out.append(self._judge(end, max(start, end - 9.0), p, self.exercise))
        self._pending = []
        if self._middle and self._phase > 0.7 and self.exercise != "none" and self.exercise not in self._holds:
            self.count += 1
            out.append(self._judge(now, max(self._start_s, now - 9.0), self._phase, self.exercise))
        self._middle = False
        index = self._names.index(self.exercise)
        return ChunkObservation(now, self.exercise, float(self._belief[index]), self.count, self._phase, "nobody", tuple(out))

    def _frame(self, now: float, reading: FrameReading, k: int, seen: bool) -> list[RepetitionSeen]:
        s = self.settings
        keep = np.exp(-1.0 / FPS / s.evidence_s)
        if seen:
            self._belief = keep * self._belief + (1 - keep) * reading.exercise[k]
        else:
            self._belief = keep * self._belief + (1 - keep) * np.eye(len(self._names))[0] * 0.5
        best = int(np.argmax(self._belief))
        current = self._names.index(self.exercise)
        if best != current and (self._belief[best] > s.enter or (current and self._belief[current] < s.leave)):
            self._change(self._names[best] if self._belief[best] > s.enter else "none", now)
        if not seen:
            return self._settle(now)
        p, phase = float(reading.end[k]), float(reading.phase[k])
        self._phase = phase
        self._rows.append((now, reading.wrong[k], reading.excess[k], reading.observable[k]))
        self._rows = self._rows[-int(12 * FPS) :]
        if 0.25 < phase < 0.75 and reading.cycle[k] > 0.4:
            self._middle = True
        if self._armed and p > s.end_rise and self._middle:
            self._armed, self._middle = False, False
            self._pending.append((now, self._start_s, p, self._names[int(np.argmax(self._belief[1:])) + 1]))
            self._start_s = now
        elif p < s.end_fall:
            self._armed = True
        out = self._settle(now)
        if self.exercise in self._holds:
            self._hold_s += 1.0 / FPS
            if self._hold_s >= 2.0:
                self._hold_s = 0.0
                self.count += 2
                out.append(self._judge(now, now - 2.0, 1.0, self.exercise))
        return out

    def _change(self, name: str, now: float) -> None:
        self.exercise, self.count, self._since, self._hold_s = name, 0, now, 0.0

    def _settle(self, now: float) -> list[RepetitionSeen]:
        """Ends wait until the exercise is known, at most `confirm_s`, and two frames for their readings to settle."""
        out, waiting = [], []
        for end, start, p, name in self._pending:
            if now - end < 2 / FPS - 1e-6:
                waiting.append((end, start, p, name))
            elif self.exercise != "none" and self.exercise not in self._holds:
                self.count += 1
                out.append(self._judge(end, max(start, end - 9.0), p, self.exercise))
            elif now - end < self.settings.confirm_s:
                waiting.append((end, start, p, name))
        self._pending = waiting
        return out

    def _judge(self, end: float, start: float, p: float, exercise: str) -> RepetitionSeen:
        s = self.settings
        hold = exercise in self._holds
        rows = [r for r in self._rows if (end - (1.5 if hold else 0.13)) <= r[0] <= end + 0.3]
        mistakes, judged = [], []
        for i, rule in enumerate(self._rules):
            if rule.exercise != exercise or not rows:
                continue
            if float(np.mean([r[3][i] for r in rows])) < s.observable:
                continue
            judged.append(rule.name)
            probability = float(np.mean([r[1][i] for r in rows]))
            if probability > s.per_rule.get(rule.key, s.wrong):
                mistakes.append(NamedMistake(rule, probability, float(np.mean([r[2][i] for r in rows]))))
        mistakes.sort(key=lambda m: -m.probability)
        return RepetitionSeen(exercise, self.count, start, end, tuple(mistakes), tuple(judged), p)
