"""Strategy `skeleton`: follows one person, counts their repetitions, and proposes to speak about them.

The watcher lives in this process. Its memory and the coach's notes are saved with every chunk, so that another decider
goes on from them; a chunk that is decided again begins from the saved ones.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, Final

from cornerman_decider.strategy import FormProposal, StrategyError
from cornerman_pose.absence import Absence
from cornerman_pose.channels import CHANNELS
from cornerman_pose.coaching import CoachingCall, CoachingNotes, after_words, coach_chunk
from cornerman_pose.errors import PoseError
from cornerman_pose.measures import channel_of, limit_of, telling_rule
from cornerman_pose.movements import form_rules, movements
from cornerman_pose.taught.counter import TaughtCounter
from cornerman_pose.taught.observing import taught_rules
from cornerman_pose.unlikeness import UnlikenessMeter
from cornerman_pose.watcher import PoseWatcher
from cornerman_pose.wire import unpack_chunk
from cornerman_shared.bus.messages import MistakeSeen, MovementSeen
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_common.gate import Proposal
    from cornerman_decider.state import Memory
    from cornerman_pose.taught.exercise import TaughtExercise
    from cornerman_pose.temporal import TemporalNet
    from cornerman_pose.watcher import Watched
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features

log = get_logger("skeleton")

_NOTES: Final = "notes."
_ABSENCE: Final = "absence."
_AT: Final = "at"  # run and chunk that the memory is after


class SkeletonStrategy:
    """Proposes at the end of repetitions, with the movement seen. Not shared between sources.

    Args:
        net: the temporal half; shared.
        repeat_window_s: how long the same mistake is not named again, seconds.
        exercises: own exercises to look for; empty = the bundled ones.
    """

    name = "skeleton"
    wants_tokens = False
    wants_images = False
    follows_prompt = False

    def __init__(self, net: TemporalNet, repeat_window_s: float, exercises: tuple[TaughtExercise, ...] = ()) -> None:
        self._exercises = exercises
        self._parts = {one.name: frozenset(one.parts) for one in exercises}
        self._net = net
        self._repeat_window_s = repeat_window_s
        names = "".join(f" {one.name}" for one in exercises)
        self.made_from = f"repeat_window_s={repeat_window_s!r}{names}"
        self._watcher: PoseWatcher | None = None
        self._at = ""

    def with_settings(self, repeat_window_s: float, exercises: tuple[TaughtExercise, ...]) -> SkeletonStrategy:
        """The same strategy with other settings.

        It goes on with the watcher, which a memory only approximates, unless other exercises are looked for.
        """
        other = SkeletonStrategy(self._net, repeat_window_s, exercises)
        if [id(one) for one in exercises] == [id(one) for one in self._exercises]:
            other._watcher, other._at = self._watcher, self._at
        return other

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Watches the chunk.

        Raises:
            StrategyError: the encoder sends no landmarks, or those of another release.
        """
        if features.people is None:
            raise StrategyError(
                f"strategy skeleton reads landmarks of people, and the encoder {features.model!r} gives none; "
                "set encoder.backend to pose, or choose another strategy"
            )
        try:
            seen, stats = unpack_chunk(features.people, features.frame_pts_s)
        except PoseError as error:
            raise StrategyError(f"strategy skeleton: {error}") from error
        watcher = self._watcher_after(memory)
        watched = watcher.push(seen, stats)
        self._at = f"{features.run}:{features.seq}"
        parts = self._parts.get(watched.exercise, frozenset())
        notes = _notes_in(memory)
        call, notes = coach_chunk(watched, features.pts_s, notes, self._repeat_window_s, parts, features.motion)
        about = movement_seen(watched, notes, self._exercises)
        if self._exercises and call.reason == "good_repetitions":
            own = next((one for one in self._exercises if one.name == watched.exercise), None)
            if own is None or not own.praised:  # the bundled model's praise was learned on the bundled exercises
                call = CoachingCall("next", 1.0, "repetition")
            else:
                about = replace(about, praise=own.praise)
        proposal = FormProposal(call.action, call.confidence, call.reason, about=about)
        return proposal, {**watcher.memory(), **_plain(notes), _AT: self._at}

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Notes what was said."""
        if not spoke:
            return memory
        call = CoachingCall(proposal.action, proposal.confidence, proposal.reason)
        return {**memory, **_plain(after_words(call, features.pts_s, _notes_in(memory)))}

    def still_true(self, memory: Memory) -> Memory:
        """All of it: who was seen, what was counted and when a mistake was named."""
        return memory

    def _watcher_after(self, memory: Memory) -> PoseWatcher:
        """The watcher that has seen the chunks up to `memory`: this process's, or one that goes on from it."""
        if self._watcher is None or memory.get(_AT, "") != self._at:
            taught = TaughtCounter(self._exercises) if self._exercises else None
            self._watcher = PoseWatcher(self._net, UnlikenessMeter.bundled(), taught=taught)
            try:
                self._watcher.resume(memory)
            except ValueError as error:  # of another release
                log.warning("watcher_begins_again", error=str(error))
        return self._watcher


