"""Scores of the words: what each row asks for, what counts as right, and a folder read as the product reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornerman_pose.movements import form_rules
from cornerman_training.pose_words.score import NAMED, rows, score
from cornerman_training.pose_words.train import export, new_model
from cornerman_training.pose_words.wordings import COME, NEVER, corrections, is_specific, same_meaning

ROWS = rows()


@pytest.mark.parametrize(
    ("reply", "wanted", "right"),
    [
        ("Push your knees out, they are caving in.", "Knees out, do not let them collapse inward.", True),
        ("Lower your hips, they are too high.", "Knees out, do not let them collapse inward.", False),
        ("That's two squats. Nice form, keep going.", "That's two squats. Great work, keep it up.", True),
        ("That's three squats. Nice form, keep going.", "That's two squats. Nice form, keep going.", False),
        ("That's two squats so far.", "That's twenty-two squats so far.", False),
        ("That's two squats so far.", "That's two squats. Great work, keep it up.", False),
        (COME, COME, True),
        (COME, NEVER, False),
    ],
    ids=["wording", "mistake", "praise", "its count", "count", "answer for praise", "equal", "other"],
)
def test_meaning_is_compared(reply: str, wanted: str, right: bool) -> None:
    assert same_meaning(reply, wanted) is right


def test_rows_ask_for_their_kind() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert ROWS["who is watched"](rng).reply.startswith("I am watching the person ")
        assert ROWS["praise with its count"](rng).reply.startswith("That's ")
        assert ROWS["correction"](rng).action == 2
        assert ROWS["asked: other"](rng).reply == NEVER
    assert [name for name in ROWS if name.startswith("asked")] == [
        f"asked: {kind}" for kind in ("count", "exercise", "wrong", "back", "other")
    ]


def test_every_wording_is_specific() -> None:
    for rule in form_rules():
        sentences = corrections(rule.exercise, rule.name)
        assert len(sentences) >= 2 or rule.name == "not_upright", rule
        assert all(is_specific(text) for text in sentences), sentences


def test_untrained_folder_is_scored(tmp_path: Path) -> None:
    model, _, projector = new_model(0, 600)
    export(model, projector, tmp_path)
    right, wrong = score(tmp_path, 1)
    assert set(right) == {*ROWS, NAMED} and all(0 <= count <= 1 for count in right.values())
    assert len(wrong) == len(ROWS) - sum(right[name] for name in ROWS)
    assert all(" -> " in line and "; wanted " in line for line in wrong)
