"""The face of Cornerman: the command line, the local launcher and the Python client.

async for feedback in cornerman.subscribe("cam1"):
    print(feedback.pts_s, feedback.text)
"""

from cornerman.client import Feedback, follow, subscribe

__all__ = ["Feedback", "follow", "subscribe"]
