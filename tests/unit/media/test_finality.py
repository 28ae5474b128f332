"""Which errors end a source."""

from __future__ import annotations

import math

import pytest

from cornerman_media.finality import REMOTE_TRIES, Fault, Origin, SourceHistory


@pytest.mark.parametrize("fault", ["refused", "missing", "not_video", "away", "broke_off"])
def test_played_camera_never_ends(fault: Fault) -> None:
    history = SourceHistory("live", give_up_s=5.0)
    history.frame()
    for now_s in range(0, 100_000, 1000):
        assert not history.judge(fault, float(now_s)).final
    assert history.left_s(1e9) == math.inf


def test_refusal_after_playing_says_why() -> None:
    history = SourceHistory("live")
    history.frame()
    assert history.judge("refused", 1.0).why == "it has played before, so it is tried again"


@pytest.mark.parametrize(
    ("origin", "fault", "final"),
    [
        ("live", "refused", True),
        ("live", "not_video", True),
        ("live", "settings", True),
        ("live", "missing", False),  # a camera that is booting answers so, and nothing was promised yet
        ("live", "away", False),
        ("remote_file", "missing", True),
        ("remote_file", "broke_off", False),
        ("file", "missing", True),
        ("file", "broke_off", True),
    ],
)
def test_first_error_of_a_source(origin: Origin, fault: Fault, final: bool) -> None:
    assert SourceHistory(origin).judge(fault, 0.0).final is final


def test_wrong_settings_end_even_what_played() -> None:
    history = SourceHistory("live")
    history.frame()
    assert history.judge("settings", 0.0).final


def test_remote_file_has_a_few_tries() -> None:
    history = SourceHistory("remote_file")
    verdicts = [history.judge("broke_off", 0.0).final for _ in range(REMOTE_TRIES)]
    assert verdicts == [False] * (REMOTE_TRIES - 1) + [True]
    history.frame()
    assert not history.judge("broke_off", 0.0).final


def test_source_that_never_played_is_given_up() -> None:
    history = SourceHistory("live", give_up_s=15.0)
    assert not history.judge("away", 100.0).final
    assert history.left_s(110.0) == 5.0
    verdict = history.judge("away", 116.0)
    assert verdict.final and verdict.why == "given up after 2 tries (watch.give_up_s = 15)"
