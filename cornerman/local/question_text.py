"""The text of a question, checked as every entrance checks it."""

from __future__ import annotations

from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import MAX_QUESTION
from cornerman_shared.text import clean_text


def question_text(typed: object) -> str:
    """The question without control characters and outer spaces.

    Raises:
        ConfigError: it is not text, is empty, or too long.

    >>> question_text(" How is my form?\\x07 ")
    'How is my form?'
    """
    if not isinstance(typed, str):
        raise ConfigError(f"a question of type {type(typed).__name__} cannot be asked; give text")
    text = clean_text(typed).strip()
    if not text or len(text) > MAX_QUESTION:
        raise ConfigError(f"the question has {len(text)} characters; give 1 to {MAX_QUESTION}")
    return text
