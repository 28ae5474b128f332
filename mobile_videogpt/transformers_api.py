"""Names that differ between the supported versions of transformers; no other module checks the version.

Knows the signatures of Qwen2's decoder and of CLIP, and nothing of prompts or caches. Names inside checkpoint files are
in `names.py`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import CLIPVisionModel


@cache
def cache_argument(decoder: type) -> str:
    """The keyword under which a decoder class takes its key-value cache.

    `cache` since transformers 5.24, which warns about the old name `past_key_values` and removes it in 5.40.

    Args:
        decoder: a class with a `forward` method, such as `Qwen2Model`.

    Raises:
        TypeError: if `forward` has neither.
    """
    forward: Callable[..., object] = decoder.forward  # type: ignore[attr-defined]  # a class of the caller's
    parameters = inspect.signature(forward).parameters
    for name in ("cache", "past_key_values"):
        if name in parameters:
            return name
    raise TypeError(
        f"{decoder.__name__}.forward takes neither 'cache' nor 'past_key_values' but {', '.join(parameters)}. "
        "Install the versions of constraints.txt."
    )


def clip_transformer(model: CLIPVisionModel) -> Any:
    """The module that holds CLIP's embeddings and encoder; some versions put it one level down."""
    return getattr(model, "vision_model", model)


@contextmanager
def adapters_created() -> Iterator[None]:
    """Hides a warning that PEFT causes while it wraps a model.

    PEFT reads `is_gradient_checkpointing`, which transformers 5 calls `is_activation_checkpointing`. Warning filters
    are global: only one thread may be in here.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield
