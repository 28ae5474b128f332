"""Reads any video file or stream as upright frames with media time, and writes films.

It knows FFmpeg (through PyAV) and numpy; neither Redis nor torch nor any other package of this project.
"""
