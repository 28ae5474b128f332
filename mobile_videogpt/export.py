"""Writes the language half as a plain Qwen2 checkpoint, for servers and tools that know nothing of video.

The weights and the vocabulary are those of the model, row by row, so that prompt embeddings made here fit there.
"""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError

from mobile_videogpt.errors import CheckpointError, QuantizationError
from mobile_videogpt.published_config import CONFIG_FILE, read_raw
from mobile_videogpt.special_tokens import IM_END, IM_START

if TYPE_CHECKING:
    from mobile_videogpt.modeling import MobileVideoGPT

DTYPES: Final = ("float32", "bfloat16", "float16")
TOKENIZER_CONFIG: Final = "tokenizer_config.json"


def stored_dtype(folder: Path) -> torch.dtype:
    """The dtype that a checkpoint's config names; float32 where it names none that is known."""
    raw = read_raw(folder)
    name = str(raw.get("dtype") or raw.get("torch_dtype") or "float32")
    found: torch.dtype = getattr(torch, name if name in DTYPES else "float32")
    return found


def check_export_folder(folder: str | Path) -> Path:
    """Makes the folder if it is missing, and tries to write there; returns its path.

    Raises:
        CheckpointError: it holds a checkpoint or cannot be written.
    """
    path = Path(folder).expanduser()
    try:
        there = next((one for one in (path / CONFIG_FILE, *path.glob("*.safetensors")) if one.exists()), None)
        if there is None:
            path.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path):
                pass  # a read-only disk seems writable until it is written to
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written ({error}); check the disk and the rights") from error
    if there is not None:
        raise CheckpointError(f"{path} holds a {there.name} already; choose another folder, or remove it")
    return path


def export_language(model: MobileVideoGPT, folder: str | Path) -> Path:
    """Writes `config.json`, safetensors and the tokenizer, with the chat template that the model was trained with.

    The files appear when all of them are whole.

    Args:
        model: with its language half. Merge an adapter before (`model.lora.merge()`).
        folder: made if it is missing; must hold no checkpoint.

    Raises:
        CheckpointError: the folder holds a checkpoint or cannot be written, an adapter is loaded, or the tokenizer is
            missing.
        QuantizationError: the weights are quantized.
    """
    path = check_export_folder(folder)
    language, tokenizer = model.require_language(), model.tokenizer
    if any("lora_" in name for name, _ in language.named_parameters()):
        raise CheckpointError("an adapter is loaded; call model.lora.merge() first, or unload it")
    if any(not parameter.is_floating_point() for parameter in language.state_dict().values()):
        raise QuantizationError("a quantized model cannot be exported; load it without quantize")
    if tokenizer is None:
        raise CheckpointError("the model has no tokenizer; put tokenizer.json into its folder")
    # `<|im_end|>` first: servers that take one id take the first.
    stops = [tokenizer.id_of(IM_END), *sorted(tokenizer.stop_ids - {tokenizer.id_of(IM_END)})]
    language.config.architectures = [type(language).__name__]
    language.config.eos_token_id = language.generation_config.eos_token_id = stops
    language.config.bos_token_id = language.generation_config.bos_token_id = None
    language.config.pad_token_id = language.generation_config.pad_token_id = stops[-1]
    part = path / f".{secrets.token_hex(8)}.part"
    try:
        part.mkdir(parents=True)
        language.save_pretrained(part)
        tokenizer.save(part)
        stored = json.loads((part / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
        stored["chat_template"] = chat_template(model.config.system_prompt)
        (part / TOKENIZER_CONFIG).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        # The config last: with it the folder is a checkpoint.
        for file in sorted(part.iterdir(), key=lambda one: one.name == CONFIG_FILE):
            file.replace(path / file.name)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be written ({error}); check the disk and the rights") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def chat_template(system: str) -> str:
    """A Jinja template of the prompts in training, with `system` where a chat has no system message."""
    turn = f"{{{{ '{IM_START}' + message['role'] + '\\n' + message['content'] + '{IM_END}\\n' }}}}"
    return (
        "{% if not messages or messages[0]['role'] != 'system' %}"
        f"{{{{ '{IM_START}system\\n' + {json.dumps(system)} + '{IM_END}\\n' }}}}"
        "{% endif %}{% for message in messages %}"
        f"{turn}"
        "{% endfor %}{% if add_generation_prompt %}"
        f"{{{{ '{IM_START}assistant\\n' }}}}"
        "{% endif %}"
    )
