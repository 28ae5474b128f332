"""What simple rules reach on the same sessions: the bar that a trained coach must clear. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluate.messages import Said, Session

INTERVAL_S = 3.0


def every(session: Session, interval_s: float = INTERVAL_S, text: str = "Keep going.") -> tuple[Said, ...]:
    """Something every few seconds, whatever happens: polling."""
    count = int(session.duration_s / interval_s)
    return tuple(Said((i + 1) * interval_s, text) for i in range(count) if (i + 1) * interval_s < session.duration_s)


def on_motion(
    motion: Sequence[tuple[float, float]], high: float, low: float, pause_s: float, text: str = "Keep going."
) -> tuple[Said, ...]:
    """Something when motion falls asleep after having been lively, at most every `pause_s` seconds.

    Args:
        motion: (time_s, motion) of every chunk, motion 0..1 of the session's own range.
        high: motion from which on it is lively.
        low: motion below which it sleeps.
        pause_s: least time between two.
        text: what is said.
    """
    out: list[Said] = []
    lively = False
    for time, value in motion:
        if value >= high:
            lively = True
        elif value <= low and lively:
            lively = False
            if not out or time - out[-1].time_s >= pause_s:
                out.append(Said(time, text))
    return tuple(out)
