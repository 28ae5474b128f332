"""The error of a source that cannot be opened or broke off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.errors import SourceError

if TYPE_CHECKING:
    from cornerman_media.finality import Fault


class BrokenError(SourceError):
    """A source cannot be opened or broke off.

    Args:
        message: cause and remedy, with the source named without its credentials.
        final: whether opening again is useless (wrong address, refused credentials, no video).
        fault: what went wrong, for a source that has played before; None = as `final` says.
    """

    def __init__(self, message: str, *, final: bool, fault: Fault | None = None) -> None:
        super().__init__(message)
        self.final = final
        self.fault: Fault = fault or ("settings" if final else "away")
