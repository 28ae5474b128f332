import numpy as np
import pytest

from cornerman_pose.measures import rule_value
from cornerman_pose.movements import form_rules, movements
from cornerman_training.skeleton.build import draw_build
from cornerman_training.skeleton.judge import channels
from cornerman_training.skeleton.posing import skeleton
from cornerman_training.skeleton.scene import FORM, IDLE, draw_world
from cornerman_training.skeleton.timing import SUSTAINED

PROGRESS = np.concatenate([np.linspace(0, 1, 9), np.linspace(1, 0, 9)])


def _values(exercise: str, mistake: str, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    build = draw_build(rng)
    amount = np.ones(18) if mistake in SUSTAINED else np.minimum(PROGRESS * 3, 1.0)
    wrong = {mistake: amount} if mistake else {}
    points = skeleton(build, FORM[exercise](rng, build, PROGRESS, np.zeros(18), wrong))
    rows = channels(points, build)
    return {r.name: r.excess(rule_value(r, rows, 2.0)) for r in form_rules() if r.exercise == exercise}


@pytest.mark.parametrize("exercise", [m.name for m in movements()])
def test_bones_keep_their_length(exercise: str) -> None:
    rng = np.random.default_rng(3)
    build = draw_build(rng)
    points = skeleton(build, FORM[exercise](rng, build, PROGRESS, np.zeros(18), {}))
    thigh = np.linalg.norm(points[:, 9] - points[:, 11], axis=-1)
    forearm = np.linalg.norm(points[:, 5] - points[:, 7], axis=-1)
    assert np.allclose(thigh, build.thigh, atol=2e-3)
    assert np.allclose(forearm, build.forearm, atol=2e-3)


@pytest.mark.parametrize("rule", [r for r in form_rules() if r.name != "too_fast"], ids=lambda r: r.key)
def test_mistake_is_measured_as_wrong(rule) -> None:  # type: ignore[no-untyped-def]
    wrong = np.median([_values(rule.exercise, rule.name, s)[rule.name] for s in range(30)])
    right = np.median([_values(rule.exercise, "", s)[rule.name] for s in range(30)])
    assert right < -0.5 < 0.5 < wrong


@pytest.mark.parametrize("kind", IDLE)
def test_idle_motion_is_finite(kind: str) -> None:
    rng = np.random.default_rng(1)
    build = draw_build(rng)
    points = skeleton(build, IDLE[kind][0](rng, build, 40))
    assert points.shape == (40, 20, 3)
    assert np.isfinite(points).all()


def test_later_world_keeps_its_labels_in_place() -> None:
    world = draw_world(np.random.default_rng(12), 320)
    late = world.later(30)
    assert len(late.points) == len(late.excess) == 290
    assert [last + 30 for _, last, _ in late.ends] == [last for _, last, _ in world.ends if last >= 30]
    assert all(late.exercise[last] == exercise for _, last, exercise in late.ends)


def test_worlds_are_labelled_and_repeatable() -> None:
    world, again = (draw_world(np.random.default_rng(12), 320) for _ in range(2))
    assert np.array_equal(world.points, again.points)
    assert world.ends
    for _, frame, exercise in world.ends:
        assert world.exercise[frame] == exercise
        assert not np.isnan(world.excess[frame]).all()
