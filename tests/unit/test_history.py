"""The history checker finds every kind of violation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cornerman_shared.bus.messages import (
    STAGE_NAMES,
    DecisionEvent,
    DeltaEvent,
    EndEvent,
    Event,
    StartEvent,
    StateEvent,
    Times,
)
from tests.faults.history import RUN_OVER, backward, check, check_last_run

T = Times()
COUNTERS = {"due": 2, "published": 2, "decided": 2, "requests": 1, "feedback": 1}


def decision(seq: int) -> DecisionEvent:
    return DecisionEvent("s", "r", seq, seq / 2, "next", 1.0, "", "rules", 0.0, "ok", T)


def start(attempt: int = 1) -> StartEvent:
    return StartEvent("s", "r", "s:r:1", attempt, "feedback", "feedback", 0.5, "p", "echo", T)


def delta(text: str, attempt: int = 1) -> DeltaEvent:
    return DeltaEvent("s", "r", "s:r:1", attempt, text, T)


def end(text: str, attempt: int = 1) -> EndEvent:
    return EndEvent(
        "s", "r", "s:r:1", attempt, "feedback", "feedback", "done", 0.5, "p", text, False, "", "echo", 1, 1, 1.0, T
    )


OVER = StateEvent("s", "r", "ended", RUN_OVER, 1.0)
CLEAN: list[Event] = [decision(0), decision(1), start(), delta("a"), start(2), delta("go", 2), end("go", 2)]


def test_clean_history_has_no_violations() -> None:
    assert check([*CLEAN, OVER], COUNTERS, published=2) == []


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        ([*CLEAN, decision(1)], "chunk 1 was decided 2 times"),
        (CLEAN[1:], "chunk 0 was never decided"),
        ([decision(1), decision(0), *CLEAN[2:]], "chunk 0 was decided after chunk 1"),
        ([*CLEAN, end("go", 2)], "s:r:1 ended 2 times"),
        (CLEAN[:-1], "s:r:1 never ended"),
        ([*CLEAN, delta("late", 2)], "spoke after its end"),
        ([*CLEAN[:-1], delta("zombie", 1), CLEAN[-1]], "attempt 1 spoke out of turn"),
        ([*CLEAN, OVER, OVER], "the run ended 2 times"),
        ([OVER, *CLEAN], "chunk 0 was decided after the end"),
        ([*CLEAN[:-1], replace(end("go", 2), text="else")], "ended with 'else', but said 'go'"),
    ],
)
def test_each_violation_is_found(history: list[Event], sentence: str) -> None:
    assert any(sentence in found for found in check(history, COUNTERS, published=2))


@pytest.mark.parametrize("name", ["due", "decided", "requests", "feedback"])
def test_wrong_counters_are_found(name: str) -> None:
    assert check(CLEAN, {**COUNTERS, name: 7}, published=2)


def test_earlier_run_may_be_cut_short() -> None:
    before = [replace(decision(seq), run="old") for seq in (0, 1, 2)]
    assert check_last_run([*before, *CLEAN, OVER], COUNTERS, published=2) == []
    returns = [*before[:1], *CLEAN, *before[1:], OVER]
    assert "old was decided after r" in check_last_run(returns, COUNTERS, published=2)
    doubled = [*before, before[2], *CLEAN]
    assert "run old: chunk 2 was decided 2 times" in check_last_run(doubled, COUNTERS, published=2)


def test_stages_are_compared_in_their_order() -> None:
    """Not in the order of the fields: those that came later are at its end."""
    forward = Times(**{f"{name}_at_s": 10.0 + place for place, name in enumerate(STAGE_NAMES)})
    assert backward(forward) == []
    late = replace(forward, begun_at_s=forward.decided_at_s + 0.5)
    assert f"{STAGE_NAMES[STAGE_NAMES.index('begun') + 1]} before begun" in backward(late)
    assert backward(replace(forward, started_at_s=0.0, done_at_s=0.0)) == []
    assert backward(late, tolerance_s=10.0) == []
