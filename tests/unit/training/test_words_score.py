"""Scores of the words: what each row asks for, what counts as right, and a folder read as the product reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornerman_pose.movements import form_rules
from cornerman_training.pose_words.score import NAMED, is_specific, rows, score
from cornerman_training.pose_words.train import export, new_model
from cornerman_training.pose_words.wordings import COME, NEVER, corrections, same_meaning

ROWS = rows()


@pytest.mark.parametrize(
    ("reply", "wanted", "right"),
    [
        ("Push your knees out, they are caving in.", "Knees out, do not let them collapse inward.", True),
        ("Lower your hips, they are too high.", "Knees out, do not let them collapse inward.", False),
        ("That's two squats. Nice form, keep going.", "That's two squats. Great work, keep it up.", True),
        ("That's three squats. Nice form, keep going.", "That's two squats. Nice form, keep going.", False),
        ("That's two squats so far.", "That's 22 squats so far.", False),
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


def test_most_wordings_are_specific() -> None:
    sentences = [text for rule in form_rules() for text in corrections(rule.exercise, rule.name)]
    vague = [text for text in sentences if not is_specific(text)]
    assert len(vague) <= 0.05 * len(sentences), vague


def test_untrained_folder_is_scored(tmp_path: Path) -> None:
    model, _, projector = new_model(0, 600)
    export(model, projector, tmp_path)
    right, wrong = score(tmp_path, 1)
    assert set(right) == {*ROWS, NAMED} and all(0 <= count <= 1 for count in right.values())
    assert len(wrong) == len(ROWS) - sum(right[name] for name in ROWS)
    assert all(" -> " in line and "; wanted " in line for line in wrong)
