"""Checkpoints in the published layout: every name loads, every damage is named, each half reads its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mobile_videogpt import hub
from mobile_videogpt.config import (
    ClipVisionConfig,
    LanguageConfig,
    MobileVideoGPTConfig,
    ProjectorConfig,
    VideoMambaConfig,
)
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.prompts import EXERCISE_SYSTEM
from mobile_videogpt.tokenizer import tiny_tokenizer
from mobile_videogpt.weights import WeightFiles

KEYS = json.loads((Path(__file__).parents[2] / "parity/data/keys_0_5b.json").read_text(encoding="utf-8"))
GROUPS = json.loads((Path(__file__).parents[2] / "parity/data/keys_groups_0_5b.json").read_text(encoding="utf-8"))
CLIP = "model.image_vision_tower.vision_tower."
VIDEO = "model.vision_tower."

# Every layer of the published model, each of them small.
SMALL = MobileVideoGPTConfig(
    video=VideoMambaConfig(image_size=32, width=8, d_state=4, dt_rank=2, clip_decoder_width=4),
    image=ClipVisionConfig(image_size=32, width=8, heads=2, mlp_width=16),
    projector=ProjectorConfig(image_pool=2, video_pool=2),
    language=LanguageConfig(vocab_size=400, width=16, heads=2, kv_heads=1, mlp_width=24, max_positions=512),
)
PUBLISHED_JSON = {
    "architectures": ["MobileVideoGPTQwenForCausalLM"],
    "model_type": "MobileVideoGPT_qwen",
    "vocab_size": 400,
    "hidden_size": 16,
    "num_hidden_layers": 24,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 24,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "mm_hidden_size": 768,
    "mm_vision_tower": "OpenGVLab/VideoMamba",
    "image_mm_vision_tower": "openai/clip-vit-base-patch16",
    "mobile_videogpt": {k: v for k, v in SMALL.to_dict().items() if k != "language"},
}


def small_state(seed: int = 0) -> dict[str, Tensor]:
    """Weights under the names of the published file: all but the tied head."""
    random = torch.Generator().manual_seed(seed)
    shapes = {n: t.shape for n, t in MobileVideoGPT(SMALL).published_state_dict().items()}
    return {n: torch.randn(s, generator=random) * 0.1 for n, s in shapes.items() if n != "lm_head.weight"}


def write(folder: Path, state: dict[str, Tensor], **changes: object) -> Path:
    """A folder as published: config.json, weights in two shards with an index, the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**PUBLISHED_JSON, **changes}), encoding="utf-8")
    names = sorted(state)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, members in shards.items():
        save_file({n: state[n].contiguous() for n in members}, folder / shard, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {n: shard for shard, ms in shards.items() for n in ms}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    tiny_tokenizer().save(folder)
    return folder


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return small_state()


@pytest.fixture
def folder(tmp_path: Path, state: dict[str, Tensor]) -> Path:
    return write(tmp_path / "checkpoint", state)


def assert_holds(model: MobileVideoGPT, state: dict[str, Tensor], prefix: str = "") -> None:
    own = model.published_state_dict()
    compared = [n for n in state if n.startswith(prefix) and n in own]
    assert compared
    for name in compared:
        assert torch.equal(own[name], state[name]), name


def test_a_checkpoint_at_full_names_loads_with_no_name_left_over(folder: Path, state: dict[str, Tensor]) -> None:
    assert set(state) == set(KEYS) - {"lm_head.weight"}
    model = MobileVideoGPT.from_pretrained(folder, device="cpu")
    assert_holds(model, state)
    assert set(model.published_state_dict()) == set(KEYS)
    language = model.require_language()
    assert language.lm_head.weight is language.model.embed_tokens.weight
    assert not model.training
    assert model.config.video.width == 8  # and not the file's mm_hidden_size of 768


def test_each_half_is_built_and_read_without_the_other(
    folder: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = WeightFiles.read

    def spy(self: WeightFiles, name: str) -> Tensor:
        read.append(name)
        return original(self, name)

    monkeypatch.setattr(WeightFiles, "read", spy)
    vision = MobileVideoGPT.from_pretrained(folder, "vision", device="cpu")
    assert vision.language is None
    assert vision.tokenizer is None
    assert len(read) == 554 + 199 + 12
    assert not [n for n in read if "embed_tokens" in n or n.startswith("model.layers")]
    assert_holds(vision, state, "model.mm_projector")
    read.clear()
    language = MobileVideoGPT.from_pretrained(folder, "language", device="cpu")
    assert language.vision is None
    assert len(read) == 24 * 12 + 2
    assert_holds(language, state, "model.layers")


def without(name: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.__delitem__(name)


def added(name: str, shape: tuple[int, ...]) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.update({name: torch.zeros(shape)})


DAMAGES = {
    "backward scan lost": (
        without(f"{VIDEO}vision_encoder.layers.7.mixer.A_b_log"),
        rf"missing: {VIDEO}vision_encoder.layers.7.mixer.A_b_log\.",
    ),
    "projector lost": (
        without("model.mm_projector.mlp.mlp.2.bias"),
        r"missing: model.mm_projector.mlp.mlp.2.bias\.",
    ),
    "language layer lost": (
        without("model.layers.23.self_attn.k_proj.weight"),
        r"missing: model.layers.23.self_attn.k_proj.weight\.",
    ),
    "name left over": (
        added("model.layers.24.mlp.up_proj.weight", (24, 16)),
        r"unexpected: model.layers.24.mlp.up_proj.weight\.",
    ),
    "name of no half": (added("model.audio_tower.weight", (2,)), r"unexpected: model.audio_tower.weight\."),
    "wrong shape": (
        added("model.image_mm_projector.mlp.mlp.0.weight", (16, 9)),
        r"of another shape: model.image_mm_projector.mlp.mlp.0.weight is \[16, 9\], not \[16, 8\]\.",
    ),
    "embedding cut": (
        added("model.embed_tokens.weight", (390, 16)),
        r"of another shape: model.embed_tokens.weight is \[390, 16\], not \[400, 16\]\.",
    ),
    "head not tied": (added("lm_head.weight", (400, 16)), r"lm_head.weight differs from model.embed_tokens"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused_by_the_name_that_is_wrong(
    tmp_path: Path, state: dict[str, Tensor], damage: str
) -> None:
    change, message = DAMAGES[damage]
    broken = dict(state)
    change(broken)
    write(tmp_path, broken)
    with pytest.raises(CheckpointError, match=message):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu")


def test_a_lost_shard_and_a_cut_file_are_named(folder: Path) -> None:
    shard = folder / "model-00002-of-00002.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=shard.name):
        MobileVideoGPT.from_pretrained(folder, device="cpu")
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"lacks shards .*{shard.name}"):
        MobileVideoGPT.from_pretrained(folder, device="cpu")


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path: Path, state: dict[str, Tensor]) -> None:
    write(tmp_path, state)
    for file in tmp_path.glob("model*"):
        file.unlink()
    marker = tmp_path / "ran"
    torch.save({"model.norm.weight": _Touch(marker)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin cannot be read as a file of plain tensors"):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu")
    assert not marker.exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pytorch_file_loads_like_safetensors(tmp_path: Path, state: dict[str, Tensor]) -> None:
    write(tmp_path, state)
    for file in tmp_path.glob("model*"):
        file.unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert_holds(MobileVideoGPT.from_pretrained(tmp_path, device="cpu"), state)


def test_names_of_newer_transformers_and_old_tables_are_understood(tmp_path: Path, state: dict[str, Tensor]) -> None:
    newer = {n.replace(f"{CLIP}vision_model.", CLIP): t for n, t in state.items()}
    assert set(newer) != set(state)
    newer[f"{CLIP}embeddings.position_ids"] = torch.arange(5.0)
    newer["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    assert_holds(MobileVideoGPT.from_pretrained(write(tmp_path, newer), device="cpu"), state)
    newer[f"{CLIP}vision_model.pre_layrnorm.bias"] = torch.zeros(8)
    with pytest.raises(CheckpointError, match=r"stand for the same weights: .*pre_layrnorm.bias"):
        MobileVideoGPT.from_pretrained(write(tmp_path / "twice", newer), device="cpu")


def videomamba_file(path: Path, state: dict[str, Tensor], wrapper: str | None) -> Path:
    inner = {n.removeprefix(VIDEO): t + 1 for n, t in state.items() if n.startswith(VIDEO)}
    assert set(inner) == set(GROUPS["vision_encoder_keys"])
    inner |= {n: torch.zeros(8) for n in GROUPS["also_in_pth_unused_here"]}
    rest = ("text_encoder.bert.encoder.layer.0.output.dense.weight", "text_proj.weight", "vision_proj.bias")
    inner |= {n: torch.zeros(2) for n in (*rest, "itm_head.weight", "temp")}
    torch.save({wrapper: inner} if wrapper else inner, path)
    return path


def clip_folder(path: Path, state: dict[str, Tensor], spelling: str) -> Path:
    path.mkdir()
    tower = {n.removeprefix(CLIP): t + 2 for n, t in state.items() if n.startswith(CLIP)}
    if spelling == "newer":
        tower = {n.removeprefix("vision_model."): t for n, t in tower.items()}
    elif spelling == "whole":
        others = ("text_model.final_layer_norm.weight", "text_projection.weight", "logit_scale")
        tower |= {n: torch.zeros(2) for n in (*others, "visual_projection.weight")}
        tower["vision_model.embeddings.position_ids"] = torch.arange(5)
    save_file({n: t.contiguous() for n, t in tower.items()}, path / "model.safetensors")
    return path


@pytest.mark.parametrize(("wrapper", "spelling"), [("model", "whole"), ("module", "newer"), (None, "older")])
def test_towers_come_from_their_own_files_when_the_checkpoint_lacks_them(
    tmp_path: Path, state: dict[str, Tensor], wrapper: str | None, spelling: str
) -> None:
    bare = {n: t for n, t in state.items() if not n.startswith((VIDEO, CLIP))}
    write(tmp_path, bare)
    pth = videomamba_file(tmp_path / "vm.pth", state, wrapper)
    clip = clip_folder(tmp_path / "clip", state, spelling)
    model = MobileVideoGPT.from_pretrained(tmp_path, "vision", device="cpu", video_tower=pth, image_tower=clip)
    own = model.published_state_dict()
    assert all(torch.equal(own[n], state[n] + 1) for n in own if n.startswith(VIDEO))
    assert all(torch.equal(own[n], state[n] + 2) for n in own if n.startswith(CLIP))
    assert_holds(model, state, "model.mm_projector")


def test_a_tower_beside_the_checkpoint_is_found_by_the_config(tmp_path: Path, state: dict[str, Tensor]) -> None:
    bare = {n: t for n, t in state.items() if not n.startswith(VIDEO)}
    write(tmp_path, bare, mm_vision_tower="vm.pth")
    videomamba_file(tmp_path / "vm.pth", state, "model")
    own = MobileVideoGPT.from_pretrained(tmp_path, "vision", device="cpu").published_state_dict()
    assert all(torch.equal(own[n], state[n] + 1) for n in own if n.startswith(VIDEO))


def test_an_unknown_or_missing_name_in_a_tower_file_is_told(tmp_path: Path, state: dict[str, Tensor]) -> None:
    write(tmp_path, state)
    inner = {n.removeprefix(VIDEO): t for n, t in state.items() if n.startswith(VIDEO)}
    inner["audio_encoder.weight"] = torch.zeros(2)
    del inner["vision_encoder.layers.3.mixer.D_b"]
    torch.save({"model": inner}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"missing: .*3.mixer.D_b; unexpected: .*audio_encoder.weight"):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu", video_tower=tmp_path / "odd.pth")


def test_a_tower_that_is_nowhere_is_named_with_the_option_to_pass(tmp_path: Path, state: dict[str, Tensor]) -> None:
    bare = {n: t for n, t in state.items() if not n.startswith(VIDEO)}
    write(tmp_path, bare, mm_vision_tower="./lost.pth")
    with pytest.raises(CheckpointError, match=r"no model.vision_tower.\* weights.*lost.pth.*video_tower="):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu")


@pytest.mark.parametrize("level", ["base_model.model.", "base_model.", ""])
def test_trainables_beside_the_weights_win(folder: Path, state: dict[str, Tensor], level: str) -> None:
    name = "model.mm_projector.mlp.mlp.0.weight"
    torch.save({level + name: state[name] + 5}, folder / "non_lora_trainables.bin")
    own = MobileVideoGPT.from_pretrained(folder, "vision", device="cpu").published_state_dict()
    assert torch.equal(own[name], state[name] + 5)


def test_saved_models_load_equal_sharded_or_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = replace(MobileVideoGPTConfig.tiny(), system_prompt=EXERCISE_SYSTEM)
    model = MobileVideoGPT(config)
    model.tokenizer = tiny_tokenizer()
    for limit, files in ((10**9, 1), (10**6, 7)):
        target = tmp_path / str(limit)
        model.save_pretrained(target, max_shard_bytes=limit)
        shards = list(target.glob("*.safetensors"))
        assert len(shards) == files
        assert not any("lm_head.weight" in load_file(shard) for shard in shards)
        again = MobileVideoGPT.from_pretrained(target, device="cpu")
        assert again.config == config
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[name]), name
        assert again.tokenizer is not None
        assert again.tokenizer.encode("knees") == model.tokenizer.encode("knees")


def test_an_untied_head_is_saved_and_wanted(tmp_path: Path) -> None:
    tiny = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(replace(tiny, language=replace(tiny.language, tie_embeddings=False)), "language")
    model.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")
    head, embedding = again.require_language().lm_head.weight, again.require_language().model.embed_tokens.weight
    assert torch.equal(head, model.require_language().lm_head.weight)
    assert not torch.equal(head, embedding)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"missing: lm_head.weight"):
        MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")


def test_weights_take_the_asked_dtype_but_decay_rates_stay_exact(folder: Path) -> None:
    model = MobileVideoGPT.from_pretrained(folder, device="cpu", dtype=torch.bfloat16)
    dtypes = {n: t.dtype for n, t in model.published_state_dict().items()}
    exact = {n for n in dtypes if n.endswith(("A_log", "A_b_log"))}
    assert len(exact) == 64
    assert {dtypes[n] for n in exact} == {torch.float32}
    assert {d for n, d in dtypes.items() if n not in exact} == {torch.bfloat16}


def test_the_system_prompt_can_be_chosen_at_loading(folder: Path) -> None:
    assert MobileVideoGPT.from_pretrained(folder, "language", device="cpu").config.system_prompt != "Be brief."
    model = MobileVideoGPT.from_pretrained(folder, "language", device="cpu", system_prompt="Be brief.")
    assert model.text_generator.system_prompt == "Be brief."


def test_folders_that_are_no_checkpoint_say_why(tmp_path: Path, state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        MobileVideoGPT.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"no config.json"):
        MobileVideoGPT.from_pretrained(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="this one as lora="):
        MobileVideoGPT.from_pretrained(tmp_path)
    write(tmp_path, state, model_type="qwen2")
    with pytest.raises(CheckpointError, match="model_type 'qwen2'"):
        MobileVideoGPT.from_pretrained(tmp_path)
    write(tmp_path, state, hidden_size="wide")
    with pytest.raises(CheckpointError, match=r"language.width has value 'wide'"):
        MobileVideoGPT.from_pretrained(tmp_path)
    write(tmp_path, state)
    for file in tmp_path.glob("model*"):
        file.unlink()
    with pytest.raises(CheckpointError, match="no weights"):
        MobileVideoGPT.from_pretrained(tmp_path)


def test_a_hub_name_is_looked_up_with_the_offline_flag(
    folder: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def download(name: str, **options: object) -> str:
        asked.append((name, options))
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", download)
    model = MobileVideoGPT.from_pretrained("Owner/Name", revision="v1", offline=True, device="cpu")
    assert_holds(model, state)
    name, options = asked[0]
    assert (name, options["revision"], options["local_files_only"]) == ("Owner/Name", "v1", True)


def test_a_hub_name_that_was_never_downloaded_is_told_offline(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="was not downloaded before"):
        MobileVideoGPT.from_pretrained("cornerman-tests/no-such-model", offline=True)
