from cornerman_pose.channels import CHANNELS
from cornerman_pose.measures import DURATION, MEASURES, channel_of, limit_of, telling_rule
from cornerman_pose.movements import VIEWS, exercise_names, form_rules, movements
from cornerman_pose.points import PARTS
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


def test_telling_rule_is_of_the_mistake() -> None:
    by_name = {one.name: one for one in movements()}
    rules = {name: telling_rule(movement) for name, movement in by_name.items()}
    assert all(rules.values())
    curl = telling_rule(by_name["biceps_curl"], ["swinging", "half_curl"])
    assert curl is not None and curl.name == "half_curl"
    leaning = telling_rule(by_name["squat"], ["leaning_forward"])
    assert leaning is not None and channel_of(leaning) == "lean"
    fast = telling_rule(by_name["squat"], ["too_fast", "round_back"])  # neither is read off landmarks
    assert fast is not None and fast.name == "too_shallow"


def test_limits_are_on_the_channel() -> None:
    limits = {rule.key: limit_of(rule) for rule in form_rules()}
    assert limits["squat:leaning_forward"] == (47.0, "above")
    assert limits["sit_up:half_way"] == (-40.0, "below")  # the trunk from the floor is its lean from -90
    assert limits["overhead_press:leaning_back"] == (-13.0, "below")  # a backward lean is a negative lean
    for key in ("push_up:half_way", "jumping_jack:one_arm", "squat:too_fast", "deadlift:hips_first"):
        assert limits[key] is None, key
