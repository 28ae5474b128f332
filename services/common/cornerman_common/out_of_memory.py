"""What is done when memory runs out. Imports no torch."""

from __future__ import annotations

import sys
from typing import Final

COUNTED: Final = "out_of_memory"
"""Kind of the error in the counter of errors."""


def release_memory() -> None:
    """Gives memory that torch keeps for later back to the device."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
