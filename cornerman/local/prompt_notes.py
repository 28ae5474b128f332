"""Tells people about prompts that the chosen model does not follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cornerman_common.question_scope import decline
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice

REMEDY: Final = "a general model does, e.g. --generator openai with generator.base_url and generator.model"


def note_ignored_prompt(choice: ModelChoice, prompt: str | None, note: Callable[[str], None]) -> None:
    """Notes that a prompt changes nothing, where the model has only words of its own."""
    if prompt and not choice.abilities.follows_prompts:
        note(f"The model ({choice.generator.model}) does not follow prompts, it only coaches; {REMEDY}.")


def refuse_unanswerable_prompt(choice: ModelChoice, prompt: str | None) -> None:
    """Refuses to poll with a question that the model cannot answer.

    Raises:
        ConfigError: says which questions it answers, and the remedy.
    """
    if prompt and (sentence := decline(prompt, choice.abilities)):
        raise ConfigError(f"--prompt {prompt[:80]!r}: {sentence} Leave --prompt out, or {REMEDY}")
