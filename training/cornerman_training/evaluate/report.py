"""Computes all numbers of an evaluation, in total and per exercise and mistake. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cornerman_training.evaluate.messages import SessionResult, SpokenFeedback
from cornerman_training.evaluate.temporal import WINDOW_S, Counts, count, match
from cornerman_training.evaluate.words import mean, meteor, rouge_l

Meaning = Callable[[str], tuple[str, str] | None]
PRAISE = "praise"


@dataclass(frozen=True, slots=True)
class MatchedFeedback:
    """A true feedback, the given one that matches it, and the meaning of its text."""

    truth: SpokenFeedback
    said: SpokenFeedback
    meant: tuple[str, str] | None

    @property
    def right(self) -> bool:
        """Whether the text is about the true mistake, or praise if praise was due."""
        if self.meant is None:
            return False
        if not self.truth.mistake:
            return self.meant[1] == PRAISE
        return self.meant == (self.truth.exercise, self.truth.mistake)


@dataclass(frozen=True, slots=True)
class EvaluationGroup:
    """Numbers of one exercise or mistake."""

    truth: int
    met: int
    right: int


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """An evaluation; `to_dict` has the keys of `cornerman evaluate --json`.

    `costs` are times; they differ between runs, so `to_dict` leaves them out.
    """

    counts: Counts
    minutes: float
    sessions: int
    delays_s: tuple[float, ...]
    false_alarms: int
    quiet_minutes: float
    quiet_alarms: int
    matches: tuple[MatchedFeedback, ...]
    groups: Mapping[str, EvaluationGroup]
    baselines: Mapping[str, Counts]
    extra: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types; rates are per minute of video, delays in seconds of media time."""
        corrections = [m for m in self.matches if m.truth.mistake]
        ordered = sorted(self.delays_s)
        last = max(0, -(-len(ordered) * 9 // 10) - 1)
        return {
            "temporal_f_score": self.counts.f_score,
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "mean_delay_s": mean(ordered),
            "p90_delay_s": ordered[last] if ordered else 0.0,
            "false_alarms_per_min": self.false_alarms / self.minutes if self.minutes else 0.0,
            "quiet_alarms_per_min": self.quiet_alarms / self.quiet_minutes if self.quiet_minutes else 0.0,
            "mistake_accuracy": mean([float(m.right) for m in corrections]),
            "action_accuracy": mean([float(m.said.action == m.truth.action) for m in self.matches]),
            "rouge_l": mean([rouge_l(m.said.text, m.truth.text) for m in self.matches]),
            "meteor": mean([meteor(m.said.text, m.truth.text) for m in self.matches]),
            "sessions": self.sessions,
            "minutes": self.minutes,
            "true_feedbacks": self.counts.truth,
            "said_feedbacks": self.counts.predicted,
            "baselines": {
                name: {"temporal_f_score": c.f_score, "precision": c.precision, "recall": c.recall}
                for name, c in self.baselines.items()
            },
            "groups": {
                name: {"truth": g.truth, "met": g.met, "right": g.right} for name, g in sorted(self.groups.items())
            },
            **self.extra,
        }


def pooled(results: Sequence[SessionResult], window_s: float = WINDOW_S) -> Counts:
    """Counts summed over sessions."""
    total = Counts()
    for result in results:
        truth, said = result.session.truth, result.said
        total += count(
            [t.time_s for t in truth],
            [s.time_s for s in said],
            [t.text for t in truth],
            [s.text for s in said],
            window_s,
        )
    return total


def evaluate(
    results: Sequence[SessionResult],
    meaning: Meaning | None = None,
    baselines: Mapping[str, Sequence[SessionResult]] | None = None,
    window_s: float = WINDOW_S,
) -> EvaluationReport:
    """Measures given feedbacks against the truth.

    Args:
        results: sessions with the given feedbacks, in order of time.
        meaning: gives the mistake that a sentence is about; without it no text counts as right.
        baselines: results of simpler strategies on the same sessions, by name.
        window_s: the temporal F-score's window.

    Raises:
        ValueError: for no sessions, or feedbacks out of order.
    """
    if not results:
        raise ValueError("no sessions to evaluate: pass at least one")
    matches: list[MatchedFeedback] = []
    groups: dict[str, list[int]] = {}
    false_alarms = quiet_alarms = 0
    minutes = quiet_minutes = 0.0
    for result in results:
        session, truth, said = result.session, result.session.truth, result.said
        times = [s.time_s for s in said]
        if times != sorted(times):
            raise ValueError(f"session {session.name}: its feedbacks are not in order of time; sort them first")
        minutes += session.duration_s / 60
        true_times = [t.time_s for t in truth]
        unmatched = sum(1 for t in times if all(abs(t - u) >= window_s / 2 for u in true_times))
        false_alarms += unmatched
        if session.quiet:
            quiet_minutes += session.duration_s / 60
            quiet_alarms += unmatched
        # The recall direction: each true feedback and the prediction that matches it.
        pairs = dict(match(true_times, times, [s.text for s in said], window_s))
        for i, t in enumerate(truth):
            names = [t.exercise or "any"]
            if t.exercise:
                names.append(f"{t.exercise}:{t.mistake or PRAISE}")
            found = None
            if i in pairs:
                given = said[pairs[i]]
                found = MatchedFeedback(t, given, meaning(given.text) if meaning else None)
                matches.append(found)
            for name in names:
                row = groups.setdefault(name, [0, 0, 0])
                row[0] += 1
                row[1] += found is not None
                row[2] += found is not None and found.right
    return EvaluationReport(
        counts=pooled(results, window_s),
        minutes=minutes,
        sessions=len(results),
        delays_s=tuple(m.said.time_s - m.truth.time_s for m in matches),
        false_alarms=false_alarms,
        quiet_minutes=quiet_minutes,
        quiet_alarms=quiet_alarms,
        matches=tuple(matches),
        groups={name: EvaluationGroup(*row) for name, row in groups.items()},
        baselines={name: pooled(r, window_s) for name, r in (baselines or {}).items()},
    )
