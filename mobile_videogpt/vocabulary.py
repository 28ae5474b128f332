"""Gives new tokens rows of the embedding: free rows first, then appended ones.

Rows are never removed: published models have more rows than tokens (151936 and 151665), and cutting to the tokenizer's
length would lose trained rows. Knows the language half and the tokenizer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mobile_videogpt.special_tokens import ACTION_TOKENS

if TYPE_CHECKING:
    from mobile_videogpt.network import VideoLanguageNetwork
    from mobile_videogpt.tokenizer import ChatTokenizer

# A new action token starts as the mean of these words' rows, so it has a related meaning before any training.
RELATED_WORDS = {
    "<next>": (" wait", " continue", " next"),
    "<feedback>": (" feedback", " comment", " say"),
    "<correct>": (" correct", " mistake", " wrong"),
}
NOISE = 0.02  # relative to the deviation of the words' rows, so that no two new rows are equal


def fit_rows(model: VideoLanguageNetwork, tokenizer: ChatTokenizer) -> None:
    """Appends rows until the embedding has one for every token; does nothing if there are enough."""
    rows = model.config.language.vocab_size
    if len(tokenizer) <= rows:
        return
    language = model.require_language()
    old: Tensor = language.model.embed_tokens.weight.data
    # The mean of all rows, so that an untrained token has an average logit.
    mean = old.float().mean(0, keepdim=True).to(old.dtype)
    extra = mean.expand(len(tokenizer) - rows, -1)
    tied = language.lm_head.weight is language.model.embed_tokens.weight
    _set_rows(language.model.embed_tokens, torch.cat((old, extra)))
    if tied:
        language.lm_head.weight = language.model.embed_tokens.weight
        language.lm_head.out_features = len(tokenizer)
    else:
        head = language.lm_head.weight.data
        added = head.float().mean(0, keepdim=True).to(head.dtype).expand(len(extra), -1)
        _set_rows(language.lm_head, torch.cat((head, added)))
    language.config.vocab_size = language.vocab_size = language.model.vocab_size = len(tokenizer)
    model.config = replace(model.config, language=replace(model.config.language, vocab_size=len(tokenizer)))


@torch.no_grad()
def add_action_tokens(model: VideoLanguageNetwork, tokenizer: ChatTokenizer, seed: int = 0) -> ChatTokenizer:
    """Gives the model a row for each action token it lacks; returns a tokenizer with all of them.

    A new row is the mean of the rows of related words plus a little noise. Tokens that the tokenizer already has count
    as trained and keep their rows.
    """
    extended = tokenizer.with_tokens(ACTION_TOKENS)
    fit_rows(model, extended)
    language = model.require_language()
    matrices = [language.model.embed_tokens.weight]
    if language.lm_head.weight is not matrices[0]:
        matrices.append(language.lm_head.weight)
    random = torch.Generator().manual_seed(seed)
    for token in ACTION_TOKENS:
        if tokenizer.id_of(token) is not None:
            continue
        words = sorted({i for word in RELATED_WORDS[token] for i in tokenizer.encode_plain(word)})
        for matrix in matrices:
            start = matrix[words].float().mean(0)
            noise = torch.randn(start.shape, generator=random).to(start.device)
            size = matrix[words].float().std()
            matrix[extended.action_ids[token]] = (start + NOISE * size * noise).to(matrix.dtype)
    model.config = replace(
        model.config,
        action_tokens=ACTION_TOKENS,
        action_token_ids=tuple(extended.action_ids[token] for token in ACTION_TOKENS),
    )
    return extended


def _set_rows(layer: nn.Embedding | nn.Linear, weight: Tensor) -> None:
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=layer.weight.requires_grad)
    if isinstance(layer, nn.Embedding):
        layer.num_embeddings = len(weight)
    else:
        layer.out_features = len(weight)
