import numpy as np
import pytest

from cornerman_pose.movements import exercise_names, form_rules
from cornerman_training.gym.session import plan_session
from cornerman_training.skeleton import gym_world
from cornerman_training.skeleton.gym_points import landmark_points, own_shot
from cornerman_training.skeleton.gym_world import draw_gym_world
from cornerman_training.skeleton.world import World


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    rng = np.random.default_rng(4)
    return [draw_gym_world(rng, 320) for _ in range(6)]


def test_labels_say_what_the_gym_meant(worlds: list[World]) -> None:
    kinds = set()
    for world in worlds:
        for _, last, exercise in world.ends:
            assert world.exercise[last] == exercise
            name = exercise_names()[exercise]
            rules = [i for i, rule in enumerate(form_rules()) if rule.exercise == name]
            wrong = (world.excess[last, rules] > 0).sum()
            assert wrong <= 1
            kinds.add(bool(wrong))
    assert kinds == {True, False}


def test_only_training_sessions_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = []

    def noted(seed, split, **more):  # type: ignore[no-untyped-def]
        splits.append(split)
        return plan_session(seed, split, **more)

    monkeypatch.setattr(gym_world, "plan_session", noted)
    draw_gym_world(np.random.default_rng(0), 80)
    assert splits == ["train"]


def test_later_view_keeps_its_frames(worlds: list[World]) -> None:
    world = worlds[0]
    late = world.later(30)
    assert world.shot is not None and late.shot is not None
    assert np.array_equal(late.shot.image, world.shot.image[30:])
    assert len(late.visible) == len(late.points) == 290


def test_hidden_people_are_not_visible() -> None:
    session = plan_session(5, "train", fps=8.0, kind="footage", duration_s=20)
    points = landmark_points(session)
    assert own_shot(session, points).image.shape == (160, 20, 2)
    assert not session.visible.any()
