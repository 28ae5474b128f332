"""The size of a chunk, which capture, encoders and the model agree on, who reads chunks only, and a bound of looks."""

CHUNK_FRAMES = 8

READS_CHUNKS = ("head", "skeleton", "llm")
"""Strategies that were trained on chunks, and judge no other look."""

MAX_HELD = 512
"""Frames held for the looks of one source; small as they are, that is up to 140 MB."""
