"""Towers from their own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.modeling import MobileVideoGPT
from tests.unit.model.published import CLIP, VIDEO, assert_holds, write_checkpoint

GROUPS = json.loads((Path(__file__).parents[2] / "parity/data/keys_groups_0_5b.json").read_text(encoding="utf-8"))


def videomamba_file(path: Path, published_state: dict[str, Tensor], wrapper: str | None) -> Path:
    inner = {n.removeprefix(VIDEO): t + 1 for n, t in published_state.items() if n.startswith(VIDEO)}
    assert set(inner) == set(GROUPS["vision_encoder_keys"])
    inner |= {n: torch.zeros(8) for n in GROUPS["also_in_pth_unused_here"]}
    rest = ("text_encoder.bert.encoder.layer.0.output.dense.weight", "text_proj.weight", "vision_proj.bias")
    inner |= {n: torch.zeros(2) for n in (*rest, "itm_head.weight", "temp")}
    torch.save({wrapper: inner} if wrapper else inner, path)
    return path


def clip_folder(path: Path, published_state: dict[str, Tensor], spelling: str) -> Path:
    path.mkdir()
    tower = {n.removeprefix(CLIP): t + 2 for n, t in published_state.items() if n.startswith(CLIP)}
    if spelling == "newer":
        tower = {n.removeprefix("vision_model."): t for n, t in tower.items()}
    elif spelling == "whole":
        others = ("text_model.final_layer_norm.weight", "text_projection.weight", "logit_scale")
        tower |= {n: torch.zeros(2) for n in (*others, "visual_projection.weight")}
        tower["vision_model.embeddings.position_ids"] = torch.arange(5)
    save_file({n: t.contiguous() for n, t in tower.items()}, path / "model.safetensors")
    return path


@pytest.mark.parametrize(("wrapper", "spelling"), [("model", "whole"), ("module", "newer"), (None, "older")])
def test_missing_towers_load_from_own_files(
    tmp_path: Path, published_state: dict[str, Tensor], wrapper: str | None, spelling: str
) -> None:
    bare = {n: t for n, t in published_state.items() if not n.startswith((VIDEO, CLIP))}
    write_checkpoint(tmp_path, bare)
    pth = videomamba_file(tmp_path / "vm.pth", published_state, wrapper)
    clip = clip_folder(tmp_path / "clip", published_state, spelling)
    model = MobileVideoGPT.from_pretrained(tmp_path, "vision", device="cpu", video_tower=pth, image_tower=clip)
    own = model.published_state_dict()
    assert all(torch.equal(own[n], published_state[n] + 1) for n in own if n.startswith(VIDEO))
    assert all(torch.equal(own[n], published_state[n] + 2) for n in own if n.startswith(CLIP))
    assert_holds(model, published_state, "model.mm_projector")


def test_config_names_tower_beside_checkpoint(tmp_path: Path, published_state: dict[str, Tensor]) -> None:
    bare = {n: t for n, t in published_state.items() if not n.startswith(VIDEO)}
    write_checkpoint(tmp_path, bare, mm_vision_tower="vm.pth")
    videomamba_file(tmp_path / "vm.pth", published_state, "model")
    own = MobileVideoGPT.from_pretrained(tmp_path, "vision", device="cpu").published_state_dict()
    assert all(torch.equal(own[n], published_state[n] + 1) for n in own if n.startswith(VIDEO))


def test_wrong_tower_file_lists_names(tmp_path: Path, published_state: dict[str, Tensor]) -> None:
    write_checkpoint(tmp_path, published_state)
    inner = {n.removeprefix(VIDEO): t for n, t in published_state.items() if n.startswith(VIDEO)}
    inner["audio_encoder.weight"] = torch.zeros(2)
    del inner["vision_encoder.layers.3.mixer.D_b"]
    torch.save({"model": inner}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"missing: .*3.mixer.D_b; unexpected: .*audio_encoder.weight"):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu", video_tower=tmp_path / "odd.pth")


def test_absent_tower_error_names_option(tmp_path: Path, published_state: dict[str, Tensor]) -> None:
    bare = {n: t for n, t in published_state.items() if not n.startswith(VIDEO)}
    write_checkpoint(tmp_path, bare, mm_vision_tower="./lost.pth")
    with pytest.raises(CheckpointError, match=r"no model.vision_tower.\* weights.*lost.pth.*video_tower="):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu")
