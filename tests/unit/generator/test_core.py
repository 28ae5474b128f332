"""Silence, pace and frames."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_generator.core import ChunkInput, SilenceFilter, TextPacer, distinct_frames, require_tokens
from cornerman_shared.errors import GenerationError


def hush(avoid: str, *pieces: str) -> tuple[list[str], bool]:
    guard = SilenceFilter(avoid)
    out = [guard.push(piece) for piece in pieces]
    rest, silent = guard.end()
    return [piece for piece in (*out, rest) if piece], silent


@pytest.mark.parametrize("text", ["...", " ...", "…", "…\n", '"..."', "", "  ", ". . ."])
def test_dots_mean_nothing_new(text: str) -> None:
    assert hush("", text) == ([], True)
    assert hush("", *text) == ([], True)


def test_dots_before_words_are_words() -> None:
    assert hush("", "..", ".", " and then", " he fell") == (["... and then", " he fell"], False)


def test_the_first_word_goes_out_at_once_when_it_is_no_repeat() -> None:
    guard = SilenceFilter("Keep your back straight.")
    assert guard.push("Bend") == "Bend"
    assert guard.push(" down") == " down"


@pytest.mark.parametrize("text", ["Keep your back straight.", "keep your back straight", "Keep  your back straight!"])
def test_the_same_words_are_a_repeat_whatever_their_dress(text: str) -> None:
    assert hush("Keep your back straight.", *text) == ([], True)


def test_a_beginning_in_common_is_held_back_only_until_it_differs() -> None:
    pieces = ["Keep", " your", " back", " low", " now"]
    assert hush("Keep your back straight.", *pieces) == (["Keep your back low", " now"], False)


def test_less_than_what_was_said_is_not_a_repeat_and_is_not_lost() -> None:
    assert hush("Keep your back straight.", "Keep your back") == (["Keep your back"], False)


@given(st.lists(st.text(max_size=6), max_size=12), st.text(max_size=12))
def test_no_word_is_ever_lost_unless_all_of_it_is_nothing_new(pieces: list[str], avoid: str) -> None:
    out, silent = hush(avoid, *pieces)
    said = "".join(out)
    assert said == ("" if silent else "".join(pieces).lstrip())


def test_pacer_sends_the_first_piece_at_once_and_then_gathers() -> None:
    pacer = TextPacer(0.1)
    assert pacer.wait_s(0.0) is None
    pacer.push("a")
    assert pacer.wait_s(0.0) == 0.0
    assert pacer.take(0.0) == "a"
    pacer.push("b")
    assert pacer.wait_s(0.04) == pytest.approx(0.06)
    pacer.push("c")
    assert pacer.wait_s(0.11) == 0.0
    assert pacer.take(0.11) == "bc"
    assert pacer.take(0.2) == ""


@given(st.lists(st.floats(0, 0.05), max_size=200))
def test_pacer_never_sends_more_often_than_it_may_and_loses_nothing(waits: list[float]) -> None:
    pacer, now_s, sent, text = TextPacer(1 / 30), 0.0, [], ""
    for wait_s in waits:
        now_s += wait_s
        pacer.push("x")
        if pacer.wait_s(now_s) == 0.0:
            text += pacer.take(now_s)
            sent.append(now_s)
    text += pacer.take(now_s)
    assert text == "x" * len(waits)
    assert all(later - earlier >= 1 / 30 - 1e-9 for earlier, later in itertools.pairwise(sent))


def test_frames_that_chunks_share_are_seen_once_in_time_order(chunks: list[ChunkInput]) -> None:
    frames = distinct_frames(chunks, 16)
    assert [int(frame[0, 0, 0]) for frame in frames] == [round((1.0 + i / 8) * 40) for i in range(12)]


def test_of_too_many_frames_an_even_choice_stays_with_the_newest_in_it(chunks: list[ChunkInput]) -> None:
    values = [int(frame[0, 0, 0]) for frame in distinct_frames(chunks, 4)]
    assert values[-1] == round((1.0 + 11 / 8) * 40)
    assert values == sorted(values)
    assert len(set(values)) == 4
    assert len(distinct_frames(chunks, 1)) == 1


def test_missing_frames_or_tokens_are_an_error_that_names_the_setting(chunks: list[ChunkInput]) -> None:
    with pytest.raises(GenerationError, match=r"chunk 2 came without its frames.*generator\.backend"):
        distinct_frames([replace(chunks[0], frames=None)], 8)
    with pytest.raises(GenerationError, match=r"chunk 2 has no tokens.*encoder\.backend"):
        require_tokens([replace(chunks[0], video=None)])
    require_tokens(chunks)
    assert isinstance(chunks[0].frames, np.ndarray)
