from dataclasses import replace

import numpy as np
import pytest

from cornerman_pose.channels import CHANNELS, SIGNS
from cornerman_pose.evidence import weigh
from cornerman_pose.habit import Habit
from cornerman_pose.movements import exercise_names, form_rules
from cornerman_pose.reading import FrameReading
from cornerman_pose.repetitions import ChunkObservation, CountingSettings, RepetitionCounter

SQUAT = exercise_names().index("squat")
SHALLOW = next(i for i, r in enumerate(form_rules()) if r.key == "squat:too_shallow")

# A deep, upright squat; only the net's own judgement (the second weight) speaks for a mistake.
_GOOD = np.array([75.0 if name == "knee" else 1.0 for name in CHANNELS], dtype=np.float32)
_AT_CHEST = np.array([60.0 if name == "hang" else 0.0 for name in SIGNS], dtype=np.float32)
CALIBRATION = np.tile(np.array([0.0, 1.0, 0.0], dtype=np.float32), (len(form_rules()), 1))


def _reading(
    frames: int, period: int, exercise: int = SQUAT, wrong: float = 0.0, observable: float = 1.0
) -> FrameReading:
    """Clear readings of repetitions of `period` frames; each end fires for three frames."""
    probabilities = np.full((frames, len(exercise_names())), 0.01, dtype=np.float32)
    probabilities[:, exercise] = 0.88
    phase = (np.arange(frames) % period) / period
    end = ((np.arange(frames) % period < 3) & (np.arange(frames) >= period)).astype(np.float32)
    rules = len(form_rules())
    marks = np.zeros((frames, rules), dtype=np.float32)
    marks[:, SHALLOW] = wrong
    return FrameReading(
        exercise=probabilities,
        phase=phase.astype(np.float32),
        cycle=np.ones(frames, dtype=np.float32),
        end=end if exercise else np.zeros(frames, dtype=np.float32),
        action=np.zeros((frames, 3), dtype=np.float32),
        wrong=marks,
        observable=np.full((frames, rules), observable, dtype=np.float32),
        measure=np.tile(_GOOD, (frames, 1)),
        doubt=np.full((frames, len(CHANNELS)), 1.0, dtype=np.float32),
        shown=np.tile(_GOOD, (frames, 1)),
        signs=np.tile(_AT_CHEST, (frames, 1)),
        drawn=np.zeros(frames, dtype=np.float32),
    )


def _run(reading: FrameReading, settings: CountingSettings | None = None, seen: bool = True) -> list[ChunkObservation]:
    counter, out = RepetitionCounter(CALIBRATION, settings), []
    for a in range(0, len(reading.phase), 4):
        part = FrameReading(*(getattr(reading, n)[a : a + 4] for n in FrameReading.__slots__))
        n = len(part.phase)
        out.append(counter.push(np.arange(a, a + n) / 8.0, part, np.full(n, 0.9), np.full(n, seen)))
    last = counter.finish()
    return out + ([last] if last else [])


def _repetitions(observations: list[ChunkObservation]) -> list:  # type: ignore[type-arg]
    return [r for o in observations for r in o.repetitions]


def test_each_repetition_counts_once() -> None:
    observations = _run(_reading(84, 16))
    assert [r.number for r in _repetitions(observations)] == [1, 2, 3, 4, 5]
    assert observations[-1].exercise == "squat"
    assert observations[-2].view == "side"


def test_front_shows_no_lean() -> None:
    counter, reading = RepetitionCounter(CALIBRATION), _reading(40, 16)
    made = counter.push(np.arange(40) / 8.0, reading, np.full(40, 0.05), np.ones(40, dtype=np.bool_))
    assert "leaning_forward" not in made.repetitions[0].judged
    assert "too_shallow" in made.repetitions[0].judged


def test_cycle_gone_round_is_an_end() -> None:
    reading = _reading(84, 16)
    reading.end[:] = 0.0
    assert [r.number for r in _repetitions(_run(reading))] == [1, 2, 3, 4, 5]
    reading.phase[:] = np.clip(reading.phase, 0.3, 1.0)  # never back at the beginning
    assert not _repetitions(_run(reading))


def test_first_end_waits_for_evidence() -> None:
    first = _repetitions(_run(_reading(40, 8)))[0]
    assert first.exercise == "squat"
    assert abs(first.end_s - 1.0) < 0.2


def test_mistake_is_named_with_its_rule() -> None:
    repetition = _repetitions(_run(_reading(84, 16, wrong=0.95)))[-1]
    assert [m.rule.key for m in repetition.mistakes] == ["squat:too_shallow"]
    assert repetition.mistakes[0].probability > 0.9


@pytest.mark.parametrize(("wrong", "doubt", "named"), [(0.0, 0.0, False), (0.25, 0.5, False), (0.6, 1.2, True)])
def test_doubt_is_the_way_to_being_named(wrong: float, doubt: float, named: bool) -> None:
    repetition = _repetitions(_run(_reading(84, 16, wrong=wrong), CountingSettings(wrong=0.5)))[-1]
    assert repetition.doubt == pytest.approx(doubt, abs=0.01)
    assert bool(repetition.mistakes) == named


