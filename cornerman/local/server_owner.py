"""The command that runs the embedded server of a runtime folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import psutil

OWNER: Final = "owner.json"


def owner_of(folder: Path) -> str:
    """Name of the command; "" if its process is gone or the file is unreadable."""
    try:
        # A killed command leaves its file behind: its process decides.
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return str(owner["command"]) if psutil.pid_exists(int(owner["pid"])) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
