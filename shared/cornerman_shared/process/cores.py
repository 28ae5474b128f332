"""The processor cores of this process."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """How many cores this process may use."""
    # macOS and Windows cannot tell.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
