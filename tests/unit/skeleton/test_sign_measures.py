import numpy as np
import pytest

from cornerman_pose.channels import CHANNELS, SIGNS
from cornerman_pose.movements import exercise_names, form_rules
from cornerman_pose.reading import FrameReading
from cornerman_pose.sign_measures import SIGN_MEASURES, by_sign

FRAMES = 17
_RULES = {rule.key: rule for rule in form_rules()}


def _reading(**signs: np.ndarray) -> FrameReading:
    def zeros(width: int) -> np.ndarray:
        return np.zeros((FRAMES, width), dtype=np.float32)

    rows, rules = zeros(len(SIGNS)), len(form_rules())
    rows[:, SIGNS.index("hands_seen")], rows[:, SIGNS.index("trunk")] = 1.0, 1.0
    for name, values in signs.items():
        rows[:, SIGNS.index(name)] = values
    channels = zeros(len(CHANNELS))
    channels[:, list(CHANNELS).index("lean")] = 60.0
    line = np.zeros(FRAMES, dtype=np.float32)
    return FrameReading(
        zeros(len(exercise_names())), line, line, line, zeros(3), zeros(rules), zeros(rules), channels, channels,
        channels, rows, line,
    )  # fmt: skip


def _thrown(height: float) -> np.ndarray:
    return height * np.sin(np.linspace(0, np.pi, FRAMES)).astype(np.float32)


def test_every_sign_is_written() -> None:
    assert {rule.sign for rule in form_rules() if rule.sign} == set(SIGN_MEASURES)


def test_a_hand_thrown_up_is_unsteady() -> None:
    rule = _RULES["lunge:unsteady"]
    assert by_sign(rule, _reading(hands=_thrown(0.9)), 1.0, 0.0) > 0.9
    assert by_sign(rule, _reading(hands=_thrown(0.25)), 1.0, 0.0) < 0.1


def test_a_hidden_hand_tells_nothing() -> None:
    reading = _reading(hands=_thrown(0.9), hands_seen=np.full(FRAMES, 0.1))
    assert by_sign(_RULES["lunge:unsteady"], reading, 1.0, 0.0) == 0.0


def test_a_sign_that_the_net_rules_out_is_not_heard() -> None:
    assert by_sign(_RULES["lunge:unsteady"], _reading(hands=_thrown(0.9)), 1.0, -6.0) == 0.0


def test_one_jumping_hand_is_no_throw() -> None:
    hands = np.zeros(FRAMES, dtype=np.float32)
    hands[8] = 0.9  # one bad frame
    assert by_sign(_RULES["lunge:unsteady"], _reading(hands=hands), 1.0, 0.0) < 0.5


@pytest.mark.parametrize(("shortened_to", "turned", "leans"), [(0.5, 0.1, True), (0.9, 0.1, False), (0.5, 0.9, False)])
def test_lean_from_the_front_shortens_the_trunk(shortened_to: float, turned: float, leans: bool) -> None:
    trunk = 1.0 - (1.0 - shortened_to) * np.sin(np.linspace(0, np.pi, FRAMES)).astype(np.float32)
    assert (by_sign(_RULES["squat:leaning_forward"], _reading(trunk=trunk), turned, 0.0) > 0.5) is leans


def test_rules_without_a_sign_stay_silent() -> None:
    assert by_sign(_RULES["squat:knees_in"], _reading(hands=_thrown(2.0)), 0.0, 3.0) == 0.0
