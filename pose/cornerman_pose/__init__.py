"""People as skeletons: BlazePose landmarks of a chunk, whom to follow, and how well they are seen.

Imports no other Cornerman package. LiteRT is imported when an estimator is loaded, not before.
"""