def movement_seen(watched: Watched, notes: CoachingNotes, own: tuple[TaughtExercise, ...] = ()) -> MovementSeen:
    """What a decision says that it is about; mistakes are those of the newest repetition of the set."""
    taught = [one for one in own if one.name == watched.exercise]
    every = [rule for one in taught for rule in taught_rules(one)] or form_rules()
    rules = {rule.name: rule for rule in every if rule.exercise == watched.exercise}
    say = {mistake.name: mistake.say for one in taught for mistake in one.mistakes if mistake.words == "owner"}
    named = [one.split("=") for one in notes.mistakes.split()]
    view = watched.view
    limits = {"too_dark": view.too_dark, "too_far": view.too_far, "camera_moving": view.camera_moving}
    return MovementSeen(
        exercise=watched.exercise,
        certainty=watched.certainty,
        repetitions=watched.count,
        phase=watched.phase,
        ended=bool(watched.ended),
        mistakes=tuple(
            MistakeSeen(name, rules[name].joint, float(probability), rules[name].landmarks, say.get(name, ""))
            for name, probability in named
            if name in rules
        ),
        unlikeness=round(watched.unlikeness, 3),
        view=view.sight,
        missing=view.missing,
        limits=tuple(name for name, is_so in limits.items() if is_so),
        angle=watched.angle,
        people=view.people,
        whom=watched.subject.whom,
        reasons=view.reasons,
        row=-1 if watched.subject.row is None else watched.subject.row,
        **_telling(watched, [name for name, _ in named]),
    )


def _telling(watched: Watched, mistakes: list[str]) -> dict[str, Any]:
    """The measure that tells most now, and its values at the times that the chunk completed."""
    movement = next((one for one in movements() if one.name == watched.exercise), None)
    rule = telling_rule(movement, mistakes) if movement else None
    if rule is None or watched.shown is None or watched.subject.row is None:
        return {}
    name = channel_of(rule)
    limit, worse = limit_of(rule) or (None, "")
    column = watched.shown[:, list(CHANNELS).index(name)]
    return {
        "measure": name,
        "measured_pts_s": tuple(round(at, 3) for at in watched.grid_s),
        "measured": tuple(round(float(value), 3) for value in column),
        "limit": limit,
        "worse": worse,
    }


def _plain(notes: CoachingNotes) -> Memory:
    known = asdict(notes)
    absence = known.pop("absence")
    return {
        **{_NOTES + name: value for name, value in known.items()},
        **{_ABSENCE + name: value for name, value in absence.items()},
    }


def _notes_in(memory: Memory) -> CoachingNotes:
    """The notes of a memory; what an older decider did not save is as at the beginning."""
    known: dict[str, Any] = {one.name: memory.get(_NOTES + one.name) for one in fields(CoachingNotes)}
    absence: dict[str, Any] = {one.name: memory.get(_ABSENCE + one.name) for one in fields(Absence)}
    known["absence"] = Absence(**{name: value for name, value in absence.items() if value is not None})
    return CoachingNotes(**{name: value for name, value in known.items() if value is not None})
