"""Forward passes of the language model."""

from __future__ import annotations

import pytest

from mobile_videogpt.modeling import MobileVideoGPT
from tests.unit.model.builders import WIDTH, chunk


def test_head_reads_last_position_only(text_model: MobileVideoGPT, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []
    hook = text_model.require_language().lm_head.register_forward_hook(
        lambda _, inputs, __: asked.append(tuple(inputs[0].shape))
    )
    list(text_model.generate([chunk(1)], "?", max_new_tokens=3))
    hook.remove()
    assert asked == [(1, WIDTH)] * 3
