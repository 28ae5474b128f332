"""Which services a run's sources wait for."""

from __future__ import annotations

import pytest

from cornerman.local.launcher import DECIDING
from cornerman.local.pipeline_plan import deciding_first
from cornerman_common.bundle import bundled
from cornerman_shared.settings.source import SourceSpec, SpeakSettings
from cornerman_shared.settings.tree import GeneratorSettings

COACHED = SourceSpec(source_id="a", url="test://", speak=SpeakSettings(strategy="skeleton"))
BUNDLED = GeneratorSettings(backend="mobile_videogpt", model=str(bundled("pose_coach")))


@pytest.mark.parametrize(
    "generator", [BUNDLED, GeneratorSettings(backend="mobile_videogpt"), GeneratorSettings(backend="echo")]
)
def test_decisions_do_not_wait_for_words(generator: GeneratorSettings) -> None:
    assert deciding_first([COACHED], generator) == DECIDING


@pytest.mark.parametrize(
    "source",
    [
        COACHED.model_copy(update={"mode": "polling"}),
        COACHED.model_copy(update={"mode": "commentary"}),
        COACHED.model_copy(update={"speak": SpeakSettings(strategy="llm")}),
    ],
    ids=["polling", "commentary", "llm"],
)
def test_source_of_a_generator_waits_for_it(source: SourceSpec) -> None:
    assert deciding_first([COACHED, source], BUNDLED) == ()


@pytest.mark.parametrize(
    "generator",
    [
        GeneratorSettings(backend="vlm", model="org/model"),
        GeneratorSettings(backend="mobile_videogpt", model="org/model"),
        BUNDLED.model_copy(update={"adapters": {"calm": "org/adapter"}}),
    ],
    ids=["vlm", "named", "adapter"],
)
def test_slow_generator_is_waited_for(generator: GeneratorSettings) -> None:
    """A live source's first requests would expire while it loads."""
    assert deciding_first([COACHED], generator) == ()
