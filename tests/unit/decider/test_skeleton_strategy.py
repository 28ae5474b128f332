"""Strategy `skeleton` on a real person's squats: count, memory, view, and its decisions on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cornerman_decider.core import Decider, Decision
from cornerman_decider.requests import request_for, request_for_question
from cornerman_decider.state import DeciderState
from cornerman_decider.state_codec import state_bytes, state_from
from cornerman_decider.strategies.factory import Strategies
from cornerman_decider.strategies.skeleton import SkeletonStrategy
from cornerman_decider.strategy import StrategyError
from cornerman_pose.landmarks import LandmarkTrack, SeenChunk
from cornerman_pose.picture import PictureStats
from cornerman_pose.reader import bundled_net
from cornerman_pose.wire import pack_chunk
from cornerman_shared.bus.messages import Features, Question
from cornerman_shared.settings.source import SaySettings, SourceSpec, SpeakSettings
from cornerman_shared.settings.tree import Settings
from tests.unit.decider.conftest import make

SPEAK = SpeakSettings(strategy="skeleton", confidence_threshold=0.2, min_interval_s=1.5)
BRIGHT = PictureStats(150.0, 150.0, 0.0)
NET = bundled_net()


def squats() -> list[SeenChunk]:
    """Five good squats of a real person from the front, as overlapping chunks."""
    clip = np.load(Path(__file__).parents[1] / "skeleton" / "data" / "squat_front.npz")
    arrays = [clip[name].astype(np.float32) for name in ("t_s", "image_px", "world_m", "visibility", "presence")]
    height, width = (int(arrays[1][..., axis].max()) + 40 for axis in (1, 0))
    return LandmarkTrack(*arrays, (height, width)).chunks()


def features_of(seq: int, seen: SeenChunk, stats: PictureStats = BRIGHT) -> Features:
    return replace(
        make(seq, seen.frame_pts_s[-1]), frame_pts_s=seen.frame_pts_s, people=pack_chunk(seen, stats), vector=None
    )


def decide(
    chunks: Sequence[Features], *, strategy: SkeletonStrategy | None = None, state: DeciderState | None = None
) -> list[Decision]:
    strategy = strategy or SkeletonStrategy(NET, 10.0)
    state = state or DeciderState(run="r1")
    decisions = []
    for chunk in chunks:
        decisions.append(Decider(SPEAK, strategy).decide(chunk, state))
        state = decisions[-1].state
    return decisions


def without_legs(seen: SeenChunk) -> SeenChunk:
    hidden = seen.visibility.copy()
    hidden[..., 25:] = 0.05
    return replace(seen, visibility=hidden)


def nobody(seen: SeenChunk) -> SeenChunk:
    return SeenChunk.of_rows([], seen.size_px, seen.frame_pts_s)


def test_good_squats_are_counted_and_praised() -> None:
    decisions = decide([features_of(i, seen) for i, seen in enumerate(squats())])
    counts = [d.about.repetitions for d in decisions if d.about and d.about.exercise == "squat"]
    assert max(counts) in (4, 5) and counts == sorted(counts)
    assert {d.action for d in decisions} == {"next", "feedback"}
    assert [d.reason for d in decisions if d.speak] == ["good_repetitions"]
    assert all(d.about and d.about.view == "whole" and d.about.whom == "the only person" for d in decisions)


def test_prepared_strategies_load_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first chunk waited for the net and its modules."""
    own = SpeakSettings(strategy="skeleton", exercises=("not-there",))
    strategies = Strategies(Settings(speak=own))
    strategies.prepare()
    monkeypatch.setattr("cornerman_pose.reader.bundled_net", None)
    assert isinstance(strategies.make(SPEAK, ""), SkeletonStrategy)


@pytest.mark.parametrize("cut", [3, 9, 14])
def test_changed_window_keeps_the_count(cut: int) -> None:
    chunks = [features_of(i, seen) for i, seen in enumerate(squats())]
    strategies = Strategies(Settings())
    first = strategies.make(SPEAK, "")
    assert isinstance(first, SkeletonStrategy)
    begun = decide(chunks[:cut], strategy=first)
    second = strategies.make(SPEAK.model_copy(update={"repeat_window_s": 3.0}), "", first)
    assert isinstance(second, SkeletonStrategy)
    rest = decide(chunks[cut:], strategy=second, state=begun[-1].state)
    assert [d.about for d in (*begun, *rest)] == [d.about for d in decide(chunks)]


