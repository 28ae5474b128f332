import numpy as np

from cornerman_pose.features import COUNT, MIRROR, BodyState, LandmarkGrid, extract
from cornerman_pose.points import POINTS
from cornerman_training.skeleton.camera import shoot
from cornerman_training.skeleton.estimator import Landmarks, estimate
from cornerman_training.skeleton.scene import draw_world


def _marks(seed: int = 4) -> Landmarks:
    rng = np.random.default_rng(seed)
    world = draw_world(rng, 120)
    return estimate(rng, shoot(rng, world.points, world.left))


def _features(m: Landmarks) -> np.ndarray:
    return extract(BodyState.empty(1), m.image[None], m.world[None], m.visibility[None], m.seen[None])[0]


def _full(m: Landmarks) -> tuple[np.ndarray, ...]:
    n = len(m.image)
    image, world, visibility = np.zeros((n, 33, 2)), np.zeros((n, 33, 3)), np.zeros((n, 33))
    image[:, POINTS], world[:, POINTS], visibility[:, POINTS] = m.image, m.world, m.visibility
    return np.arange(n) / 8.0, image, world, visibility, m.seen.astype(float)


def test_features_are_finite_and_gated() -> None:
    marks = _marks()
    marks.seen[30:40] = False
    out = _features(marks)
    assert out.shape == (120, COUNT)
    assert np.isfinite(out).all()
    assert not out[30:40].any()


def test_features_ignore_scale_and_place() -> None:
    marks = _marks()
    moved = Landmarks(marks.image * 2.5 + 40, marks.world * 1.3, marks.visibility, marks.seen, marks.inside)
    assert np.allclose(_features(marks), _features(moved), atol=1e-3)


def test_short_swap_is_undone() -> None:
    marks = _marks(9)
    marks.seen[:] = True
    clean = _features(
        Landmarks(marks.image.copy(), marks.world.copy(), marks.visibility.copy(), marks.seen, marks.inside)
    )
    for array in (marks.image, marks.world, marks.visibility):
        array[50:54] = array[50:54][:, MIRROR]
    swapped = np.abs(_features(marks) - clean)[50:54].mean()
    assert swapped < 0.05


def test_chunks_give_the_same_features() -> None:
    rows = _full(_marks())
    whole = LandmarkGrid().push(*rows)
    grid = LandmarkGrid()
    parts = [grid.push(*(r[max(0, start - 4) : start + 4] for r in rows)) for start in range(0, 120, 4)]
    assert np.allclose(np.concatenate([p[0] for p in parts]), whole[0])
    assert np.allclose(np.concatenate([p[1] for p in parts]), whole[1], atol=1e-6)


def test_grid_keeps_eight_a_second() -> None:
    rows = list(_full(_marks()))
    rows[0] = np.arange(120) / 30.0
    times, features = LandmarkGrid().push(*rows)
    assert np.allclose(np.diff(times), 0.125)
    assert len(times) == len(features) == 32


def test_long_gap_reads_as_nobody() -> None:
    rows = list(_full(_marks()))
    rows[0] = np.concatenate([np.arange(60) / 8.0, np.arange(60) / 8.0 + 12.0])
    rows[4][:] = 1.0
    times, features = LandmarkGrid().push(*rows)
    absent = (times > 7.9) & (times < 11.9)
    assert absent.sum() > 20
    assert not features[absent].any()
