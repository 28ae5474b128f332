"""Reads and writes a model in the published layout: strictly, and only the tensors of the asked part.

Joins files, names and model. Knows nothing of prompts, generation or video.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from huggingface_hub import save_torch_state_dict
from torch import Tensor, nn

from mobile_videogpt import names
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.names import EMBEDDING, HEAD, Part, Shape, module_name
from mobile_videogpt.published_config import CONFIG_FILE, parse, read_raw, render
from mobile_videogpt.tokenizer import ChatTokenizer
from mobile_videogpt.towers import TowerSources, with_towers
from mobile_videogpt.vocabulary import fit_rows
from mobile_videogpt.weights import TRAINABLES_FILE, WeightFiles, find_weights, read_file

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig
    from mobile_videogpt.network import VideoLanguageNetwork

ModelT = TypeVar("ModelT", bound="VideoLanguageNetwork")

SHARD_BYTES = 2_000_000_000
# Decay rates are exponents: bfloat16 changes them by up to half a percent.
_ALWAYS_FLOAT32 = (".A_log", ".A_b_log")
_REMEDY = "Check that config.json and the weights belong together, or download the folder again."


def read(
    build: Callable[[MobileVideoGPTConfig, Part], ModelT],
    folder: Path,
    part: Part,
    dtype: torch.dtype,
    towers: TowerSources,
) -> ModelT:
    """Reads the model of a folder onto the CPU, with its tokenizer.

    Args:
        build: makes an empty model; it is called on the meta device, so no memory is allocated.
        folder: the checkpoint.
        part: `"vision"`, `"language"` or `"all"`.
        dtype: of the weights; decay rates stay float32.
        towers: where the towers come from.

    Raises:
        CheckpointError: as `MobileVideoGPT.from_pretrained`.
    """
    raw = read_raw(folder)
    config = parse(raw, f"{folder / CONFIG_FILE}")
    with torch.device("meta"):
        model = build(config, part)
    wanted = wanted_shapes(model)
    files = checkpoint_weights(folder, part)
    if part != "language":
        files = with_towers(files, wanted, towers, raw, folder)
    files = _with_trainables(files, folder, part)
    files = _without_tied_head(files, config.language.tie_embeddings)
    names.check_fit(wanted, files.shapes, str(folder), _REMEDY)
    _fill(model, files, dtype)
    model.eval()
    model.tokenizer = find_tokenizer(folder, part)
    if model.tokenizer is not None and model.language is not None:
        fit_rows(model, model.tokenizer)
    return model


def save(
    model: VideoLanguageNetwork,
    folder: str | Path,
    max_shard_bytes: int = SHARD_BYTES,
    adapters: Sequence[str] = (),
) -> None:
    """Writes `config.json`, the weights as safetensors (sharded above `max_shard_bytes`) and the tokenizer.

    Args:
        model: the network whose weights are written.
        folder: made if it is missing.
        max_shard_bytes: largest size of one file of weights, bytes.
        adapters: names of adapters that are loaded into the weights now.

    Raises:
        CheckpointError: if adapters are loaded or the model is quantized; those weights are not the model's.
    """
    if adapters:
        raise CheckpointError(
            f"adapters are loaded ({', '.join(adapters)}); call model.lora.merge() to save them folded "
            "into the weights, or model.lora.unload() to save the base"
        )
    state = model.published_state_dict()
    odd = [name for name, tensor in state.items() if not isinstance(tensor, Tensor) or not _plain(tensor)]
    if odd or set(state) - set(wanted_shapes(model)) - {HEAD}:
        raise CheckpointError("a quantized model cannot be saved; load it without quantize and save that")
    if model.config.language.tie_embeddings:
        state.pop(HEAD, None)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    # `force_contiguous` copies nothing that is contiguous already; the metadata is what transformers expects.
    save_torch_state_dict(
        {name: tensor.detach().to("cpu") for name, tensor in state.items()},
        path,
        max_shard_size=max_shard_bytes,
        metadata={"format": "pt"},
    )
    dtypes = {tensor.dtype for name, tensor in state.items() if not name.endswith(_ALWAYS_FLOAT32)}
    dtype = str(dtypes.pop()).removeprefix("torch.") if len(dtypes) == 1 else "float32"
    write_config(model, path, dtype)
    if model.tokenizer is not None:
        model.tokenizer.save(path)


def write_config(model: VideoLanguageNetwork, folder: Path, dtype: str) -> None:
    """Writes `config.json` in the published layout."""
    text = json.dumps(render(model.config, dtype), indent=2)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


def wanted_shapes(model: VideoLanguageNetwork) -> dict[str, Shape]:
    """Published names and shapes that a file must hold for this model; a tied head is not among them."""
    shapes = {name: tuple(tensor.shape) for name, tensor in model.published_state_dict().items()}
    if model.config.language.tie_embeddings:
        shapes.pop(HEAD, None)
    return shapes


def checkpoint_weights(folder: Path, part: Part = "all") -> WeightFiles:
    """The folder's own weights under published names, the other half's left out.

    Raises:
        CheckpointError: if there are none.
    """
    found = find_weights(folder)
    if found is None:
        raise CheckpointError(
            f"{folder} has a config.json but no weights: neither model.safetensors nor pytorch_model.bin, "
            "whole or sharded"
        )
    published = found.renamed(names.canonical)
    # A name of neither half stays, so that `check_fit` reports it.
    return published.only(lambda name: part == "all" or names.half_of(name) in (part, None))


def find_tokenizer(folder: Path, part: Part) -> ChatTokenizer | None:
    """The folder's tokenizer; None for the vision half, and where the folder has no tokenizer files."""
    files = ("tokenizer.json", "vocab.json")
    if part == "vision" or not any((folder / name).is_file() for name in files):
        return None
    return ChatTokenizer.from_folder(folder)


