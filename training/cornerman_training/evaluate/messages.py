"""What an evaluation reads: true and said feedbacks of a session."""

from __future__ import annotations

from dataclasses import dataclass

ACTIONS = ("feedback", "correct")


@dataclass(frozen=True, slots=True)
class SpokenFeedback:
    """Something said at a media time; also used for the truth.

    Attributes:
        time_s: media time.
        text: the words; empty words never match.
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
    """The truth of one session; `quiet` when nothing in it deserves a word."""

    name: str
    duration_s: float
    truth: tuple[SpokenFeedback, ...]
    quiet: bool = False
    video: str = ""


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A session and what a coach said in it, in order of time."""

    session: TimedSession
    said: tuple[SpokenFeedback, ...]
