"""Names on the hub."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from mobile_videogpt import hub
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.modeling import MobileVideoGPT
from tests.unit.model.published import assert_holds


def test_hub_name_passes_offline_flag(
    published_folder: Path, published_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def download(name: str, **options: object) -> str:
        asked.append((name, options))
        return str(published_folder)

    monkeypatch.setattr(hub, "snapshot_download", download)
    model = MobileVideoGPT.from_pretrained("Owner/Name", revision="v1", offline=True, device="cpu")
    assert_holds(model, published_state)
    name, options = asked[0]
    assert (name, options["revision"], options["local_files_only"]) == ("Owner/Name", "v1", True)


def test_uncached_hub_name_fails_offline(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="was not downloaded before"):
        MobileVideoGPT.from_pretrained("cornerman-tests/no-such-model", offline=True)
