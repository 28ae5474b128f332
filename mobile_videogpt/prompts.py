"""The exact prompt strings of the model's training, and their split around the images.

The strings follow the `qwen2_instruct` template of the published code; the system prompt is a setting, because
upstream and its exercise adaptation differ. Knows nothing of embeddings or of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobile_videogpt.special_tokens import IM_END, IM_START

if TYPE_CHECKING:
    from mobile_videogpt.tokenizer import ChatTokenizer

IMAGE = "<image>"
IMAGE_TOKEN_ID = -200  # an image in a list of ids; the vocabulary has no such row
UPSTREAM_SYSTEM = "You are a helpful assistant."
EXERCISE_SYSTEM = (
    "You are a physiotherapy assistant. Given the following exercise image or video, identify any form "
    "mistakes and suggest corrective feedback to improve the technique."
)


def chat_prompt(user: str, *, system: str = UPSTREAM_SYSTEM, n_images: int = 0) -> str:
    """The whole prompt as text, with `n_images` placeholders on a line of their own before `user`."""
    return _before(system) + IMAGE * n_images + "\n" + user + _AFTER


def segments(prompt: str) -> list[str]:
    """The pieces around the placeholders; pieces between adjacent placeholders are empty."""
    return prompt.split(IMAGE)


def ids_with_images(prompt: str, encode: Callable[[str], list[int]]) -> list[int]:
    """Encodes every piece on its own and joins them with `IMAGE_TOKEN_ID`, without a BOS."""
    first, *rest = segments(prompt)
    ids = encode(first)
    for piece in rest:
        ids.append(IMAGE_TOKEN_ID)
        if piece:
            ids += encode(piece)
    return ids


@dataclass(frozen=True, slots=True)
class PromptIds:
    """Ids before and after the block of visual tokens."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


def prompt_ids(user: str, system: str, tokenizer: ChatTokenizer, action: str | None = None) -> PromptIds:
    """Encodes the prompt's two halves, before and after the block of visual tokens.

    User text and system prompt are encoded as plain text: `<|im_end|>` or `<image>` spelled out in a question cannot
    close the turn or insert an image. For any other text the ids equal those of the whole string, because special
    tokens split the text before BPE.

    Args:
        user: the user's text.
        system: the system prompt.
        tokenizer: of the model.
        action: name of the reply's action, `feedback` or `correct`; its token opens the reply.

    Raises:
        ValueError: if the vocabulary has no token for `action`.
    """
    encode, plain = tokenizer.encode, tokenizer.encode_plain
    prefix = encode(IM_START) + plain("system\n" + system) + encode(f"{IM_END}\n{IM_START}user\n")
    suffix = plain("\n" + user) + encode(_AFTER) + _action_ids(action, tokenizer)
    return PromptIds(tuple(prefix), tuple(suffix))


def text_prompt_ids(user: str, system: str, tokenizer: ChatTokenizer, action: str | None = None) -> tuple[int, ...]:
    """Encodes the prompt without images in one piece, because BPE joins the blank lines before the user's text.

    Raises:
        ValueError: as `prompt_ids`.
    """
    encode, plain = tokenizer.encode, tokenizer.encode_plain
    head = encode(IM_START) + plain("system\n" + system) + encode(f"{IM_END}\n{IM_START}")
    return tuple(head + plain("user\n\n" + user) + encode(_AFTER) + _action_ids(action, tokenizer))


def _action_ids(action: str | None, tokenizer: ChatTokenizer) -> list[int]:
    if action is None:
        return []
    known = tokenizer.action_ids
    if (token := f"<{action}>") not in known:
        names = ", ".join(name.strip("<>") for name in known) or "none"
        raise ValueError(f"action {action!r} has no token in this model's vocabulary; it knows {names}")
    return [known[token]]


def _before(system: str) -> str:
    return f"{IM_START}system\n{system}{IM_END}\n{IM_START}user\n"


_AFTER = f"{IM_END}\n{IM_START}assistant\n"
