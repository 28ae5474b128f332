from cornerman_pose.channels import CHANNELS
from cornerman_pose.features import PARTS
from cornerman_pose.measures import DURATION, MEASURES
from cornerman_pose.movements import VIEWS, exercise_names, form_rules, movements
from cornerman_training.skeleton.scene import FORM


def test_twelve_exercises_have_mistakes() -> None:
    assert len(movements()) == 12
    assert all(m.rules for m in movements())
    assert exercise_names()[0] == "none"


def test_every_exercise_has_a_form() -> None:
    assert set(FORM) == set(exercise_names()[1:])


def test_every_measure_is_written() -> None:
    assert {r.measure for r in form_rules()} == {DURATION, *MEASURES}
    assert {c for names, _ in MEASURES.values() for c in names} <= set(CHANNELS)


def test_rules_name_known_parts_and_views() -> None:
    for rule in form_rules():
        assert set(rule.landmarks) <= set(PARTS), rule.key
        assert rule.views and set(rule.views) <= set(VIEWS), rule.key
        assert rule.source and rule.grey > 0, rule.key


def test_excess_is_positive_past_the_limit() -> None:
    shallow = next(r for r in form_rules() if r.key == "squat:too_shallow")
    narrow = next(r for r in form_rules() if r.key == "jumping_jack:narrow_feet")
    assert shallow.excess(shallow.limit + shallow.grey) == 1.0
    assert narrow.excess(narrow.limit + narrow.grey) == -1.0
