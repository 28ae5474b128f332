"""Sizes and plans."""

from __future__ import annotations

import pytest
import torch

from cornerman_training.sizes import coach_config, load_plan, plan_from_dict
from mobile_videogpt.modeling import MobileVideoGPT


def test_coach_is_small_enough_to_bundle() -> None:
    with torch.device("meta"):
        model = MobileVideoGPT(coach_config(), "all")
    assert sum(p.numel() for p in model.parameters()) * 2 < 12e6


def test_plan_refuses_unknown_names() -> None:
    assert load_plan("smoke").image.steps < load_plan("coach").image.steps
    assert plan_from_dict({"seed": 5, "head": {"steps": 7}}).head.steps == 7
    with pytest.raises(ValueError, match=r"head\.step"):
        plan_from_dict({"head": {"step": 7}})
    with pytest.raises(ValueError, match="neither a preset"):
        load_plan("nothing")
