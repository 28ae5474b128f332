"""Cornerman: the command line, the local launcher and the Python client.

async for feedback in cornerman.subscribe("cam1"):
    print(feedback.pts_s, feedback.text)
"""

from cornerman.client import Feedback, follow, subscribe

__version__ = "0.1.0"
"""The version of every package here; the build reads it from this file."""

__all__ = ["Feedback", "__version__", "follow", "subscribe"]
