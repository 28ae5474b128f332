"""Permission to run a model's own code, as a setting: for one model at one revision."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator


def _by_name(value: object) -> object:
    """Refuses a blanket permission; `false` is the old way to say none.

    Raises:
        ValueError: the value names no revision.
    """
    text = value.lower() if isinstance(value, str) else value
    if text is False or text == "false":
        return ""
    if text is True or (isinstance(text, str) and text and "@" not in text):
        raise ValueError("would allow unread code; give NAME@REVISION, as the error of the model says")
    return value


ByName = Annotated[str, BeforeValidator(_by_name)]
"""`NAME@REVISION`; empty = no code of any model."""
