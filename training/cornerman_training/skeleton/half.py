"""In which half of the labelled people a clip is: thresholds are tuned on one, and checked on the other."""

from __future__ import annotations

import re
import zlib

_SUBJECT = re.compile(r"_s(\d+)_e\d+")
_NUMBER = re.compile(r"(\d+)$")


def half_of(name: str, group: str) -> int:
    """0 or 1 by the person in a clip's name or group, or by the take.

    Motion capture goes by the number of its subject, takes that are numbered by their number, all clips of a named
    person by that name. All clips of the one man in the deadlifts are in half A.
    """
    if group.startswith("one_man"):
        return 0
    if subject := _SUBJECT.search(group):
        return int(subject.group(1)) % 2
    if group != name and group.isdigit():
        return int(group) % 2
    if number := _NUMBER.search(group):
        return int(number.group(1)) // 2 % 2
    person = group.split("_")[1] if "_" in group else group
    return zlib.crc32(person.encode()) % 2
