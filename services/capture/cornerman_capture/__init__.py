"""Capture: video in, chunks of 8 frames out. Only here may anything be dropped, and it is counted."""
