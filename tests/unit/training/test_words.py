"""Likeness of sentences, and which mistake a sentence is about."""

import pytest

from cornerman_training.evaluate.words import MeaningOf, meteor, rouge_l, stem, words
from cornerman_training.gym.phrases import meanings


def test_equal_sentences_are_wholly_alike() -> None:
    assert rouge_l("Chest up, now.", "chest up now") == 1.0
    assert meteor("chest up now please", "chest up now please") == pytest.approx(1 - 0.5 / 64)


def test_sentences_without_a_common_word_are_not_alike() -> None:
    assert rouge_l("chest up", "go deeper") == 0.0
    assert meteor("chest up", "go deeper") == 0.0
    assert rouge_l("", "go deeper") == 0.0


def test_rouge_l_counts_the_longest_common_subsequence() -> None:
    # "the cat" and "the mat" share "the" in order; 2 * 1 / (2 + 2).
    assert rouge_l("the cat", "the mat") == 0.5
    assert rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(0.75)


def test_meteor_punishes_another_order() -> None:
    straight = meteor("push your knees out now", "push your knees out now")
    assert meteor("out now push your knees", "push your knees out now") < straight


def test_meteor_matches_stems() -> None:
    assert stem("rounding") == "round"
    assert meteor("hips sagging", "hips sag") < 1.0
    assert meteor("back rounding", "back rounded") > 0.9


def test_every_sentence_of_the_gym_means_what_it_was_written_for() -> None:
    meaning = MeaningOf(meanings())
    for text, key in meanings().items():
        assert meaning(text) == key, text


def test_a_held_out_wording_is_understood_from_the_others() -> None:
    known = meanings()
    text = "Your knees fall inward, press them out."
    key = known.pop(text)
    assert MeaningOf(known)(text) == key


def test_nonsense_means_nothing() -> None:
    assert MeaningOf(meanings())("zebra quantum marmalade") is None


def test_words_are_lower_case_without_marks() -> None:
    assert words("Don't lean, BACK!") == ["don't", "lean", "back"]
