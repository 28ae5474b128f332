"""Errors of the model package: one tree, so that a caller can tell a bad file from a bad request.

It knows nothing of torch; every message says what happened, the offending value and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable

SHOWN_NAMES = 12


class ModelError(Exception):
    """Anything this package refuses to do."""


class CheckpointError(ModelError):
    """A checkpoint is incomplete, has names left over, or does not fit the model."""


class AdapterError(ModelError):
    """A LoRA adapter does not fit the model it is loaded into."""


class QuantizationError(ModelError):
    """The asked quantization is not possible on this machine."""


class ReplyError(ModelError, ValueError):
    """A request for text cannot be carried out as asked."""


def listed(names: Iterable[str], *, shown: int = SHOWN_NAMES) -> str:
    """Sorted names in one line, cut after `shown` with the number left out."""
    ordered = sorted(names)
    rest = len(ordered) - shown
    return ", ".join(ordered[:shown]) + (f" and {rest} more" if rest > 0 else "")
