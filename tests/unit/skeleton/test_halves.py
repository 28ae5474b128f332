import json
import shutil
from pathlib import Path

import pytest

from cornerman_pose.skeleton_coach import SkeletonCoach
from cornerman_training.skeleton.half import half_of
from cornerman_training.skeleton.halves import rows

SQUATS = Path(__file__).parent / "data" / "squat_front.npz"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("squat_s03_e01@0", "squat_s03_e01"), ("inline_lunge_s03_e09@45", "inline_lunge_s03_e09")),
        (("correct1", "30"), ("correct5", "30")),
        (("sq_nowva", "sq_nowva"), ("lu_nowva", "lu_nowva")),
        (("one_man_correct_1", "one_man_correct_1"), ("one_man_hip_first_2", "one_man_hip_first_2")),
    ],
)  # fmt: skip
def test_person_is_in_one_half(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert half_of(*one) == half_of(*other)


def test_both_halves_are_filled() -> None:
    assert {half_of(f"correct{n}", str(n)) for n in range(4)} == {0, 1}
    assert {half_of(f"bad{n:03}", f"bad{n:03}") for n in range(1, 9)} == {0, 1}


def test_scores_stand_side_by_side(tmp_path: Path) -> None:
    labels = []
    for name in ("sq_nowva", "sq_seb"):
        shutil.copy(SQUATS, tmp_path / f"{name}.npz")
        labels.append({"clip": name, "exercise": "squat", "verdict": "good"})
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    found = {(label, key): (a, b) for label, key, a, b in rows(tmp_path, SkeletonCoach)}
    right = found["clips", "exercise_right"]
    assert 1.0 in right
    assert set(right) <= {1.0, None}