def test_unseen_mistake_is_abstained_from() -> None:
    repetition = _repetitions(_run(_reading(84, 16, wrong=0.95, observable=0.1)))[-1]
    assert not repetition.mistakes
    assert not repetition.judged


def test_turned_body_is_abstained_from() -> None:
    sideways = next(i for i, r in enumerate(form_rules()) if r.key == "squat:leaning_sideways")
    assert form_rules()[sideways].turned < 0.9  # `_run` shows the side
    assert "leaning_sideways" not in _repetitions(_run(_reading(84, 16)))[-1].judged


def _half_as_deep_at_last(wrong: float) -> list[list[str]]:
    reading = _reading(84, 16, wrong=wrong)
    bottom = np.minimum(reading.phase, 1 - reading.phase) * 2
    depth = np.where(np.arange(84) < 64, 0.6, 0.25) * bottom
    reading.measure[:, list(CHANNELS).index("ankle_up")] = depth - 1.0
    hips = list(CHANNELS).index("hip_up")
    reading.measure[:, hips] = reading.shown[:, hips] = 0.0  # as low as the knees: by itself deep enough
    done = _repetitions(_run(reading, CountingSettings(wrong=0.5)))
    return [[m.rule.name for m in r.mistakes] for r in done]


def test_half_as_deep_as_usual_is_shallow() -> None:
    named = _half_as_deep_at_last(wrong=0.2)
    assert named[:4] == [[]] * 4
    assert named[4] == ["too_shallow"]


def test_what_is_ruled_out_is_not_compared() -> None:
    assert _half_as_deep_at_last(wrong=0.0) == [[]] * 5


def test_measured_short_need_not_be_half() -> None:
    usual = Habit([0.55, 0.54, 0.56], [1.0, 1.0, 1.0])
    rule = form_rules()[SHALLOW]
    assert usual.probability(rule, 0.41, 1.0, past=0.0) < 0.5 < usual.probability(rule, 0.41, 1.0, past=2.0)
    assert usual.probability(rule, 0.52, 1.0, past=2.0) < 0.1


def test_turning_back_half_way_is_a_repetition() -> None:
    reading = _reading(84, 16)
    low = (reading.phase > 0.2) & (reading.phase < 0.55)
    reading.phase[low] = 0.2  # on the way down, and then at once on the way up
    reading.phase[(reading.phase > 0.5) & (reading.phase < 0.8)] = 0.8
    assert len(_repetitions(_run(reading))) == 5
    reading.cycle[low] = 0.1
    reading.phase[low] = 0.05  # no way down: it only came to rest
    assert not _repetitions(_run(reading))


def test_knees_bend_and_hands_reach_the_floor() -> None:
    reading = _reading(84, 16)
    reading.signs[:, SIGNS.index("hang")], reading.signs[:, SIGNS.index("reach")] = 5.0, -0.05
    done = _repetitions(_run(reading))
    assert {r.exercise for r in done} == {"deadlift"}
    assert [r.number for r in done][-1] >= 4
    reading.signs[:, SIGNS.index("split")] = 1.0
    assert {r.exercise for r in _repetitions(_run(reading))} == {"lunge"}


def test_mistake_goes_before_what_it_brings() -> None:
    back, forward = (
        next(i for i, r in enumerate(form_rules()) if r.key == f"squat:{name}")
        for name in ("round_back", "leaning_forward")
    )
    reading = _reading(84, 16)
    reading.wrong[:, back], reading.wrong[:, forward] = 0.99, 0.995
    lean = list(CHANNELS).index("lean")
    reading.measure[:, lean] = reading.shown[:, lean] = 75.0
    names = [m.rule.name for m in _repetitions(_run(reading))[-1].mistakes]
    assert names == ["round_back", "leaning_forward"]


def _squats_then(alike: float, rest: int) -> list:  # type: ignore[type-arg]
    """Three squats, `rest` frames of nothing, and three dips of which squats are `alike` likely."""
    reading = _reading(112 + rest, 16)
    doubtful = np.arange(len(reading.phase)) >= 52
    reading.exercise[doubtful] = 0.0
    reading.exercise[doubtful, SQUAT], reading.exercise[doubtful, 0] = alike, 1.0 - alike
    still = doubtful & (np.arange(len(reading.phase)) < 52 + rest)
    reading.phase[still], reading.end[still], reading.cycle[still] = 0.0, 0.0, 0.0
    return _repetitions(_run(reading))


def test_set_goes_on_after_a_pause() -> None:
    assert [r.number for r in _squats_then(alike=0.3, rest=12)][:5] == [1, 2, 3, 4, 5]
    assert len(_squats_then(alike=0.1, rest=12)) == 3
    assert len(_squats_then(alike=0.3, rest=128)) == 3


