"""When a request to a model server is tried again: its bounds, and the wait that the server asks for.

A request is tried again only while nothing of its answer has come, so no word is ever spoken twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from cornerman_shared.errors import GenerationError
from cornerman_shared.process.logs import get_logger

BASE_S: Final = 0.5
CAP_S: Final = 8.0
REFUSED_FOR_NOW: Final = frozenset({408, 425, 429})
NEVER: Final = frozenset({501, 505, 511})

log = get_logger("server_retries")


class BusyServerError(GenerationError):
    """A server cannot answer now; the same request may succeed later.

    Args:
        wait_s: the wait that the server asks for, seconds; None = it says nothing.
    """

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def is_temporary(status: int, headers: Mapping[str, str], detail: str) -> bool:
    """Whether an answer with this status is worth another try."""
    if headers.get("x-should-retry", "").lower() == "false" or "insufficient_quota" in detail:
        return False  # waiting gives no new quota
    return status in REFUSED_FOR_NOW or (500 <= status < 600 and status not in NEVER)


def wait_asked_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """The wait of a `Retry-After` header, in seconds or as a date, or of `retry-after-ms`; None without one.

    Args:
        headers: with lower-case or case-insensitive names.
        now_s: unix time, for a date where the server does not say its own.
    """
    milliseconds, asked = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        if asked is None:
            return None
        if asked.strip().replace(".", "", 1).isdecimal():
            return float(asked)
        sent = headers.get("date")
        since_s = parsedate_to_datetime(sent).timestamp() if sent else now_s
        return max(0.0, parsedate_to_datetime(asked).timestamp() - since_s)
    except (ValueError, TypeError, OverflowError):
        return None  # neither a number nor a date


def retrying(retries: int, limit_s: float, report: Callable[[], None]) -> AsyncRetrying:
    """Tries again after a `BusyServerError`, with full-jitter backoff or the wait that the server asks for.

    Args:
        retries: tries after the first one, at most.
        limit_s: no try begins later than this, seconds after the first one.
        report: called before each further try.
    """
    backoff = wait_random_exponential(multiplier=BASE_S, max=CAP_S)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.wait_s if isinstance(error, BusyServerError) else None
        return backoff(state) if asked_s is None else asked_s

    def is_late(state: RetryCallState) -> bool:
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep > limit_s

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("server_busy", tries=state.attempt_number, wait_s=round(state.upcoming_sleep, 2), error=str(error))
        report()

    def give_up(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, BusyServerError)
        tries = f"; tried {state.attempt_number} times" if state.attempt_number > 1 else ""
        asked = "" if error.wait_s is None else f"; it asks to wait {error.wait_s:g} s"
        late = (
            f", which is later than this request may wait ({max(0.0, limit_s):.1f} s)"
            if is_late(state) and asked
            else ""
        )
        raise GenerationError(f"{error}{tries}{asked}{late}") from error

    return AsyncRetrying(
        retry=retry_if_exception_type(BusyServerError),
        stop=lambda state: stop_after_attempt(retries + 1)(state) or is_late(state),
        wait=wait_s,
        before_sleep=tell,
        retry_error_callback=give_up,
    )
