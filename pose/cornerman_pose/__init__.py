"""People as skeletons: BlazePose landmarks of a chunk, whom to follow, and how well they are seen.

Imports nothing of Cornerman's, and neither a bus nor a model at import time; LiteRT is imported when an estimator is
loaded.
"""
