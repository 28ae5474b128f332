"""What a person did in a session: sets, repetitions, mistakes, best and worst moment, what to work on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cornerman_gateway.summary_fields import ExerciseSet, SessionSummary, SummaryMoment, WorkPoint
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Event

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import MovementSeen


def make_summary(source_id: str, run: str, events: Iterable[tuple[str, Event]]) -> SessionSummary:
    """Sums up the decisions and words of `run`. Without a coach that follows a person there are no sets."""
    rows = [item for item in events if item[1].run == run]
    decided = [event for _, event in rows if isinstance(event, DecisionEvent)]
    said = {
        event.request_id: event.text
        for _, event in rows
        if isinstance(event, EndEvent) and event.kind == "feedback" and event.status == "done" and not event.silent
    }
    ends = _Repetitions()
    for event in decided:
        if event.about is not None:
            ends.take(event, event.about)
    words: dict[str, tuple[float, str]] = {}
    for event in decided:
        text = said.get(f"{source_id}:{run}:{event.seq}", "")
        if text and event.about is not None and event.action == "correct":
            words.update({mistake.name: (event.pts_s, text) for mistake in event.about.mistakes[:1]})
    times = Counter[str]()
    for done in ends.sets:
        times.update(done.mistakes)
    work_on = []
    for name, count in times.most_common():
        pts_s, text = words.get(name, (None, ""))
        work_on.append(WorkPoint(mistake=_plain(name), times=count, text=text, pts_s=pts_s))
    for done in ends.sets:
        done.mistakes = {_plain(name): count for name, count in done.mistakes.items()}
        done.exercise = _plain(done.exercise)
    return SessionSummary(
        source_id=source_id,
        run=run,
        seconds=round(max((event.pts_s for event in decided), default=0.0), 3),
        sets=ends.sets,
        best=ends.best,
        worst=ends.worst_with(words),
        work_on=work_on,
    )


class _Repetitions:
    """Finds sets and the ends of their repetitions in decisions, oldest first."""

    def __init__(self) -> None:
        self.sets: list[ExerciseSet] = []
        self.best: SummaryMoment | None = None
        self._worst: tuple[float, str, float] | None = None  # probability, mistake, media time
        self._exercise = ""
        self._fresh = True  # the next repetition begins a set
        self._streak = self._longest = self._count = 0

    def take(self, event: DecisionEvent, about: MovementSeen) -> None:
        """Adds what the decision tells of a new repetition, or second of a hold."""
        if not about.exercise:
            return
        if about.exercise != self._exercise or about.repetitions < self._count:
            self._exercise, self._count, self._streak, self._fresh = about.exercise, 0, 0, True
        if about.repetitions <= self._count:
            return
        if self._fresh:
            self._fresh = False
            self.sets.append(
                ExerciseSet(
                    exercise=about.exercise,
                    hold=about.exercise in _holds(),
                    repetitions=0,
                    with_mistakes=0,
                    mistakes={},
                    began_s=event.pts_s,
                    ended_s=event.pts_s,
                )
            )
        self._count = about.repetitions
        now = self.sets[-1]
        now.repetitions, now.ended_s = about.repetitions, event.pts_s
        now.with_mistakes += bool(about.mistakes)
        for mistake in about.mistakes:
            now.mistakes[mistake.name] = now.mistakes.get(mistake.name, 0) + 1
            if self._worst is None or mistake.probability > self._worst[0]:
                self._worst = (mistake.probability, mistake.name, event.pts_s)
        self._streak = 0 if about.mistakes else self._streak + 1
        if self._streak > self._longest:
            self._longest = self._streak
            unit = "seconds" if now.hold else "repetitions"
            in_a_row = f"{self._streak} good {unit} in a row" if self._streak > 1 else "a good repetition"
            self.best = SummaryMoment(pts_s=event.pts_s, what=f"{_plain(now.exercise)}: {in_a_row}")

    def worst_with(self, words: dict[str, tuple[float, str]]) -> SummaryMoment | None:
        """The surest mistake, with what was said about its kind."""
        if self._worst is None:
            return None
        _, name, pts_s = self._worst
        return SummaryMoment(pts_s=pts_s, what=_plain(name), text=words.get(name, (0.0, ""))[1])


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _holds() -> frozenset[str]:
    from cornerman_pose.movements import movements

    return frozenset(movement.name for movement in movements() if movement.kind == "hold")
