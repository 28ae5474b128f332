"""The exceptions of all processes.

A message names the cause, the offending value and the remedy. The class decides how the consumer ends the entry in
hand: a `RetryableError` leaves it pending, a `PoisonError` buries it, a `FatalError` ends the process.
"""

from __future__ import annotations

import sys
from typing import Final


class CornermanError(Exception):
    """Base class of all exceptions that Cornerman raises."""


class RetryableError(CornermanError):
    """Network, server or device failed; the same work may succeed later."""


class PoisonError(CornermanError):
    """The entry cannot succeed on any attempt; it belongs in the dead-letter stream."""


class FatalError(CornermanError):
    """The process cannot continue; a supervisor may start a new one."""


class ConfigError(FatalError):
    """A setting is invalid. Names the field, the value and the remedy."""


class SourceError(CornermanError):
    """A video source cannot be opened or decoded. The message holds no credentials."""


class MalformedError(PoisonError):
    """Bytes from the bus are not a message of this schema version."""


class BlobExpiredError(CornermanError):
    """The bytes of a blob reference are gone: freed or expired. Services count it and continue."""


class FencedError(CornermanError):
    """A newer owner holds the lease; this process must stop the work that the lease covers."""


class GenerationError(CornermanError):
    """The generator back end failed. Subscribers get an error event with the cause."""


def is_contained(error: Exception) -> bool:
    """Whether an error costs only the entry or the source that it came from, and the process goes on.

    False when the process, its lease or the server is the cause.
    """
    return not isinstance(error, (FatalError, FencedError, RetryableError))


_MEMORY_WORDS: Final = ("out of memory", "not enough memory", "can't allocate memory")
"""Parts of messages by which the allocators of torch that raise a plain RuntimeError say it."""

OUT_OF_MEMORY: Final = "out_of_memory"
"""Kind of the error in the counter of errors."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, torch's of a GPU, or an allocator's."""
    if isinstance(error, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY_WORDS)


def release_memory() -> None:
    """Gives memory that torch keeps for later back to the device."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