def read_trainables(folder: Path, part: Part) -> WeightFiles | None:
    """`non_lora_trainables.bin` of a folder under published names, this part's only; None without the file."""
    path = folder / TRAINABLES_FILE
    if not path.is_file():
        return None
    found = read_file(path)
    spelled = names.from_trainables(found.shapes)
    published = found.renamed(lambda name: names.canonical(spelled[name]))
    return published.only(lambda name: part == "all" or names.half_of(name) in (part, None))


def _with_trainables(files: WeightFiles, folder: Path, part: Part) -> WeightFiles:
    extra = read_trainables(folder, part)
    return files if extra is None else files.joined(extra)


def _without_tied_head(files: WeightFiles, tied: bool) -> WeightFiles:
    """Drops a tied head after checking that it equals the embedding.

    Raises:
        CheckpointError: if it differs.
    """
    if not tied or HEAD not in files.shapes:
        return files
    if EMBEDDING in files.shapes and not torch.equal(files.read(HEAD), files.read(EMBEDDING)):
        raise CheckpointError(
            f"{HEAD} differs from {EMBEDDING}, but config.json ties them; set tie_word_embeddings to false"
        )
    return files.only(lambda name: name != HEAD)


def _fill(model: VideoLanguageNetwork, files: WeightFiles, dtype: torch.dtype) -> None:
    """Puts the files' tensors into a model on the meta device, one by one, without a second copy."""
    for name in files.shapes:
        tensor = files.read(name)
        kept = tensor.to(torch.float32 if name.endswith(_ALWAYS_FLOAT32) else dtype)
        # Assigned, not copied: a parameter on the meta device has no memory to copy into.
        owner_name, _, leaf = module_name(name).rpartition(".")
        owner = model.get_submodule(owner_name)
        setattr(owner, leaf, nn.Parameter(kept.contiguous()))
    if model.language is not None and model.config.language.tie_embeddings:
        model.language.lm_head.weight = model.language.model.embed_tokens.weight
    _compute_buffers(model)
    left = [name for name, t in (*model.named_parameters(), *model.named_buffers()) if t.is_meta]
    if left:
        raise CheckpointError(
            f"neither the files nor the model give values for: {', '.join(left)}; use the versions of constraints.txt"
        )


def _compute_buffers(model: VideoLanguageNetwork) -> None:
    """Computes the tables that no file holds: rotary frequencies, and the positions of CLIP's patches."""
    if model.language is not None:
        rotary = model.language.model.rotary_emb
        rotary.__init__(rotary.config)
    if model.vision is not None:
        for module in model.vision.modules():
            if "position_ids" in dict(module.named_buffers(recurse=False)):
                table = module.position_embedding
                assert isinstance(table, nn.Embedding)
                module.position_ids = torch.arange(table.num_embeddings)[None]


def _plain(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and type(tensor) in (Tensor, nn.Parameter)
