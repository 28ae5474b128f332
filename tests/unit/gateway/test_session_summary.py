"""A session's summary: sets, repetitions, mistakes, moments, what to work on."""

from __future__ import annotations

from cornerman_gateway.session_summary import make_summary
from cornerman_gateway.summary_fields import to_text
from cornerman_gateway.summary_page import summary_html, summary_times
from cornerman_shared.bus.messages import Action, DecisionEvent, EndEvent, Event, MistakeSeen, MovementSeen, Times

TIMES = Times(captured_at_s=1.0)


def decision(
    seq: int, exercise: str, count: int, mistake: str = "", sure: float = 0.8, action: Action = "next"
) -> DecisionEvent:
    mistakes = (MistakeSeen(mistake, "hip", sure, ("hips",)),) if mistake else ()
    seen = MovementSeen(
        exercise, 0.9, count, 0.0, True, mistakes, 1.0, "whole", (), (), "side", 1, "the only person", ()
    )
    return DecisionEvent("cam", "r", seq, float(seq), action, 0.9, "", "skeleton", 0.1, "ok", TIMES, seen)


def words(seq: int, text: str) -> EndEvent:
    return EndEvent(
        "cam", "r", f"cam:r:{seq}", 1, "feedback", "correct", "done", float(seq), "", text, False, "", "m", 1, 2, 1.0,
        TIMES,
    )  # fmt: skip


def rows(*events: Event) -> list[tuple[str, Event]]:
    return [(f"{index}-0", event) for index, event in enumerate(events, 1)]


SESSION = rows(
    decision(1, "", 0),
    decision(2, "squat", 0),
    decision(3, "squat", 1),
    decision(4, "squat", 1),  # seen twice, counted once
    decision(5, "squat", 2),
    decision(6, "squat", 3, "too_shallow", 0.7, "correct"),
    words(6, "Go <deeper>."),
    decision(7, "squat", 4, "too_shallow", 0.95),
    decision(8, "lunge", 1, "leaning_forward", 0.6),
    decision(9, "lunge", 2),
    decision(10, "", 0),
    decision(11, "lunge", 1),  # begun again
    decision(12, "plank", 9),
)


def test_sets_count_repetitions_and_mistakes() -> None:
    made = make_summary("cam", "r", SESSION)
    found = [(one.exercise, one.repetitions, one.with_mistakes, one.mistakes) for one in made.sets]
    assert found == [
        ("squat", 4, 2, {"too shallow": 2}),
        ("lunge", 2, 1, {"leaning forward": 1}),
        ("lunge", 1, 0, {}),
        ("plank", 9, 0, {}),
    ]
    assert [one.hold for one in made.sets] == [False, False, False, True]
    assert (made.sets[0].began_s, made.sets[0].ended_s, made.seconds) == (3.0, 7.0, 12.0)


def test_summary_names_its_moments() -> None:
    made = make_summary("cam", "r", SESSION)
    assert made.best is not None and (made.best.pts_s, made.best.what) == (5.0, "squat: 2 good repetitions in a row")
    assert made.worst is not None and (made.worst.pts_s, made.worst.text) == (7.0, "Go <deeper>.")
    assert [(point.mistake, point.times, point.pts_s) for point in made.work_on] == [
        ("too shallow", 2, 6.0),
        ("leaning forward", 1, None),
    ]
    assert "4 x squat, 2 with mistakes (too shallow 2)" in to_text(made)
    assert "9 s plank, no mistake" in to_text(made)


def test_summary_page_shows_its_stills() -> None:
    made = make_summary("cam", "r", SESSION)
    assert summary_times(made) == [5.0, 7.0, 6.0]
    page = summary_html(made, {6.0: "data:image/jpeg;base64,AA"})
    assert "<p>12 s watched.</p>" in page and "<b>leaning forward</b>, once" in page and ", 2 times" in page
    assert "<b>Best moment</b>, at 00:05" in page and 'alt="the picture at 00:06"' in page
    assert page.count("<img") == 1 and "Go &lt;deeper&gt;." in page and "<deeper>" not in page


def test_session_without_person_is_empty() -> None:
    made = make_summary("cam", "other", SESSION)
    assert (made.sets, made.best, made.worst, made.work_on) == ([], None, None, [])
    assert "no exercise was seen" in to_text(made)
    assert "No exercise was seen." in summary_html(made, {})
