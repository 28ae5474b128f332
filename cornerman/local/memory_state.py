"""Whether the models in use fit the memory of this machine, for `cornerman doctor`. Loads nothing."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from cornerman_common.model_location import model_path
from cornerman_common.model_placement import place_model

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import Settings

ON_THIS_MACHINE: Final = ("mobile_videogpt", "vlm")


def memory_state(settings: Settings) -> tuple[str, str]:
    """How each model is placed, and what to do where one is not as its settings ask; empty = nothing.

    Raises:
        ConfigError: a model does not fit; names what would.
    """
    if importlib.util.find_spec("torch") is None:
        return "unknown without torch", ""
    found, reasons = [], []
    encoder, generator = settings.encoder, settings.generator
    if encoder.backend in ON_THIS_MACHINE:
        path = model_path("encoder.model", encoder.model)
        placed = place_model("encoder", path, device=encoder.device, dtype=encoder.dtype)
        found.append(f"encoder {placed.words}")
        reasons += [placed.why] if placed.why else []
    if generator.backend in ON_THIS_MACHINE:
        path = model_path("generator.model", generator.model)
        quantize = generator.quantize if generator.backend == "mobile_videogpt" else None
        placed = place_model("generator", path, device=generator.device, dtype=generator.dtype, quantize=quantize)
        found.append(f"generator {placed.words}")
        reasons += [placed.why] if placed.why else []
    why = f"; {'; '.join(reasons)}" if reasons else ""
    remedy = "free some memory, or set dtype, quantize or device yourself" if reasons else ""
    return (", ".join(found) or "no model is loaded here") + why, remedy
