"""Options of `test://pattern`, parsed and checked. Makes no picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cornerman_shared.errors import SourceError

if TYPE_CHECKING:
    from cornerman_capture.sources.address import Address

_KNOWN: Final = ("fps", "seconds", "size", "seed", "vfr")


@dataclass(frozen=True, slots=True)
class PatternOptions:
    """What the pattern looks like; `seconds` 0 = no end, `uneven` = timestamps that are not regular."""

    fps: float
    seconds: float
    width: int
    height: int
    seed: int
    uneven: bool

    @classmethod
    def of(cls, address: Address) -> PatternOptions:
        """From the parameters of the URL.

        Raises:
            SourceError: it is another test source, or an option is wrong.
        """
        if address.target != "pattern":
            raise SourceError(f"{address.shown}: unknown test source; give test://pattern")
        for name in address.options:
            if name not in _KNOWN:
                raise SourceError(f"{address.shown}: there is no option {name!r}; there are {', '.join(_KNOWN)}")
        width, height = _size(address, 640, 360)
        return cls(
            fps=_number(address, "fps", 30.0, 0.1, 1000.0),
            seconds=_number(address, "seconds", 10.0, 0.0, 1e6),
            width=width,
            height=height,
            seed=int(_number(address, "seed", 1, 0, 2**31)),
            uneven=_number(address, "vfr", 0, 0, 1) == 1,
        )


def _number(address: Address, name: str, default: float, least: float, most: float) -> float:
    text = address.options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise SourceError(f"{address.shown}: {name}={text}; give a number from {least:g} to {most:g}")
    return value


def _size(address: Address, width: int, height: int) -> tuple[int, int]:
    text = address.options.get("size")
    if text is None:
        return width, height
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not match or min(int(match[1]), int(match[2])) < 16:
        raise SourceError(f"{address.shown}: size={text}; give e.g. 640x360, each side at least 16")
    return int(match[1]), int(match[2])
