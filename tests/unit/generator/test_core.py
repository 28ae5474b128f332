"""Silence filter, pace of text, choice of frames."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_generator.core import SilenceFilter, TextPacer, distinct_frames, require_tokens, tokens_per_s
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.errors import GenerationError


def filtered(avoid: str, *pieces: str) -> tuple[list[str], bool]:
    silence = SilenceFilter(avoid)
    out = [silence.push(piece) for piece in pieces]
    rest, silent = silence.end()
    return [piece for piece in (*out, rest) if piece], silent


@pytest.mark.parametrize("text", ["...", " ...", "…", "…\n", '"..."', "", "  ", ". . ."])
def test_dots_are_silence(text: str) -> None:
    assert filtered("", text) == ([], True)
    assert filtered("", *text) == ([], True)


def test_dots_before_words_are_text() -> None:
    assert filtered("", "..", ".", " and then", " he fell") == (["... and then", " he fell"], False)


def test_new_first_word_passes_at_once() -> None:
    silence = SilenceFilter("Keep your back straight.")
    assert silence.push("Bend") == "Bend"
    assert silence.push(" down") == " down"


@pytest.mark.parametrize("text", ["Keep your back straight.", "keep your back straight", "Keep  your back straight!"])
def test_repeat_ignores_case_and_punctuation(text: str) -> None:
    assert filtered("Keep your back straight.", *text) == ([], True)


def test_common_start_is_held_until_different() -> None:
    pieces = ["Keep", " your", " back", " low", " now"]
    assert filtered("Keep your back straight.", *pieces) == (["Keep your back low", " now"], False)


def test_shorter_reply_is_not_a_repeat() -> None:
    assert filtered("Keep your back straight.", "Keep your back") == (["Keep your back"], False)


@given(st.lists(st.text(max_size=6), max_size=12), st.text(max_size=12))
def test_silence_filter_loses_no_text(pieces: list[str], avoid: str) -> None:
    out, silent = filtered(avoid, *pieces)
    sent = "".join(out)
    assert sent == ("" if silent else "".join(pieces).lstrip())


def test_pacer_sends_first_then_gathers() -> None:
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
def test_pacer_holds_gap_loses_nothing(waits: list[float]) -> None:
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


def test_shared_frames_come_once_in_order(chunks: list[ChunkInput]) -> None:
    frames = distinct_frames(chunks, 16)
    assert [int(frame[0, 0, 0]) for frame in frames] == [round((1.0 + i / 8) * 40) for i in range(12)]


def test_frame_limit_keeps_even_choice(chunks: list[ChunkInput]) -> None:
    values = [int(frame[0, 0, 0]) for frame in distinct_frames(chunks, 4)]
    assert values[-1] == round((1.0 + 11 / 8) * 40)
    assert values == sorted(values)
    assert len(set(values)) == 4
    assert len(distinct_frames(chunks, 1)) == 1


def test_missing_arrays_name_the_setting(chunks: list[ChunkInput]) -> None:
    with pytest.raises(GenerationError, match=r"chunk 2 came without its frames.*generator\.backend"):
        distinct_frames([replace(chunks[0], frames=None)], 8)
    with pytest.raises(GenerationError, match=r"chunk 2 has no tokens.*encoder\.backend"):
        require_tokens([replace(chunks[0], video=None)])
    require_tokens(chunks)
    assert isinstance(chunks[0].frames, np.ndarray)


def test_rate_leaves_out_the_first_token() -> None:
    assert tokens_per_s([(10.0, 1), (10.25, 1), (10.5, 1)]) == 4.0
    assert tokens_per_s([(10.0, 1), (10.25, 0), (10.5, 4), (99.0, 0)]) == 8.0
    assert tokens_per_s([(10.0, 3), (10.5, 2)]) == 4.0
    assert tokens_per_s([(10.0, 1), (10.5, 1)], n_reply_tokens=11) == 20.0  # the server's own count


@pytest.mark.parametrize("pieces", [[], [(5.0, 1)], [(5.0, 7)], [(5.0, 1), (5.0, 1)]], ids=str)
def test_one_piece_has_no_rate(pieces: list[tuple[float, int]]) -> None:
    assert tokens_per_s(pieces) == 0.0
