"""The bundled net on a real person: five squats from the front, ends as labelled by eye."""

from pathlib import Path

import numpy as np
import pytest

from cornerman_pose.reader import MovementReader, bundled_net
from cornerman_pose.repetitions import ChunkObservation
from cornerman_pose.temporal import TemporalNet

ENDS_S = (2.2, 4.8, 7.1, 9.8, 12.1)


@pytest.fixture(scope="module")
def net() -> TemporalNet:
    return bundled_net()


def _watch(net: TemporalNet, seen: bool = True) -> list[ChunkObservation]:
    clip = np.load(Path(__file__).parent / "data" / "squat_front.npz")
    rows = [clip[k].astype(float) for k in ("t_s", "image_px", "world_m", "visibility", "presence")]
    if not seen:
        rows[4][:] = 0.0
    reader, out = MovementReader(net), []
    for start in range(0, len(rows[0]), 4):
        made = reader.push(*(r[max(0, start - 4) : start + 4] for r in rows))
        out += [made] if made else []
    last = reader.finish()
    return out + ([last] if last else [])


def test_real_squats_are_counted(net: TemporalNet) -> None:
    observations = _watch(net)
    repetitions = [r for o in observations for r in o.repetitions]
    assert {o.exercise for o in observations} <= {"none", "squat"}
    assert abs(len(repetitions) - len(ENDS_S)) <= 1
    hits = [any(-0.7 <= r.end_s - end <= 1.1 for r in repetitions) for end in ENDS_S]
    assert sum(hits) >= 4


def test_good_squats_get_no_correction(net: TemporalNet) -> None:
    assert not [m for o in _watch(net) for r in o.repetitions for m in r.mistakes]


def test_front_view_abstains_from_the_back(net: TemporalNet) -> None:
    judged = {name for o in _watch(net) for r in o.repetitions for name in r.judged}
    assert "round_back" not in judged
    assert "too_shallow" in judged


def test_nobody_is_no_exercise(net: TemporalNet) -> None:
    observations = _watch(net, seen=False)
    assert all(o.exercise == "none" and o.view == "nobody" and not o.repetitions for o in observations)
