"""`cornerman export-llm`: the language half of a checkpoint as a plain Qwen2 model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cornerman.local import options
from cornerman.local.work_bar import WorkBar
from cornerman_common.adapter_choice import place_of
from cornerman_common.model_location import model_path, require_model_extra
from cornerman_shared.errors import ConfigError


def export_llm(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write; made if it is missing.")],
    checkpoint: Annotated[
        str, typer.Argument(metavar="[CHECKPOINT]", help="Folder or hub name. Default: generator.model.")
    ] = "",
    adapter: Annotated[str, typer.Option(help="LoRA adapter to merge: a path, or a name of generator.adapters.")] = "",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"], typer.Option(help="Of the weights; auto = as stored.")
    ] = "auto",
    config: options.Config = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Write the language half as a plain Qwen2 checkpoint: for vLLM with prompt embeddings, or any other tool."""
    settings = options.command_settings(config, "", sets).settings.generator
    require_model_extra("export-llm")
    path = model_path("CHECKPOINT" if checkpoint else "generator.model", checkpoint or settings.model)
    import torch

    from mobile_videogpt import MobileVideoGPT
    from mobile_videogpt.errors import ModelError
    from mobile_videogpt.export import check_export_folder, export_language, stored_dtype
    from mobile_videogpt.hub import resolve

    try:
        check_export_folder(out)
    except ModelError as error:
        raise ConfigError(f"--out: {error}") from error
    try:
        with WorkBar(f"exporting {path}") as bar:
            bar.show("reading the weights")
            folder = resolve(path)
            wanted = stored_dtype(folder) if dtype == "auto" else getattr(torch, dtype)
            model = MobileVideoGPT.from_pretrained(folder, part="language", dtype=wanted, device="cpu")
            if adapter:
                bar.show(f"merging the adapter {adapter}")
                model.lora.load(place_of(settings.adapters.get(adapter, adapter)))
                model.lora.merge()
            bar.show(f"writing {out}")
            written = export_language(model, out)
        print(written)
    except (ModelError, OSError) as error:
        raise ConfigError(f"{path} cannot be exported: {error}") from error
