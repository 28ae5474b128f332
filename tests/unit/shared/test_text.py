"""Text from outside: valid, printable, bounded; whole or in pieces."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_generator.reply_text import TextCleaner
from cornerman_shared.text import clean_text

ANY_TEXT = st.text(st.characters(codec=None, categories=None))
SURROGATES = st.text(st.sampled_from("ab\r\n\x1b\ud83c\udfcb\ude00\ud800"), max_size=12)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("knees out", "knees out"),
        ("\ud83c\udfcb", "🏋"),
        ("half \ud83c", "half \N{REPLACEMENT CHARACTER}"),
        ("\udfcb half", "\N{REPLACEMENT CHARACTER} half"),
        ("\x1b]52;c;aGk=\x07done", "]52;c;aGk=done"),
        ("a\r\nb\rc\td\x00", "a\nb\nc\td"),
        ("\u202egnp.exe", "gnp.exe"),
        ("naïve 深く 🏋️‍♀️", "naïve 深く 🏋️‍♀️"),
    ],
)
def test_text_is_cleaned(given_text: str, expected: str) -> None:
    assert clean_text(given_text) == expected


@given(ANY_TEXT | SURROGATES)
def test_clean_text_encodes_and_prints(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode("utf-8")
    assert {unicodedata.category(c) for c in cleaned if c not in "\t\n"} & {"Cc", "Cs"} == set()
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(("limit", "expected"), [(0, ""), (1, "…"), (3, "ab…"), (4, "abcd"), (9, "abcd")])
def test_long_text_ends_in_ellipsis(limit: int, expected: str) -> None:
    assert clean_text("abcd", limit) == expected


@given(SURROGATES, st.integers(0, 12))
def test_pieces_give_the_same_text(text: str, cut: int) -> None:
    cleaner = TextCleaner(100)
    assert cleaner.push(text[:cut]) + cleaner.push(text[cut:]) + cleaner.end() == clean_text(text)


def test_pieces_are_bounded_together() -> None:
    cleaner = TextCleaner(6)
    parts = [cleaner.push("abcd"), cleaner.push("efgh"), cleaner.push("ijkl"), cleaner.end()]
    assert parts == ["abcd", "e…", "", ""]
    assert cleaner.full
