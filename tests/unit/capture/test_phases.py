"""Sources of one process begin apart, so that their chunks do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cornerman_capture.phases import MOST_LATE_S, late_s
from cornerman_common.looks import look_plan
from cornerman_shared.settings.source import SourceSpec


def plan(**watch: Any) -> Any:
    return look_plan(SourceSpec.model_validate({"source_id": "a", "url": "test://", "watch": watch}))


@pytest.mark.parametrize("count", range(2, 17))
def test_chunks_of_sources_come_apart(count: int) -> None:
    begins = np.sort([late_s(number, plan()) for number in range(count)])
    gaps = np.diff(np.append(begins, begins[0] + 0.5))
    assert gaps.min() > 0.3 * 0.5 / count


def test_first_source_begins_at_once() -> None:
    assert late_s(0, plan()) == 0.0


def test_slow_sampling_is_not_late() -> None:
    assert max(late_s(number, plan(sample_fps=0.5, overlap=0)) for number in range(50)) < MOST_LATE_S
