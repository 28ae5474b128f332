"""The size of a chunk, which capture, encoders and the model agree on, and the bound of frames held for a look."""

CHUNK_FRAMES = 8

MAX_HELD = 512
"""Frames held for the looks of one source; small as they are, that is up to 140 MB."""
