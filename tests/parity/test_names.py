"""The names and shapes of the full 0.5B model are those of the published checkpoint."""

from __future__ import annotations

import json
import warnings

import pytest
import torch

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.names import module_name, published_name
from tests.parity.golden import DATA


def _meta(part: str) -> MobileVideoGPT:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element|.*no-op", category=UserWarning)
        return MobileVideoGPT(MobileVideoGPTConfig.full_0_5b(), part=part)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def published() -> dict[str, list[int]]:
    found: dict[str, list[int]] = json.loads((DATA / "keys_0_5b.json").read_text())
    return found


def test_model_has_published_names(published: dict[str, list[int]]) -> None:
    found = {name: list(t.shape) for name, t in _meta("all").published_state_dict().items()}
    assert found == published


def test_halves_partition_the_names(published: dict[str, list[int]]) -> None:
    vision, language = (set(_meta(part).published_state_dict()) for part in ("vision", "language"))
    assert not vision & language
    assert vision | language == set(published)


def test_name_mapping_is_invertible(published: dict[str, list[int]]) -> None:
    assert [published_name(module_name(name)) for name in published] == list(published)
