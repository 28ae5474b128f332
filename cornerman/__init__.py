"""Cornerman: the command line, the local launcher and the Python client.

async for feedback in cornerman.subscribe("cam1"):
    print(feedback.pts_s, feedback.text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cornerman.client import Feedback, follow, subscribe

__version__ = "0.1.0"
"""The version of every package here; the build reads it from this file."""

__all__ = ["Feedback", "__version__", "follow", "subscribe"]


def __getattr__(name: str) -> object:
    """Imports the client when it is first used: `cornerman --help` needs none of it (PEP 562)."""
    if name in ("Feedback", "follow", "subscribe"):
        from cornerman import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
