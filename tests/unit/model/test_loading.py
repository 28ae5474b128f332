"""Options of `from_pretrained`."""

from __future__ import annotations

from pathlib import Path

import torch

from mobile_videogpt.modeling import MobileVideoGPT


def test_dtype_leaves_decay_rates_float32(published_folder: Path) -> None:
    model = MobileVideoGPT.from_pretrained(published_folder, device="cpu", dtype=torch.bfloat16)
    dtypes = {n: t.dtype for n, t in model.published_state_dict().items()}
    exact = {n for n in dtypes if n.endswith(("A_log", "A_b_log"))}
    assert len(exact) == 64
    assert {dtypes[n] for n in exact} == {torch.float32}
    assert {d for n, d in dtypes.items() if n not in exact} == {torch.bfloat16}


def test_given_system_prompt_replaces_stored_one(published_folder: Path) -> None:
    assert (
        MobileVideoGPT.from_pretrained(published_folder, "language", device="cpu").config.system_prompt != "Be brief."
    )
    model = MobileVideoGPT.from_pretrained(published_folder, "language", device="cpu", system_prompt="Be brief.")
    assert model.text_generator.system_prompt == "Be brief."
