"""Tries a reply once more with less input when memory runs out before its first word."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cornerman_generator.protocol import TextDelta
from cornerman_shared.errors import OUT_OF_MEMORY, is_out_of_memory, release_memory
from cornerman_shared.process.logs import get_logger

log = get_logger("smaller")


def reply_or_smaller(
    make: Callable[[int], Iterator[TextDelta]], n: int, forget: Callable[[], None] = lambda: None
) -> Iterator[TextDelta]:
    """The deltas of `make(n)`; of `make(n // 2)` if memory ran out and nothing was said yet, once.

    Args:
        make: starts the reply about so many chunks or pictures, the newest.
        n: how many there are.
        forget: drops what is kept to save time, such as states of prompts.

    Raises:
        Exception: of `make`, any other error, or the second one of missing memory.
    """
    said = False
    try:
        for delta in make(n):
            said = said or bool(delta.text)
            yield delta
        return
    except Exception as error:
        if said or n < 2 or not is_out_of_memory(error):
            raise
        log.warning("retried_smaller", inputs=n, now=n // 2, error=str(error)[:200])
    # Outside of the handler: the error holds the frames, and with them the tensors.
    forget()
    release_memory()
    yield TextDelta("", 0, handled=OUT_OF_MEMORY)
    yield from make(n // 2)