def test_set_goes_on_when_evidence_was_sooner() -> None:
    reading = _reading(112, 16)
    later = np.arange(112) >= 52
    still, dips = later & (np.arange(112) < 64), later & (np.arange(112) >= 64)
    reading.exercise[later] = 0.0
    reading.exercise[still, 0] = 1.0
    sure = np.where(np.arange(112) % 16 >= 8, 1.0, 0.1)  # of a squat only on its way up
    reading.exercise[dips, SQUAT], reading.exercise[dips, 0] = sure[dips], 1.0 - sure[dips]
    reading.phase[still], reading.end[still], reading.cycle[still] = 0.0, 0.0, 0.0
    assert [r.number for r in _repetitions(_run(reading))][:4] == [1, 2, 3, 4]


def test_doubtful_high_knees_are_not_counted() -> None:
    high_knees = exercise_names().index("high_knees")
    reading = _reading(84, 8, exercise=high_knees)  # 0.88 likely, as marching is
    assert not _repetitions(_run(reading))
    reading.exercise[:] = 0.0
    reading.exercise[:, high_knees] = 0.97
    assert len(_repetitions(_run(reading))) >= 8


def test_unshown_measure_bars_nothing() -> None:
    index = next(i for i, r in enumerate(form_rules()) if r.key == "squat:round_back")
    reading = _reading(32, 16)
    spine = list(CHANNELS).index("spine")
    reading.measure[:, spine], reading.shown[:, spine] = 0.0, 0.0
    assert weigh(form_rules()[index], index, reading, reading, 2.0).past > 50.0


def test_everything_judged_can_be_asked_for() -> None:
    last = _repetitions(_run(_reading(84, 16), CountingSettings(everything=True)))[-1]
    assert {m.rule.name for m in last.mistakes} == set(last.judged)
    assert not _repetitions(_run(_reading(84, 16)))[-1].mistakes


def test_unseen_start_tells_no_tempo() -> None:
    reading = _reading(84, 16)
    late = FrameReading(*(getattr(reading, n)[6:] for n in FrameReading.__slots__))
    first, second = _repetitions(_run(late))[:2]
    assert "too_fast" not in first.judged
    assert "too_fast" in second.judged


def test_no_exercise_stays_quiet() -> None:
    observations = _run(_reading(160, 16, exercise=0))
    assert all(o.exercise == "none" and not o.repetitions for o in observations)


def test_nobody_ends_the_exercise() -> None:
    counter = RepetitionCounter(CALIBRATION)
    reading = _reading(48, 16)
    counter.push(np.arange(48) / 8.0, reading, np.full(48, 0.9), np.full(48, True))
    gone = counter.push(6.0 + np.arange(48) / 8.0, reading, np.full(48, 0.9), np.full(48, False))
    assert gone.exercise == "none"
    assert gone.view == "nobody"


def split_squats(drawn: float) -> FrameReading:
    """The net reads squats; the landmarks show one foot far before the other."""
    signs = _AT_CHEST.copy()
    signs[SIGNS.index("split")] = 1.2
    return replace(_reading(80, 16), signs=np.tile(signs, (80, 1)), drawn=np.full(80, drawn, dtype=np.float32))


def test_feet_of_a_person_overrule_the_net() -> None:
    assert {r.exercise for r in _repetitions(_run(split_squats(0.0)))} == {"lunge"}


def test_feet_of_a_drawn_figure_do_not() -> None:
    """The estimator errs in their depth: squats were told to lean forward in lunges."""
    assert {r.exercise for r in _repetitions(_run(split_squats(1.0)))} == {"squat"}


@pytest.mark.parametrize(("wrong", "drawn", "named"), [(0.45, 0.0, True), (0.45, 1.0, False), (0.55, 1.0, True)])
def test_figures_have_a_threshold_of_their_own(wrong: float, drawn: float, named: bool) -> None:
    """The table's are those of people: a squat is too shallow from 0.4 on."""
    reading = replace(_reading(80, 16, wrong=wrong), drawn=np.full(80, drawn, dtype=np.float32))
    assert any(r.mistakes for r in _repetitions(_run(reading))) is named


def test_cut_repetition_counts_at_the_end() -> None:
    counts = [len(_repetitions(_run(_reading(n, 16)))) for n in (72, 75)]
    assert counts == [4, 4]
    assert len(_repetitions(_run(_reading(79, 16)))) == 4 + 1


def test_hold_is_timed_in_seconds() -> None:
    plank = exercise_names().index("plank")
    observations = _run(_reading(88, 200, exercise=plank))
    assert observations[-1].count in (8, 10)
    assert all(r.exercise == "plank" for r in _repetitions(observations))


def test_resumed_counter_goes_on() -> None:
    first = RepetitionCounter(CALIBRATION)
    reading = _reading(52, 16)
    first.push(np.arange(52) / 8.0, reading, np.full(52, 0.9), np.full(52, True))
    second = RepetitionCounter(CALIBRATION)
    second.resume(first.memory())
    assert (second.exercise, second.count) == ("squat", 3)


def test_unknown_memory_is_refused() -> None:
    memory = RepetitionCounter(CALIBRATION).memory() | {"exercise": "swimming"}
    with pytest.raises(ValueError, match="swimming"):
        RepetitionCounter(CALIBRATION).resume(memory)
