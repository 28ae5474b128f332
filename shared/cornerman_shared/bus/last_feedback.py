"""The last feedback of a source, which the generator passes to the decider for commentary and repeat suppression.

It is stored in the field `said` of `Keys.decider_state`, written by the hop that ends the request.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.errors import MalformedError

LAST_FEEDBACK_FIELD = "said"


@dataclass(frozen=True, slots=True)
class LastFeedback:
    """Feedback text with its action and the media time, seconds, of its chunk."""

    run: str
    action: str
    pts_s: float
    text: str

    def to_bytes(self) -> bytes:
        return pack_map(asdict(self))

    @classmethod
    def read(cls, data: bytes | None) -> LastFeedback | None:
        """Decodes `to_bytes`; None for a missing field.

        Raises:
            MalformedError: the bytes are not a last feedback.
        """
        if data is None:
            return None
        body = unpack_map(data)
        try:
            return cls(str(body["run"]), str(body["action"]), float(body["pts_s"]), str(body["text"]))
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError(f"last feedback lacks a field or has a wrong type: {error}") from None
