import numpy as np

from cornerman_pose.evidence import moving_rows


def _rows(*parts: tuple[int, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Phase and cycle of parts: (frames, first phase, last phase); a phase of 0 to 0 is a rest."""
    phase = np.concatenate([np.linspace(a, b, n) for n, a, b in parts]).astype(np.float32)
    return phase, np.where(phase > 0, 1.0, 0.0).astype(np.float32)


def test_rest_before_a_repetition_is_left_out() -> None:
    assert moving_rows(*_rows((40, 0, 0), (16, 0.06, 0.95))) == slice(38, 56)


def test_motion_before_a_rest_is_left_out() -> None:
    rows = moving_rows(*_rows((10, 0.3, 0.6), (12, 0, 0), (16, 0.06, 0.95)))
    assert rows == slice(20, 38)


def test_pause_within_a_repetition_stays() -> None:
    assert moving_rows(*_rows((8, 0.1, 0.5), (30, 0.5, 0.5), (8, 0.5, 0.95))) == slice(0, 46)


def test_no_clear_movement_keeps_all_frames() -> None:
    assert moving_rows(*_rows((12, 0, 0))) == slice(0, 12)
