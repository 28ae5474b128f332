"""The gate in miniature: threshold, least interval, and a certainty that lasts is said once."""

import numpy as np

from cornerman_training.gate import CORRECT, FEEDBACK, gated_actions

NEXT = (0.9, 0.05, 0.05)
WRONG = (0.1, 0.05, 0.85)
GOOD = (0.1, 0.85, 0.05)
UNSURE = (0.3, 0.1, 0.6)


def said(*rows: tuple[float, float, float]) -> list[tuple[float, int]]:
    return gated_actions(np.array(rows, dtype=np.float32), [0.5 * i for i in range(len(rows))], 0.75, 2.0, 5.0)


def test_only_certain_actions_pass() -> None:
    assert said(NEXT, UNSURE, WRONG) == [(1.0, CORRECT)]


def test_a_lasting_certainty_is_said_once() -> None:
    assert said(*[WRONG] * 8) == [(0.0, CORRECT)]


def test_the_same_action_may_be_said_again_after_it_was_away() -> None:
    assert said(WRONG, NEXT, NEXT, NEXT, WRONG) == [(0.0, CORRECT), (2.0, CORRECT)]


def test_the_least_interval_holds_between_different_actions() -> None:
    assert said(WRONG, GOOD, GOOD, NEXT, GOOD) == [(0.0, CORRECT), (2.0, FEEDBACK)]
