"""Cornerman: the command line, the local launcher, the Python client and the engine in Python.

async for feedback in cornerman.subscribe("cam1"):
    print(feedback.pts_s, feedback.text)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cornerman.client import follow, subscribe
    from cornerman.coach import Coach
    from cornerman.feedback import Feedback

__version__ = "0.1.0"
"""The version of every package here; the build reads it from this file."""

LAZY = {"Coach": "coach", "Feedback": "feedback", "follow": "client", "subscribe": "client"}
"""Public names, and the module that each is in."""

__all__ = ["Coach", "Feedback", "__version__", "follow", "subscribe"]


def __getattr__(name: str) -> object:
    """Imports the client or the engine when it is first used: `cornerman --help` needs none of it (PEP 562)."""
    if name in LAZY:
        return getattr(import_module(f"cornerman.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
