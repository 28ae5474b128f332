"""The gate over a session: threshold, repeats, minimum interval, and equality with the decider's gate."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cornerman_common.gate import GateState, pass_gate
from cornerman_decider.strategies.head import likeliest
from cornerman_shared.settings.source import SpeakSettings
from cornerman_training.gate import CORRECT, FEEDBACK, gated_actions

NEXT = (0.9, 0.05, 0.05)
WRONG = (0.1, 0.05, 0.85)
GOOD = (0.1, 0.85, 0.05)
UNSURE = (0.3, 0.1, 0.6)


def passed(*rows: tuple[float, float, float]) -> list[tuple[float, int]]:
    return gated_actions(np.array(rows, dtype=np.float32), [0.5 * i for i in range(len(rows))], 0.75, 2.0, 5.0)


def test_action_below_threshold_is_dropped() -> None:
    assert passed(NEXT, UNSURE, WRONG) == [(1.0, CORRECT)]


def test_lasting_detection_passes_once() -> None:
    assert passed(*[WRONG] * 8) == [(0.0, CORRECT)]


def test_interrupted_detection_passes_again() -> None:
    assert passed(WRONG, NEXT, NEXT, NEXT, WRONG) == [(0.0, CORRECT), (2.0, CORRECT)]


def test_minimum_interval_spans_actions() -> None:
    assert passed(WRONG, GOOD, GOOD, NEXT, GOOD) == [(0.0, CORRECT), (2.0, FEEDBACK)]


@given(st.lists(st.sampled_from([NEXT, WRONG, GOOD, UNSURE]), min_size=1, max_size=60))
def test_gate_equals_the_deciders(rows: list[tuple[float, float, float]]) -> None:
    speak = SpeakSettings(confidence_threshold=0.75, min_interval_s=2.0, repeat_window_s=5.0)
    state, expected = GateState(), []
    for number, row in enumerate(rows):
        proposal = likeliest(np.array(row, dtype=np.float32), "head")
        verdict = pass_gate(proposal, 0.5 * number, speak, state, request_open=False)
        state = verdict.state
        if verdict.action != "next":
            expected.append((0.5 * number, CORRECT if verdict.action == "correct" else FEEDBACK))
    assert passed(*rows) == expected
