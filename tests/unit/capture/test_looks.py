"""Stride looks in virtual media time, the plan of a source, and the looks of a run through a real decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cornerman_capture.core import Chunker, PendingChunk
from cornerman_capture.looks import StrideCutter, changed_cutter, look_cutter
from cornerman_capture.motion import thumbnail
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.source_runner import identity
from cornerman_common.looks import LookPlan, kind_of, look_plan
from cornerman_shared.settings.source import SourceSpec, WatchSettings
from tests.unit.capture.decoders import Script, decoder_of, frames, plan, play

POLLS = LookPlan("poll", 30.0, 0, frames=16, window_s=4.0, interval_s=3.0)
OWL = LookPlan("stride", 4.0, 0, frames=8, stride=2, interval_s=0.5)
CAM = SourceSpec(source_id="cam", url="test://bars")


def spec_of(**changes: object) -> SourceSpec:
    body = CAM.model_dump()
    for name, value in changes.items():
        body[name] = {**body[name], **value} if isinstance(value, dict) else value
    return SourceSpec.model_validate(body)


def times_of(fps: float, seconds: float) -> list[float]:
    return [number / fps for number in range(round(seconds * fps) + 1)]


def looks_of(cutter: StrideCutter[float], times: Iterable[float]) -> list[tuple[float, ...]]:
    return [look for t in times if cutter.wants(t) and (look := cutter.push(t, t)) is not None]


@pytest.mark.parametrize(("count", "stride"), [(4, 2), (4, 1), (8, 2), (10, 2), (1, 7), (3, 7), (64, 1)])
def test_every_nth_frame_back_from_newest(count: int, stride: int) -> None:
    """The presets of 4 and of 10 frames both gave 8."""
    shape = replace(OWL, frames=count, stride=stride)
    looks = looks_of(StrideCutter(shape), times_of(4, 60))
    assert looks[0][-1] == (count - 1) * stride / 4
    for look in looks:
        assert look == pytest.approx([look[-1] - (count - 1 - n) * stride / 4 for n in range(count)])


@pytest.mark.parametrize("interval_s", [0.1, 0.5, 1.0, 3.0])
def test_stride_looks_keep_to_their_interval(interval_s: float) -> None:
    looks = looks_of(StrideCutter(replace(OWL, interval_s=interval_s)), times_of(30, 30))
    ends = [look[-1] for look in looks]
    assert ends[0] == pytest.approx(14 / 4, abs=0.04)
    apart = [b - a for a, b in pairwise(ends)]
    assert apart == pytest.approx([max(interval_s, 0.25)] * len(apart), abs=0.04)


@given(
    st.lists(st.tuples(st.floats(0.01, 2.0), st.booleans()), max_size=200),
    st.integers(1, 12),
    st.integers(1, 7),
    st.sampled_from([1.0, 4.0, 30.0]),
)
def test_stride_look_never_spans_a_break(steps: list[tuple[float, bool]], count: int, stride: int, fps: float) -> None:
    cutter: StrideCutter[tuple[int, int]] = StrideCutter(replace(OWL, frames=count, stride=stride, sample_fps=fps))
    now_s, piece, taken = 0.0, 0, 0
    for step_s, broken in steps:
        now_s += step_s
        if broken:
            cutter.clear()
            piece += 1
        if not cutter.wants(now_s):
            continue
        look = cutter.push(now_s, (piece, taken))
        if look is not None:
            assert [number for _, number in look] == [taken - (count - 1 - n) * stride for n in range(count)]
            assert {part for part, _ in look} == {piece}
        taken += 1


def test_changed_stride_uses_held_frames() -> None:
    cutter: StrideCutter[float] = StrideCutter(replace(OWL, frames=8, stride=2))
    looks_of(cutter, times_of(4, 20))
    changed = changed_cutter(cutter, replace(OWL, frames=4, stride=3, interval_s=1.0), 1 / 30)
    assert isinstance(changed, StrideCutter)
    (look,) = looks_of(changed, [20.25, 20.5, 20.75, 21.0])
    assert look == pytest.approx([18.75, 19.5, 20.25, 21.0])  # an interval after the last one at 20


@pytest.mark.parametrize(("interval_s", "due_s"), [(0.5, 20.25), (2.0, 20.25), (8.0, 21.5), (10.0, 23.5)])
def test_changed_interval_counts_from_last_look(interval_s: float, due_s: float) -> None:
    cutter: StrideCutter[float] = StrideCutter(replace(OWL, interval_s=10.0))
    assert [look[-1] for look in looks_of(cutter, times_of(4, 20))] == [3.5, 13.5]
    changed = changed_cutter(cutter, replace(OWL, interval_s=interval_s), 1 / 30)
    assert isinstance(changed, StrideCutter)
    later = [20 + number / 4 for number in range(1, 20)]
    assert looks_of(changed, later)[0][-1] == due_s


def test_broken_source_keeps_its_interval() -> None:
    cutter: StrideCutter[float] = StrideCutter(replace(OWL, interval_s=6.0))
    ends = []
    for part in ([n / 4 for n in range(20)], [5 + n / 4 for n in range(40)]):
        ends += [look[-1] for look in looks_of(cutter, part)]
        cutter.clear()
    assert ends == [3.5, 9.5]  # full again at 8.5, and an interval is over at 9.5
    assert looks_of(cutter, [20 + n / 4 for n in range(15)])[0][-1] == 23.5


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "chunk"),
        ({"mode": "polling", "speak": {"strategy": "interval"}}, "poll"),
        ({"mode": "polling", "speak": {"strategy": "head"}}, "chunk"),
        ({"mode": "coach", "speak": {"strategy": "interval"}}, "chunk"),
        ({"mode": "commentary", "speak": {"strategy": "scene"}}, "stride"),
        ({"mode": "commentary", "speak": {"strategy": "head"}}, "chunk"),
        ({"watch": {"look": "poll"}}, "poll"),
        ({"mode": "polling", "speak": {"strategy": "interval"}, "watch": {"look": "chunk"}}, "chunk"),
    ],
)
def test_kind_follows_mode_and_strategy(changes: dict[str, object], kind: str) -> None:
    assert kind_of(spec_of(**changes)) == kind


def test_plan_takes_defaults_of_its_kind() -> None:
    assert look_plan(CAM) == LookPlan("chunk", 8.0, 4)
    assert look_plan(spec_of(watch={"look": "poll"})).frames == 16
    assert look_plan(spec_of(watch={"look": "stride"})).frames == 8
    assert look_plan(spec_of(watch={"look": "stride", "frames": 3, "stride": 7})).stride == 7


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        ({"look": "chunk", "frames": 16}, "a chunk has 8"),
        ({"frames": 64, "stride": 9}, "holds 576 frames"),
        ({"frames": 65}, "less than or equal to 64"),
        ({"stride": 0}, "greater than or equal to 1"),
        ({"window_s": 0.0}, "greater than 0"),
        ({"look": "thumbnail"}, "'auto', 'chunk', 'poll' or 'stride'"),
    ],
)
def test_impossible_looks_are_refused(watch: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WatchSettings.model_validate(watch)


@pytest.mark.parametrize("change", [{"frames": 4}, {"stride": 3}, {"window_s": 2.0}, {"sample_fps": 2.0}])
def test_looks_change_within_a_run(change: dict[str, object]) -> None:
    polling = spec_of(watch={"look": "poll"})
    assert identity(spec_of(watch={"look": "poll", **change}), 224) == identity(polling, 224)
    assert identity(spec_of(watch={"look": "poll"}, speak={"interval_s": 9.0}), 224) == identity(polling, 224)


def test_lossless_run_must_be_repeatable() -> None:
    lossless = {"look": "poll", "lossless": True}
    before = identity(spec_of(watch=lossless), 224)
    assert identity(spec_of(watch={**lossless, "frames": 4}), 224) != before
    assert identity(spec_of(watch=lossless, speak={"interval_s": 9.0}), 224) != before


@pytest.mark.parametrize("change", [{"look": "stride"}, {"look": "chunk"}, {"loop": True}])
def test_other_kind_is_another_run(change: dict[str, object]) -> None:
    before = identity(spec_of(watch={"look": "poll"}), 224)
    assert identity(spec_of(watch={"look": "poll", **change}), 224) != before


def test_sizes_of_other_looks_leave_chunks_alone() -> None:
    assert identity(spec_of(watch={"frames": 4, "stride": 3, "window_s": 9.0}), 224) == identity(CAM, 224)


def picture(value: int, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


@pytest.mark.parametrize("shape", [POLLS, OWL])
def test_changed_size_starts_a_new_look(shape: LookPlan) -> None:
    chunker = Chunker(look_cutter(shape))
    looks: list[PendingChunk] = []
    for n, t in enumerate(times_of(30, 30)):
        pts_s, wanted = chunker.stamp(t)
        if wanted and (look := chunker.push(pts_s, picture(1, 8 if n < 310 else 16))) is not None:
            looks.append(look)
            assert len({frame.rgb.shape for frame in look.frames}) == 1
    assert [look.index for look in looks] == list(range(len(looks)))
    assert chunker.due == len(looks)
    apart = {look.pts_s for look in looks if 310 / 30 <= look.pts_s < 310 / 30 + (shape.window_s or 3.0)}
    assert not apart


def test_thumbnail_is_the_mean_of_its_cells() -> None:
    rgb = np.zeros((128, 192, 3), np.uint8)
    rgb[:64, :, 0], rgb[64:, :, 2] = 200, 100
    small = thumbnail(rgb)
    assert small.shape == (64, 64, 3) and small.dtype == np.uint8
    assert small[0, 0].tolist() == [200, 0, 0]
    assert small[63, 63].tolist() == [0, 0, 100]


async def run_of(shape: LookPlan, times: list[float], **changes: object) -> tuple[SourceDecoder, list[PendingChunk]]:
    decoder = decoder_of(lambda: Script(times), plan(look=shape, **changes))
    return decoder, await play(decoder)


@pytest.mark.parametrize("shape", [POLLS, OWL], ids=["poll", "stride"])
async def test_decoder_counts_every_look(shape: LookPlan) -> None:
    decoder, looks = await run_of(shape, frames(30 * 20))
    assert decoder.chunker.due == len(looks) + decoder.behind
    assert {look.look for look in looks} == {shape.kind}
    assert all(look.stacked().shape[0] == shape.frames for look in looks)


async def test_file_too_short_says_so() -> None:
    decoder, looks = await run_of(POLLS, frames(90))
    assert (looks, decoder.state.name) == ([], "ended")
    assert decoder.state.detail == (
        "too short for a poll: its last frame is at 2.97 s; the first comes at 4 s, when its window is full; "
        "give a smaller watch.window_s"
    )
    decoder, looks = await run_of(OWL, frames(60))
    assert decoder.state.detail == "too short for a look: 8 of 15 sampled frames; 3.8 s needed"


async def test_first_poll_is_announced() -> None:
    decoder, _ = await run_of(POLLS, frames(30 * 10))
    said = [(change.state, change.detail) for change in decoder.poll_changes()]
    assert said == [
        ("opening", ""),
        ("playing", "the first poll comes at 4 s, when its window of 4 s is full; then one every 3 s"),
        ("playing", ""),
        ("ended", ""),
    ]


async def test_loop_goes_on_with_the_interval() -> None:
    """Two seconds of film again and again: media time rises on, and so do the polls."""
    passes: list[int] = []

    def opener() -> Script:
        passes.append(1)
        return Script(frames(60))

    decoder = decoder_of(opener, plan(look=POLLS, loop=True))
    decoder.start()
    found: list[float] = []
    while len(found) < 4 and (look := await decoder.chunks.get()) is not None:
        found.append(look.pts_s)
    decoder.stop()
    assert decoder.join(60.0)
    assert found == pytest.approx([4, 7, 10, 13], abs=0.04)


async def test_broken_file_is_resumed_without_a_false_poll() -> None:
    """After a capture process ended, a film is decoded up to its place; the window fills from there."""
    from cornerman_capture.core import Continuation

    place = Continuation(pts_s=9.5, away_s=1.0, chunks=3)
    decoder, looks = await run_of(POLLS, frames(30 * 20), lossless=False, continues=place)
    assert all(len(set(look.frame_pts_s)) == 16 and look.frame_pts_s[0] > 9.5 for look in looks)
    assert decoder.chunker.due == len(looks) + decoder.behind == 3


@pytest.mark.parametrize("shape", [POLLS, OWL], ids=["poll", "stride"])
async def test_lossless_run_repeats_its_looks(shape: LookPlan) -> None:
    """A lossless run that goes on is decoded from its start: the looks on the bus come again, in their order."""
    _, whole = await run_of(shape, frames(30 * 20))
    _, rest = await run_of(shape, frames(30 * 20), skip=2)
    assert [look.frame_pts_s for look in rest] == [look.frame_pts_s for look in whole[2:]]
    assert [look.index for look in rest] == [look.index for look in whole[2:]]


async def test_change_holds_from_the_next_frame() -> None:
    decoders: list[SourceDecoder] = []

    class Changing(Script):
        def frames(self, interrupted: Callable[[], bool]):  # type: ignore[no-untyped-def]
            for number, frame in enumerate(super().frames(interrupted)):
                if number == 310:
                    decoders[0].change_look(replace(POLLS, interval_s=1.0, frames=4))
                yield frame

    decoder = decoder_of(lambda: Changing(frames(30 * 20)), plan(look=POLLS))
    decoders.append(decoder)
    looks = await play(decoder)
    times = [round(look.pts_s) for look in looks]
    assert times == [4, 7, 10, *range(times[3], 21)]  # the last one when the last frame has been shown
    assert times[3] in (11, 12)
    assert [len(look.frames) for look in looks] == [16] * 3 + [4] * (len(looks) - 3)


@pytest.mark.parametrize("fps", [10, 25, 30])
@pytest.mark.parametrize(("length_s", "expected"), [(4, [4]), (7, [4, 7]), (8, [4, 7]), (10, [4, 7, 10])])
async def test_clip_as_long_as_its_window_is_polled(fps: int, length_s: int, expected: list[int]) -> None:
    """Its last frame begins a frame before the window is full, and is shown until then."""
    script = Script([n / fps for n in range(length_s * fps)])
    script.info = replace(script.info, nominal_s=1 / fps)
    decoder = decoder_of(lambda: script, plan(look=POLLS))
    looks = await play(decoder)
    assert [look.pts_s for look in looks] == pytest.approx(expected, abs=1 / fps + 0.001)
    assert [look.index for look in looks] == list(range(len(expected)))
    assert looks[0].frame_pts_s[0] == pytest.approx(0.25, abs=1 / fps)
    assert decoder.chunker.due == len(looks)


async def test_shorter_clip_is_not_polled() -> None:
    _, looks = await run_of(POLLS, [n / 30 for n in range(4 * 30 - 2)])
    assert looks == []
