"""Similarity of sentences, and the mistake that a sentence is about."""

import pytest

from cornerman_training.evaluate.words import MeaningOf, meteor, rouge_l, stem, words
from cornerman_training.gym.phrases import meanings


def test_equal_sentences_score_one() -> None:
    assert rouge_l("Chest up, now.", "chest up now") == 1.0
    assert meteor("chest up now please", "chest up now please") == pytest.approx(1 - 0.5 / 64)


def test_unrelated_sentences_score_zero() -> None:
    assert rouge_l("chest up", "go deeper") == 0.0
    assert meteor("chest up", "go deeper") == 0.0
    assert rouge_l("", "go deeper") == 0.0


def test_rouge_l_counts_common_subsequence() -> None:
    # "the cat" and "the mat" share "the" in order; 2 * 1 / (2 + 2).
    assert rouge_l("the cat", "the mat") == 0.5
    assert rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(0.75)


def test_meteor_penalises_other_order() -> None:
    straight = meteor("push your knees out now", "push your knees out now")
    assert meteor("out now push your knees", "push your knees out now") < straight


def test_meteor_matches_stems() -> None:
    assert stem("rounding") == "round"
    assert meteor("hips sagging", "hips sag") < 1.0
    assert meteor("back rounding", "back rounded") > 0.9


def test_gym_sentences_have_their_meaning() -> None:
    meaning = MeaningOf(meanings())
    for text, key in meanings().items():
        assert meaning(text) == key, text


def test_unseen_wording_has_nearest_meaning() -> None:
    known = meanings()
    text = "Your knees fall inward, press them out."
    key = known.pop(text)
    assert MeaningOf(known)(text) == key


def test_unknown_sentence_has_no_meaning() -> None:
    assert MeaningOf(meanings())("zebra quantum marmalade") is None


def test_words_are_lower_case() -> None:
    assert words("Don't lean, BACK!") == ["don't", "lean", "back"]
