"""Decisions about repetitions from readings of the temporal half. Pure: neither net nor clock, only media time.

The exercise is decided by evidence over time, an end needs a repetition before it, a mistake is named only when the
view shows it and the readings around the end agree. On motion other than exercise nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import FPS
from cornerman_pose.evidence import moving_rows, moving_seconds, weigh
from cornerman_pose.habit import BROKEN, Habit, far_seconds, travel
from cornerman_pose.measures import DURATION
from cornerman_pose.movements import FormRule, exercise_names, form_rules, movements
from cornerman_pose.reading import FrameReading, cut
from cornerman_pose.sign_measures import by_sign
from cornerman_pose.stance import FRAMES, as_they_stand

HOLD_S = 2
"""Seconds of a hold that are judged, and counted, together."""

_RULED_OUT, _INSIDE = 0.02, -0.5
"""A repetition less probable to break a rule by itself, and measured further inside its limit (greys), does not break
it beside earlier ones either: a press that ends with straight arms is whole, however short its way."""

_NEAR = 0.5
"""Greys that a measure may lack to its limit, and still leaves the mistake in doubt."""

_PAUSE_S = 12.0
_ALIKE = 0.2
"""A set of two repetitions or more, under way or left no longer than `_PAUSE_S` ago, goes on with one that is more like
it than like any other exercise, and at least so much: few go as deep when they tire."""

_LATE, _EARLY = 0.75, 0.15
"""A phase that falls from beyond the first to below the second has gone round."""

_TURN_S, _RESTS = 0.4, 0.92
"""Who turns back half way skips the middle: on the way up at most so many seconds ago, on the way down now, at a phase
below the second."""

_FACING = 0.2
"""Bodies turned less show their front, whatever the net says of what can be seen of them."""

_OF_A_FIGURE = 0.5
"""Of a drawn figure each mistake is named from this probability on; the thresholds of the table are those of people."""

_BEGUN = 0.2
"""A repetition whose first frame is further in its cycle began before it was seen; how long it took is not known."""


@dataclass(frozen=True, slots=True)
class CountingSettings:
    """Thresholds of the decisions; tuned on half of the people of the development clips, by person."""

    evidence_s: float = 0.9
    enter: float = 0.6
    leave: float = 0.35
    end_rise: float = 0.5
    end_fall: float = 0.3
    wrong: float | None = None  # one probability for all mistakes instead of those of the table
    observable: float = 0.5
    confirm_s: float = 1.2
    sure: float = 0.42
    nearly: float = 0.95
    per_rule: Mapping[str, float] = field(default_factory=dict)
    everything: bool = False  # report every mistake that the view allows to judge, whatever its evidence: for tuning


@dataclass(frozen=True, slots=True)
class NamedMistake:
    """A mistake on one repetition: its rule, probability and strength (grey units past the limit).

    `past` is the strength as measured, without doubt; `beside` how probable the mistake is beside the person's own
    earlier repetitions.
    """

    rule: FormRule
    probability: float
    excess: float
    past: float = 0.0
    beside: float = 0.0


@dataclass(frozen=True, slots=True)
class RepetitionSeen:
    """A finished repetition, or two seconds of a hold.

    `judged` are names of the mistakes that the view allows to judge; the others are abstained from. `doubt` is how near
    a mistake came to being named: its probability over that from which on it is named, the greatest of all.
    """

    exercise: str
    number: int
    start_s: float
    end_s: float
    mistakes: tuple[NamedMistake, ...]
    judged: tuple[str, ...]
    probability: float
    doubt: float = 0.0


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


class RepetitionCounter:
    """Follows one source: feed readings in time order, get observations.

    Args:
        calibration: [R,3] of the net: weights of excess and logit, and a bias.
        settings: thresholds.
    """

    def __init__(self, calibration: NDArray[np.float32], settings: CountingSettings | None = None) -> None:
        self.settings = settings or CountingSettings()
        self._calibration = calibration
        self._names = exercise_names()
        self._rules = form_rules()
        self._holds = {m.name for m in movements() if m.kind == "hold"}
        self._least = {m.name: m.likely for m in movements()}
        self._belief = np.eye(len(self._names))[0]
        self._weight = 0.25 * FPS  # a quarter second of "none" before the first frame
        self.exercise = "none"
        self.count = 0
        self._since = 0.0
        self._left = ("none", 0, 0.0)  # the set before this pause: exercise, count, and when it was left
        self._goes_on = False
        self._armed = True
        self._middle = False
        self._rose_s = -_TURN_S
        self._start_s = 0.0
        self._quiet_s = 0.0
        self._pending: list[tuple[float, float, float, str]] = []  # end, start, probability, exercise
        self._rows: list[tuple[float, FrameReading]] = []
        self._hold_s = 0.0
        self._phase = 0.0
        self._nearly = 0
        self._habits: dict[str, Habit] = {}  # by exercise: what was usual stays so over a pause or a wrong guess
        self._sides: list[tuple[float, float]] = []  # how far the body is turned, by time

    def push(
        self, times_s: NDArray[np.float64], reading: FrameReading, side: NDArray[np.float64], seen: NDArray[np.bool_]
    ) -> ChunkObservation:
        """Decide about K frames on the grid.

        Args:
            times_s: [K] media times.
            reading: of the temporal half.
            side: [K], 0 front view to 1 side view.
            seen: [K], whether a person was found.
        """
        done: list[RepetitionSeen] = []
        for k in range(len(times_s)):
            self._sides = [*self._sides, (float(times_s[k]), float(side[k]))][-int(12 * FPS) :]
            done += self._frame(float(times_s[k]), reading, k, bool(seen[k]))
        last = len(times_s) - 1
        view: Literal["front", "oblique", "side", "nobody"] = "nobody"
        if seen[last]:
            view = "front" if side[last] < 0.42 else "oblique" if side[last] < 0.84 else "side"
        return self._observation(float(times_s[last]), view, tuple(done))

    def memory(self) -> dict[str, str | int | list[float]]:
        """What another process needs to go on: exercise, count and belief; the net settles within seconds."""
        habit = self._habits.get(self.exercise, Habit())
        return {
            "exercise": self.exercise,
            "count": self.count,
            "belief": [round(float(b), 4) for b in self._belief],
            "travel": [round(v, 3) for v in habit.travel],
            "far_s": [round(v, 3) for v in habit.seconds],
        }

    def resume(self, memory: Mapping[str, object]) -> None:
        """Go on from another counter's `memory`.

        Raises:
            ValueError: when it names an exercise or a number of exercises that this release does not know.
        """
        exercise, count, belief = memory["exercise"], memory["count"], memory["belief"]
        if exercise not in self._names or not isinstance(belief, list) or len(belief) != len(self._names):
            raise ValueError(f"memory is about {exercise!r}; this release knows {', '.join(self._names)}: start again")
        self.exercise, self.count = str(exercise), int(str(count))
        self._belief = np.array(belief, dtype=np.float64)
        self._habits = {self.exercise: Habit.of(memory.get("travel"), memory.get("far_s"))}

    def finish(self) -> ChunkObservation | None:
        """What the end of the source decides: a last repetition past its middle, cut by the end."""
        if not self._rows:
            return None
        now = self._rows[-1][0]
        out = []
        for end, start, p, _ in self._pending:
            self._recognise(start, end, now)
            if self._counts(start, end):
                self.count += 1
                out.append(self._judge(end, max(start, end - 9.0), p, self.exercise))
        self._pending = []
        if self._middle and self._phase > 0.7:
            self._recognise(max(self._start_s, now - 9.0), now, now)
        if self._middle and self._phase > 0.7 and self._counts(self._start_s, now):
            self.count += 1
            out.append(self._judge(now, max(self._start_s, now - 9.0), self._phase, self.exercise))
        self._middle = False
        return self._observation(now, "nobody", tuple(out))

    def _observation(
        self, now: float, view: Literal["front", "oblique", "side", "nobody"], done: tuple[RepetitionSeen, ...]
    ) -> ChunkObservation:
        # A pose that looks like an exercise is none before it has been repeated once; a hold before two seconds.
        name = self.exercise if self.count else "none"
        certainty = float(self._belief[self._names.index(name)])
        return ChunkObservation(now, name, certainty, self.count, self._phase, view, done)

    def _frame(self, now: float, reading: FrameReading, k: int, seen: bool) -> list[RepetitionSeen]:
        s = self.settings
        # A running mean that forgets: the first frames weigh as much as there are of them.
        keep = np.exp(-1.0 / FPS / s.evidence_s)
        self._weight = keep * self._weight + 1.0
        row = cut(reading, slice(k, k + 1))
        if seen:
            before = [one for t, one in self._rows[-FRAMES:] if now - t < FRAMES / FPS]
            row = replace(row, exercise=as_they_stand(row, before))
        evidence = row.exercise[0] if seen else 0.5 * np.eye(len(self._names))[0]
        self._belief = self._belief + (evidence - self._belief) / self._weight
        best = int(np.argmax(self._belief))
        current = self._names.index(self.exercise)
        if best != current and (self._belief[best] > s.enter or (current and self._belief[current] < s.leave)):
            self._change(self._names[best] if self._belief[best] > s.enter else "none", now)
        if not seen:
            return self._settle(now)
        p, phase = float(reading.end[k]), float(reading.phase[k])
        wrapped = self._phase > _LATE and phase < _EARLY
        self._phase = phase
        self._rows.append((now, row))
        self._rows = self._rows[-int(12 * FPS) :]
        if reading.cycle[k] > 0.4:
            turned = 0.5 < phase < _RESTS and now - self._rose_s <= _TURN_S
            self._middle = self._middle or 0.25 < phase < 0.75 or turned
            self._rose_s = now if _EARLY <= phase < 0.5 else self._rose_s
        # The end of a clip may hide the end of its last repetition: two frames close to it are enough.
        self._nearly = self._nearly + 1 if phase > s.nearly and reading.cycle[k] > 0.5 and self._middle else 0
        if self._middle and ((self._armed and p > s.end_rise) or self._nearly >= 2 or wrapped):
            self._armed, self._middle, self._nearly = False, False, 0
            self._pending.append((now, self._start_s, p, self._names[int(np.argmax(self._belief[1:])) + 1]))
            self._start_s = now
        elif p < s.end_fall:
            self._armed = True
        out = self._settle(now)
        if self.exercise in self._holds:
            self._hold_s += 1.0 / FPS
            if self._hold_s >= HOLD_S:
                self._hold_s = 0.0
                self.count += HOLD_S
                out.append(self._judge(now, now - HOLD_S, 1.0, self.exercise))
        return out

    def _change(self, name: str, now: float) -> None:
        if name == "none" and self.count > 1 and self.exercise not in self._holds:
            self._left = (self.exercise, self.count, now)
        self.exercise, self.count, self._since, self._hold_s = name, 0, now, 0.0

    def _settle(self, now: float) -> list[RepetitionSeen]:
        """Ends wait until the exercise is known, at most `confirm_s`, and two frames for their readings to settle."""
        out, waiting = [], []
        for end, start, p, name in self._pending:
            if now - end < 1 / FPS - 1e-6:
                waiting.append((end, start, p, name))
                continue
            self._recognise(start, end, now)
            if self._counts(start, end):
                self.count += 1
                out.append(self._judge(end, max(start, end - 9.0), p, self.exercise))
            elif now - end < self.settings.confirm_s:
                waiting.append((end, start, p, name))
        self._pending = waiting
        return out

    def _likely(self, start: float, end: float) -> NDArray[np.float32] | None:
        """[E] what a repetition itself says of its exercise."""
        moved = self._between(max(start, end - 3.0), end + 0.3)
        return None if moved is None else moved.exercise[len(moved.exercise) // 3 :].mean(0)

    def _counts(self, start: float, end: float) -> bool:
        """Whether an end is one of the exercise under way, which some exercises must say clearly themselves."""
        if self.exercise == "none" or self.exercise in self._holds:
            return False
        mean = self._likely(start, end)
        if mean is None or self._goes_on:
            return True
        mine = self._names.index(self.exercise)
        alike = self.count > 1 and int(np.argmax(mean[1:])) + 1 == mine and mean[mine] >= _ALIKE
        return bool(alike or mean[mine] >= self._least[self.exercise])

    def _recognise(self, start: float, end: float, now: float) -> None:
        """A whole repetition tells its exercise sooner than the running evidence, and that a set goes on."""
        self._goes_on = False
        mean = self._likely(start, end)
        if mean is None:
            return
        best = int(np.argmax(mean))
        enough = self.settings.sure if self.exercise == "none" else 0.5 + 0.5 * self.settings.sure
        if best and self._names[best] != self.exercise and mean[best] > enough:
            self._change(self._names[best], now)
        name, count, left_s = self._left
        alike = self._names.index(name)
        likest = int(np.argmax(mean[1:])) + 1
        # The running evidence may have come back to the exercise before this repetition was seen to its end.
        paused = self.exercise == "none" or (self.exercise == name and not self.count)
        if paused and now - left_s <= _PAUSE_S and alike == likest and mean[alike] >= _ALIKE:
            self.exercise, self.count, self._goes_on = name, count, True

    def _judge(self, end: float, start: float, p: float, exercise: str) -> RepetitionSeen:
        s = self.settings
        moved = self._between(start, end)
        begun = moved is not None and _BEGUN < float(moved.phase[0]) < 1.0 - _BEGUN  # its start was not seen
        if moved is not None and exercise not in self._holds:
            moved = cut(moved, moving_rows(moved.phase, moved.cycle))
        ended = self._between(end - (1.5 if exercise in self._holds else 0.13), end + 0.3)
        mistakes, judged = [], []
        shallow = quick = False
        doubt = 0.0
        habit = self._habits.setdefault(exercise, Habit())
        sides = [side for t, side in self._sides if start - 1e-6 <= t <= end + 1e-6]
        turned = float(np.median(sides)) if sides else 0.0
        drawn = float(moved.drawn.mean()) if moved is not None else 0.0
        seconds = moving_seconds(moved) if moved is not None else 0.0
        far = travel(exercise, moved.measure.astype(float)) if moved is not None else 0.0
        long = far_seconds(exercise, (moved.measure + moved.shown).astype(float) / 2) if moved is not None else 0.0
        for i, rule in enumerate(self._rules):
            if rule.exercise != exercise or moved is None or ended is None:
                continue
            evidence = weigh(rule, i, moved, ended, seconds)
            sign = by_sign(rule, moved, turned, evidence.logit)
            hidden = turned > rule.turned or (turned < _FACING and "front" not in rule.views)
            if hidden or evidence.observable < s.observable or (begun and rule.measure == DURATION):
                if sign > BROKEN:
                    judged.append(rule.name)
                    mistakes.append(NamedMistake(rule, sign, 0.0, 0.0, sign))
                continue
            judged.append(rule.name)
            a, b, c = self._calibration[i]
            probability = 1.0 / (1.0 + float(np.exp(-(a * evidence.excess + b * evidence.logit + c))))
            held = rule.measure != DURATION and probability < _RULED_OUT and evidence.past < _INSIDE
            beside = 0.0 if held else habit.probability(rule, far, long, evidence.past)
            least = s.per_rule.get(rule.key, rule.decide if s.wrong is None else s.wrong)
            least += drawn * (_OF_A_FIGURE - least)
            shallow = shallow or (beside > BROKEN and rule.measure != DURATION)
            quick = quick or (beside > BROKEN and rule.measure == DURATION)
            beside = max(beside, sign)
            near = probability / max(least, 1e-3) if evidence.past > rule.past - _NEAR else 0.0
            doubt = max(doubt, near, beside / BROKEN)
            if (probability > least and evidence.past > rule.past) or beside > BROKEN or s.everything:
                probability = probability if s.everything else max(probability, beside)
                mistakes.append(NamedMistake(rule, probability, evidence.excess, evidence.past, beside))
        if exercise not in self._holds and moved is not None:
            habit.add(far, long, shallow, quick)
        brought = {name for m in mistakes for name in m.rule.brings}
        mistakes.sort(key=lambda m: (m.rule.name in brought, -m.probability))
        return RepetitionSeen(exercise, self.count, start, end, tuple(mistakes), tuple(judged), p, doubt)

    def _between(self, start: float, end: float) -> FrameReading | None:
        rows = [r for t, r in self._rows if start - 1e-6 <= t <= end + 1e-6]
        if not rows:
            return None
        return FrameReading(*(np.concatenate([getattr(r, n) for r in rows]) for n in FrameReading.__slots__))
