"""Input of an evaluation: true and given feedbacks of a session."""

from __future__ import annotations

from dataclasses import dataclass

ACTIONS = ("feedback", "correct")


@dataclass(frozen=True, slots=True)
class SpokenFeedback:
    """A feedback at a media time, given by a coach or true.

    Attributes:
        time_s: media time.
        text: an empty text never matches.
        action: "correct" for a correction, "feedback" for anything else.
        exercise: truth only, empty when unknown.
        mistake: truth only, empty for praise or when unknown.
    """

    time_s: float
    text: str
    action: str = "feedback"
    exercise: str = ""
    mistake: str = ""

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"action {self.action!r} of a feedback: choose one of {', '.join(ACTIONS)}")


@dataclass(frozen=True, slots=True)
class TimedSession:
    """The true feedbacks of one session; `quiet` if none is due at any time."""

    name: str
    duration_s: float
    truth: tuple[SpokenFeedback, ...]
    quiet: bool = False
    video: str = ""


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A session and the feedbacks that a coach gave in it, in order of time."""

    session: TimedSession
    said: tuple[SpokenFeedback, ...]
