"""The last words about a source, which its generator leaves for its decider: for commentary, and so that the same
is not said twice.

They lie in the field `said` of `Keys.decider_state`, written in the hop that ends the request.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.errors import MalformedError

LAST_FEEDBACK_FIELD = "said"


@dataclass(frozen=True, slots=True)
class LastFeedback:
    """Words that reached people, with the media time of what they were about."""

    run: str
    action: str
    pts_s: float
    text: str

    def to_bytes(self) -> bytes:
        return pack_map(asdict(self))

    @classmethod
    def read(cls, data: bytes | None) -> LastFeedback | None:
        """None when nothing was said yet.

        Raises:
            MalformedError: other bytes.
        """
        if data is None:
            return None
        body = unpack_map(data)
        try:
            return cls(str(body["run"]), str(body["action"]), float(body["pts_s"]), str(body["text"]))
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError(f"last words are not whole: {error}") from None
