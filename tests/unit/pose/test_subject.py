"""One person is followed; others change nothing."""

from __future__ import annotations

import json

import pytest

from cornerman_pose.landmarks import Person, SeenChunk
from cornerman_pose.subject import Subject, SubjectState, follow
from tests.unit.pose.bodies import chunk, person


def watch(chunks: list[SeenChunk]) -> tuple[list[Subject], SubjectState]:
    found, state = [], {}
    for seen in chunks:
        one, state = follow(seen, state)
        found.append(one)
    return found, state


def at(seen: SeenChunk, subject: Subject) -> float:
    assert subject.row is not None
    return float(seen.image_px[subject.row, -1, [23, 24], 0].mean())


def moving(start_s: float, from_x: float, speed: float, metre: float = 90.0) -> list[Person]:
    return [person(from_x + speed * (start_s + number / 8), metre=metre) for number in range(8)]


def test_larger_person_is_chosen() -> None:
    (one,), state = watch([chunk([person(100, metre=50)], [person(260, metre=90)])])
    assert (one.row, one.whom, one.switched, one.people) == (1, "the person on the right", False, 2)
    assert json.loads(json.dumps(state)) == state


def test_nobody_is_said() -> None:
    (one,), state = watch([SeenChunk.of_rows([], (224, 398), range(8))])
    assert (one.row, one.reason, state) == (None, "no person is in the picture", {})


def test_equal_people_keep_the_first_choice() -> None:
    pair = ([person(110)], [person(288)])
    chunks = [chunk(*pair[:: -1 if number % 2 else 1], start_s=number / 2) for number in range(20)]
    found, _ = watch(chunks)
    assert len({one.whom for one in found}) == 1 and not any(one.switched for one in found)
    assert all(one.peers == 1 for one in found)


def test_flicker_is_not_chosen() -> None:
    (one,), _ = watch([chunk([person(), None, None, None, None, None, None, None])])
    assert one.row is None


@pytest.mark.parametrize("metre", [60.0, 90.0, 125.0], ids=["behind", "beside", "in front"])
def test_passer_by_changes_nothing(metre: float) -> None:
    chunks = [chunk([person(200)], start_s=number / 2) for number in range(4)]
    for number in range(4, 20):
        passer = moving(number / 2, -240, 60, metre)
        rows = ([person(200)], passer) if number % 2 else (passer, [person(200)])
        chunks.append(chunk(*rows, start_s=number / 2))
    found, _ = watch(chunks)
    assert not any(one.switched for one in found)
    assert all(at(seen, one) == pytest.approx(200) for seen, one in zip(chunks, found, strict=True))


def test_rows_may_change_places() -> None:
    pair = ([person(120)], [person(300)])
    chunks = [chunk(*pair[:: -1 if number % 3 else 1], start_s=number / 2) for number in range(9)]
    found, _ = watch(chunks)
    assert len({round(at(seen, one)) for seen, one in zip(chunks, found, strict=True)}) == 1


def test_short_absence_is_the_same_person() -> None:
    gone = [chunk([None], start_s=0.5 + number / 2) for number in range(3)]
    found, _ = watch([chunk([person(200)]), *gone, chunk([person(215)], start_s=2.0)])
    assert [one.row for one in found] == [0, None, None, None, 0]
    assert found[2].reason == "the person followed is out of sight"
    assert not found[-1].switched


def test_person_who_left_is_replaced() -> None:
    others = [chunk([person(340, metre=60)], start_s=0.5 + number / 2) for number in range(8)]
    found, _ = watch([chunk([person(80)]), *others])
    assert [one.row for one in found[:4]] == [0, None, None, None]
    switched = [one for one in found if one.switched]
    assert len(switched) == 1 and switched[0].reason == "the person followed before has left"


def test_larger_person_who_stays_takes_over() -> None:
    chunks = [chunk([person(120, metre=45)], [person(280, metre=90)], start_s=number / 2) for number in range(20)]
    found, _ = watch([chunk([person(120, metre=45)]), *chunks])
    assert sum(one.switched for one in found) == 1
    assert not any(one.switched for one in found[:15]) and found[-1].row == 1


def test_stolen_skeleton_comes_back() -> None:
    """The estimator hands the skeleton to a passer-by, and then finds the person again."""
    stolen = [chunk(moving(number / 2, 200, 70, 105), start_s=number / 2) for number in range(4)]
    both = [chunk(moving(t, 200, 70, 105), [person(200)], start_s=t) for t in (2.0, 2.5)]
    chunks = [*(chunk([person(200)], start_s=-3 + n / 2) for n in range(6)), *stolen, *both]
    found, _ = watch(chunks)
    assert at(chunks[-1], found[-1]) == pytest.approx(200)
    assert not any(one.switched for one in found)


def test_damaged_state_begins_again() -> None:
    one, _ = follow(chunk([person()]), {"x": 3.0})
    assert one.row == 0


def test_restarted_clock_begins_again() -> None:
    _, state = follow(chunk([person(300)], start_s=500.0))
    one, _ = follow(chunk([person(60, metre=50)], start_s=0.0), state)
    assert one.row == 0
