"""Errors of the model package, in one tree.

Every message says what happened, the offending value and the remedy. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable

SHOWN_NAMES = 12


class ModelError(Exception):
    """Base class of this package's errors."""


class CheckpointError(ModelError):
    """A checkpoint is incomplete, has names left over, or does not fit the model."""


class AdapterError(ModelError):
    """A LoRA adapter does not fit the model it is loaded into."""


class QuantizationError(ModelError):
    """The requested quantization is not possible on this machine."""


class ReplyError(ModelError, ValueError):
    """A request for text has invalid arguments."""


def listed(names: Iterable[str], *, shown: int = SHOWN_NAMES) -> str:
    """Sorted names in one line, cut after `shown` with the number left out."""
    ordered = sorted(names)
    rest = len(ordered) - shown
    return ", ".join(ordered[:shown]) + (f" and {rest} more" if rest > 0 else "")
