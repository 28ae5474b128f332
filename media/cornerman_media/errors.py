"""Errors of reading and writing media, as one tree. Every message names the input, the cause and the remedy."""

from __future__ import annotations


class MediaError(Exception):
    """Media cannot be read, converted or written.

    `__cause__` is FFmpeg's own error where there is one. Its text may hold a URL with credentials; this one never does.
    """


class UnreadableError(MediaError):
    """The input cannot be opened: it is missing, not media, refused, or its header is damaged."""


class NoVideoError(MediaError):
    """The input opens, and it holds no video, or none that can be decoded."""


class StreamLostError(MediaError):
    """An open network stream or device broke off."""


class PictureError(MediaError):
    """One frame cannot be converted."""


class WriteError(MediaError):
    """The output cannot be written. Nothing is left of it."""