@pytest.mark.parametrize("cut", [3, 9, 14])
def test_another_decider_goes_on_from_the_memory(cut: int) -> None:
    chunks = [features_of(i, seen) for i, seen in enumerate(squats())]
    whole = decide(chunks)
    saved = state_from(state_bytes(whole[cut - 1].state))
    rest = decide(chunks[cut:], state=saved)
    ends = [d.about.repetitions for d in rest if d.about]
    assert whole[cut - 1].about and rest[0].about
    assert rest[0].about.repetitions >= whole[cut - 1].about.repetitions
    assert abs(ends[-1] - whole[-1].about.repetitions) <= 1  # type: ignore[union-attr]


def test_chunk_decided_again_counts_once() -> None:
    """The server may refuse a hop; the chunk is then decided again from the saved state."""
    chunks = [features_of(i, seen) for i, seen in enumerate(squats())]
    strategy, state = SkeletonStrategy(NET, 10.0), DeciderState(run="r1")
    for chunk in chunks:
        Decider(SPEAK, strategy).decide(chunk, state)
        again = Decider(SPEAK, strategy).decide(chunk, state)
        state = again.state
    assert again.about and again.about.repetitions <= 5


def test_memory_stays_small_over_hours() -> None:
    seen, strategy, state = squats(), SkeletonStrategy(NET, 10.0), DeciderState(run="r1")
    sizes = []
    for lap in range(12):
        for number, one in enumerate(seen):
            moved = replace(one, frame_pts_s=tuple(t + lap * 3600.0 for t in one.frame_pts_s))
            decision = Decider(SPEAK, strategy).decide(features_of(lap * len(seen) + number, moved), state)
            state = decision.state
        sizes.append(len(state_bytes(state)))
    assert max(sizes) < 12_000 and sizes[-1] < 1.2 * sizes[1]


def test_hidden_legs_are_asked_for_once() -> None:
    decisions = decide([features_of(i, without_legs(seen)) for i, seen in enumerate(squats())])
    assert [d.reason for d in decisions if d.speak] == ["view"]
    asked = next(d for d in decisions if d.speak)
    assert (asked.action, asked.about and asked.about.view) == ("feedback", "partly")
    assert asked.about and {"knees", "feet"} <= set(asked.about.missing)
    assert all(d.reason in ("not_seen_well", "view", "no_repetition") for d in decisions)


def test_dark_picture_is_silent_about_form() -> None:
    dark = PictureStats(10.0, 10.0, 0.0)
    decisions = decide([features_of(i, seen, dark) for i, seen in enumerate(squats())])
    assert [d.reason for d in decisions if d.speak] == ["view"]
    assert decisions[-1].about and decisions[-1].about.limits == ("too_dark",)


def test_nobody_is_never_spoken_to() -> None:
    decisions = decide([features_of(i, nobody(seen)) for i, seen in enumerate(squats())])
    assert not any(d.speak for d in decisions)
    assert {d.about.view for d in decisions if d.about} == {"no_person"}


def test_measure_follows_the_exercise() -> None:
    chunks = [features_of(seq, seen) for seq, seen in enumerate(squats())]
    seen = [one.about for one in decide(chunks) if one.about]
    told = [one for one in seen if one.exercise == "squat" and one.measure == "hip_up"]
    assert told and all((one.limit, one.worse, one.row) == (0.2, "above", 0) for one in told)
    times = [at for one in seen for at in one.measured_pts_s]
    assert times == sorted(set(times))  # each once, in order
    values = [value for one in told for value in one.measured]
    assert min(values) < 0.2 and max(values) > 0.8  # good squats: hips from above to the knees
    assert all(not one.measure for one in seen if not one.exercise)


def test_requests_carry_the_movement() -> None:
    decisions = decide([features_of(i, seen) for i, seen in enumerate(squats())])
    spoken = next(i for i, d in enumerate(decisions) if d.speak)
    spec = SourceSpec(source_id="cam", url="test://", speak=SPEAK)
    request = request_for(features_of(spoken, squats()[spoken]), decisions[spoken], spec, None, 1.0)
    assert request.about and (request.about.exercise, request.about.repetitions) == ("squat", 3)
    question = request_for_question(Question("q", "cam", "How many?", 1.0), decisions[-1].state, (), SaySettings(), 1.0)
    assert question.about == decisions[-1].about


def test_encoder_without_landmarks_is_named() -> None:
    with pytest.raises(StrategyError, match=r"the encoder 'fake' gives none; set encoder\.backend to pose"):
        decide([make(0)])


def test_factory_shares_one_net() -> None:
    strategies = Strategies(Settings())
    assert strategies.make(SPEAK, "p").name == "skeleton"
    assert strategies.key(SPEAK, "p") != strategies.key(SPEAK.model_copy(update={"repeat_window_s": 1.0}), "p")
