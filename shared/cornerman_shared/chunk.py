"""The size of a chunk, which capture, encoders and the model agree on."""

CHUNK_FRAMES = 8
