"""How long no person has been followed, and whether the picture suggests that one is there unseen. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

CALL_AFTER_S: Final = 5.0
"""How long no person must be followed before the coach says so."""

SET_S: Final = 10.0
"""Who was counted so shortly before is amid a set, and has not left."""

BACK_S: Final = 1.0
"""A person followed for so long is back; a shorter glimpse does not end an absence."""

GLIMPSES: Final = 2
"""Who is found for the first time may be coming back; found again and not followed, they are seen too badly."""

SEEN_S: Final = 5.0
"""Who was followed for so long was not glimpsed: gone afterwards, outside a set, they have left."""

MOVES: Final = 0.006
"""Motion (mean difference at 64 x 64 grey, 0..1) that an empty room does not have: its codec makes up to 0.0025."""

FILM: Final = 0.04
"""Motion of a whole picture; a person who is too far away to be followed moves a small part of it."""

MOVES_DARK: Final = 0.0005
"""The same in the dark, where all differences are small."""

UNEVEN: Final = 1.5
"""The strongest motion over the weakest: people move unevenly, the noise of a camera does not."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Since when no person is followed; media times in seconds, negative = not so.

    Attributes:
        since_s: since when no person is followed.
        here_since_s: since when one is.
        chunks: during the absence.
        moving: of them, with motion.
        least: motion of a chunk of the absence.
        most: the same, the strongest.
        coached_s: when a repetition was counted last.
        glimpsed: in how many chunks a person has been found, and not followed for long since; counted to `GLIMPSES`.
    """

    since_s: float = -1.0
    here_since_s: float = -1.0
    chunks: int = 0
    moving: int = 0
    least: float = 1.0
    most: float = 0.0
    coached_s: float = -1.0
    glimpsed: int = 0

    def after(
        self, followed: bool, coached: bool, pts_s: float, motion: float, *, dark: bool = False, people: int = 0
    ) -> Absence:
        """The absence after the chunk at `pts_s`; `coached` = a repetition ended in it, `people` = found in it."""
        leaving = self.here_since_s >= 0 and not followed
        glimpsed = min(GLIMPSES, self.glimpsed + (followed or (people > 0 and not leaving)))
        coached_s = pts_s if coached else self.coached_s
        if followed:
            here_s = self.here_since_s if 0 <= self.here_since_s <= pts_s else pts_s
            if pts_s - here_s >= BACK_S:
                well = pts_s - here_s >= SEEN_S
                return Absence(here_since_s=here_s, coached_s=coached_s, glimpsed=0 if well else glimpsed)
            return replace(self, here_since_s=here_s, coached_s=coached_s, glimpsed=glimpsed)
        since_s = self.since_s if 0 <= self.since_s <= pts_s else pts_s
        return Absence(
            since_s,
            -1.0,
            self.chunks + 1,
            self.moving + ((MOVES_DARK if dark else MOVES) <= motion < FILM),
            min(self.least, motion),
            max(self.most, motion),
            coached_s,
            glimpsed,
        )

    def calls(self, pts_s: float, *, dark: bool = False) -> bool:
        """Whether a person who is not seen would like to know.

        Someone is gone amid a set; or the picture moves through most of the absence, unevenly, and it is dark or
        a person was glimpsed. Bright pictures that move without one are traffic or a film: no word is due.
        """
        if self.since_s < 0 or self.here_since_s >= 0 or pts_s - self.since_s < CALL_AFTER_S:
            return False
        moves = 2 * self.moving > self.chunks and self.most >= UNEVEN * self.least
        amid = 0 <= self.coached_s <= self.since_s <= self.coached_s + SET_S
        return amid or (moves and (dark or self.glimpsed >= GLIMPSES))
