"""Strategy `skeleton` with own exercises: counted, the owner's sentence proposed, the file read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cornerman_common.exercise_library import ExerciseLibrary
from cornerman_decider.core import Decider, Decision
from cornerman_decider.requests import request_for
from cornerman_decider.state import DeciderState
from cornerman_decider.state_codec import state_bytes, state_from
from cornerman_decider.strategies.factory import Strategies
from cornerman_decider.strategy import StrategyError
from cornerman_generator.core import owner_words
from cornerman_pose.landmarks import LandmarkTrack
from cornerman_shared.settings.source import SourceSpec, SpeakSettings
from cornerman_shared.settings.tree import GatewaySettings, Settings
from tests.unit.decider.test_skeleton_strategy import features_of
from tests.unit.pose.moves import take
from tests.unit.pose.test_taught import leaning

SPEAK = SpeakSettings(strategy="skeleton", exercises=("raise",), min_interval_s=1.5)


@pytest.fixture
def strategies(tmp_path: Path) -> Strategies:
    ExerciseLibrary(tmp_path).save(leaning())
    return Strategies(Settings(gateway=GatewaySettings(profiles_dir=str(tmp_path))))


def decide(strategies: Strategies, track: LandmarkTrack, state: DeciderState, begin: int = 0) -> list[Decision]:
    strategy = strategies.make(SPEAK, "")
    decisions = []
    for number, seen in enumerate(track.chunks()[begin:], begin):
        decisions.append(Decider(SPEAK, strategy).decide(features_of(number, seen), state))
        state = decisions[-1].state
    return decisions


def test_without_a_sentence_nothing_is_praised(strategies: Strategies) -> None:
    decisions = decide(strategies, take(6, seed=3), DeciderState(run="r1"))
    assert decisions[-1].about and decisions[-1].about.exercise == "raise"
    assert decisions[-1].about.repetitions == 6
    assert not any(one.speak for one in decisions)


def test_good_repetitions_are_praised_in_owner_words(strategies: Strategies, tmp_path: Path) -> None:
    ExerciseLibrary(tmp_path).save(replace(leaning(), praise="Well done, keep going."))
    track = take(7, seed=3)
    spoken = [one for one in decide(strategies, track, DeciderState(run="r1")) if one.speak]
    assert [one.reason for one in spoken] == ["good_repetitions"] * 2
    spec = SourceSpec(source_id="cam", url="test://", speak=SPEAK)
    asked = request_for(features_of(0, track.chunks()[0]), spoken[0], spec, None, 1.0)
    assert owner_words(asked) == "Well done, keep going."


def test_model_that_corrects_also_praises(strategies: Strategies, tmp_path: Path) -> None:
    mistakes = tuple(replace(one, words="model") for one in leaning().mistakes)
    ExerciseLibrary(tmp_path).save(replace(leaning(), mistakes=mistakes))
    spoken = [one for one in decide(strategies, take(4, seed=3), DeciderState(run="r1")) if one.speak]
    assert [one.reason for one in spoken] == ["good_repetitions"]
    assert spoken[0].about and not spoken[0].about.praise


def test_owner_sentence_is_requested(strategies: Strategies) -> None:
    track = take(4, lean=0.4, seed=4)
    spoken = [one for one in decide(strategies, track, DeciderState(run="r1")) if one.speak]
    assert [(one.action, one.reason) for one in spoken] == [("correct", "raise:leaning")] * len(spoken)
    features = features_of(0, track.chunks()[0])
    spec = SourceSpec(source_id="cam", url="test://", speak=SPEAK)
    assert owner_words(request_for(features, spoken[0], spec, None, 1.0)) == "Stand straight."


def test_another_decider_keeps_the_count(strategies: Strategies) -> None:
    track = take(6, seed=3)
    begun = decide(strategies, track, DeciderState(run="r1"))[:12]
    saved = state_from(state_bytes(begun[-1].state))
    rest = decide(strategies, track, saved, begin=12)
    assert rest[-1].about and abs(rest[-1].about.repetitions - 6) <= 1


def test_changed_file_is_another_exercise(strategies: Strategies, tmp_path: Path) -> None:
    library, before = ExerciseLibrary(tmp_path), strategies.key(SPEAK, "")
    library.save_text("raise", library.text("raise").replace("Stand straight.", "Chest up, please."))
    assert strategies.key(SPEAK, "") != before
    library.remove("raise")
    with pytest.raises(StrategyError, match="no such own exercise"):
        strategies.make(SPEAK, "")
