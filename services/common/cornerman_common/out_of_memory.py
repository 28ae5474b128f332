"""Recognises errors of missing memory, of any device. Imports no torch."""

from __future__ import annotations

import sys
from typing import Final

SAID: Final = ("out of memory", "not enough memory", "can't allocate memory")
"""Parts of messages by which the allocators of torch that raise a plain RuntimeError say it."""

COUNTED: Final = "out_of_memory"
"""Kind of the error in the counter of errors."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, torch's of a GPU, or an allocator's."""
    if isinstance(error, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SAID)


def release_memory() -> None:
    """Gives memory that torch keeps for later back to the device."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
