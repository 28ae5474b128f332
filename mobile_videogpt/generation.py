"""Generates text about visual tokens, delta by delta.

Joins prompt, visual tokens, engine and decoding. Knows nothing of the towers, of files or of services.
No `inference_mode` spans a `yield`: it would leak into the caller's thread.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mobile_videogpt.config import StreamConfig
from mobile_videogpt.context import ChunkTokens, fingerprint, stream_block, visual_block
from mobile_videogpt.decoding import ReplySettings, TextStream, TokenSampler
from mobile_videogpt.engine import LanguageEngine, PromptSegment
from mobile_videogpt.errors import ReplyError
from mobile_videogpt.prompts import UPSTREAM_SYSTEM, prompt_ids, text_prompt_ids
from mobile_videogpt.reply import Cancel, Reply, ReplyDelta

if TYPE_CHECKING:
    from mobile_videogpt.tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """A prompt about some chunks.

    Attributes:
        chunks: visual tokens in time order; none asks without video.
        prompt: the user's text.
        system_prompt: instead of the one stored with the model.
        frame_ids: an id for each frame of each chunk, so that overlapping frames count once.
        action: name of the reply's action; a model without `reply_action` ignores it. None: undecided, as for a
            question, and the model chooses; see `TextGenerator.choose_action`.
        settings: length, sampling and stop strings of the reply.
        cancel: checked before every token.
    """

    chunks: Sequence[ChunkTokens]
    prompt: str
    system_prompt: str | None = None
    frame_ids: Sequence[Sequence[Hashable]] | None = None
    action: str | None = None
    settings: ReplySettings = field(default_factory=ReplySettings)
    cancel: Cancel | None = None


class TextGenerator:
    """Generates replies with the language half.

    Args:
        engine: runs the decoder.
        tokenizer: None for a model without one; it can only continue embeddings.
        system_prompt: used if a request has none; it belongs to the weights.
        max_tokens: positions the model was built for.
        reply_action: see `MobileVideoGPTConfig`.
        stream: how the model was trained to decide.
    """

    def __init__(
        self,
        engine: LanguageEngine,
        tokenizer: ChatTokenizer | None,
        *,
        system_prompt: str = UPSTREAM_SYSTEM,
        max_tokens: int = 32768,
        reply_action: bool = False,
        stream: StreamConfig | None = None,
    ) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.system_prompt = system_prompt
        self.max_tokens = max_tokens
        self.reply_action = reply_action
        self.stream = stream or StreamConfig()

    def segments(self, request: PromptRequest) -> list[PromptSegment]:
        """Builds the prompt in named pieces: system prompt, visual tokens, question.

        Raises:
            ReplyError: without a tokenizer, or with tokens of another model.
            ValueError: if the vocabulary has no token for the request's action.
        """
        tokenizer = self._require_tokenizer()
        system = self.system_prompt if request.system_prompt is None else request.system_prompt
        action = request.action if self.reply_action else None
        if not request.chunks:
            return [self._text_segment(text_prompt_ids(request.prompt, system, tokenizer, action))]
        block = visual_block(request.chunks, request.frame_ids)
        width = self.engine.width
        if block.shape[-1] != width:
            raise ReplyError(
                f"the chunks' tokens are {block.shape[-1]} wide but this language model reads {width}; "
                "encode them with the vision half of the same checkpoint"
            )
        ids = prompt_ids(request.prompt, system, tokenizer, action)
        visual = PromptSegment(("visual", fingerprint(block)), block)
        return [self._text_segment(ids.prefix), visual, self._text_segment(ids.suffix)]

    def assemble(self, request: PromptRequest) -> Tensor:
        """The whole prompt as embeddings [1, n, D]."""
        engine = self.engine
        return torch.cat([piece.embeds.to(engine.device, engine.dtype) for piece in self.segments(request)], dim=1)

    def generate(self, request: PromptRequest) -> Iterator[ReplyDelta]:
        """Answers a request, delta by delta; the last delta carries `stats`. The time of the first is the TTFT.

        Raises:
            ReplyError: for invalid arguments, at the call and not at the first delta.
        """
        reply = self.new_reply(request)
        return self._stream(self.checked_segments(request), reply, request.settings.max_new_tokens)

    def continue_embeds(self, embeds: Tensor, settings: ReplySettings) -> Iterator[ReplyDelta]:
        """Continues embeddings [1, n, D] that the caller assembled."""
        reply = self._reply(settings, None)
        return self._stream([PromptSegment(object(), embeds)], reply, settings.max_new_tokens)

    def action_logits(self, request: PromptRequest) -> Tensor:
        """Logits [3], float32, of `<next> <feedback> <correct>` as the first token of the reply.

        Raises:
            ReplyError: if the vocabulary lacks the action tokens.
        """
        hidden = self.engine.prefill(self.segments(replace(request, action=None))).hidden
        return self.engine.logits_of(hidden, self.action_ids())

    def choose_action(self, request: PromptRequest) -> str | None:
        """The reply's action: the request's, or the more likely of `feedback` and `correct` for its chunks.

        A model with `reply_action` is never trained to begin without an action, so one is chosen: the chunks are read
        as they are to decide when to speak. None without chunks, and for a model that has no `reply_action` or was
        not trained to decide.

        Raises:
            ReplyError: if a chunk has fewer frames than the model decides on.
        """
        if request.action is not None or not (self.reply_action and self.stream.chunks and request.chunks):
            return request.action
        ids = self.action_ids()
        # As in training: instruction, then each chunk followed by `<next>`; the last `<next>` is the prediction.
        silence = self.engine.embed(ids[:1])
        pieces = [self.engine.embed(text_prompt_ids(request.prompt, self.system_prompt, self._require_tokenizer()))]
        for chunk in request.chunks[-self.stream.chunks :]:
            pieces += [stream_block(chunk, self.stream.frames).to(silence), silence]
        embeds = torch.cat(pieces[:-1], dim=1)
        logits = self.engine.logits_of(self.engine.prefill([PromptSegment(object(), embeds)]).hidden, ids)
        _, feedback, correct = (logits.cpu() + torch.tensor(self.stream.offsets)).tolist()
        return "correct" if correct > feedback else "feedback"

    def action_ids(self) -> list[int]:
        """Ids of the action tokens, in the order of `ACTION_TOKENS`."""
        ids = self._require_tokenizer().action_ids
        if len(ids) < 3:
            raise ReplyError(
                f"the vocabulary has only {sorted(ids)} of the action tokens; "
                "load the model with action_tokens=True to add them"
            )
        return list(ids.values())

    def _stream(self, pieces: list[PromptSegment], reply: Reply, reserve_tokens: int) -> Iterator[ReplyDelta]:
        engine = self.engine
        if (ended := reply.cancelled()) is not None:
            yield ended
            return
        prefilled = engine.prefill(pieces, reserve_tokens)
        reply.set_prompt_size(prefilled.prompt_tokens, prefilled.reused_tokens)
        cache, hidden = prefilled.cache, prefilled.hidden
        while (ended := reply.cancelled()) is None:
            # The first token comes from the prefill's hidden state, later ones from the token before.
            if reply.last_id is not None:
                hidden = engine.extend(cache, engine.embed([reply.last_id]))
            delta = reply.next_delta(engine.logits(hidden))
            if delta.stats is not None or delta.token_ids:
                yield delta
            if delta.stats is not None:
                return
        yield ended

    def new_reply(self, request: PromptRequest) -> Reply:
        """Starts the empty reply to a request; its TTFT is measured from here."""
        self._require_tokenizer()
        return self._reply(request.settings, request.cancel)

    def checked_segments(self, request: PromptRequest) -> list[PromptSegment]:
        """A request's prompt in pieces, with its action chosen and its length checked.

        Raises:
            ReplyError: if prompt and reply exceed the model's positions.
        """
        pieces = self.segments(replace(request, action=self.choose_action(request)))
        tokens = sum(piece.embeds.shape[1] for piece in pieces)
        if tokens + request.settings.max_new_tokens > self.max_tokens:
            raise ReplyError(
                f"{tokens} tokens of prompt and up to {request.settings.max_new_tokens} of reply exceed the "
                f"model's {self.max_tokens} positions; pass fewer chunks or a smaller max_new_tokens"
            )
        return pieces

    def _reply(self, settings: ReplySettings, cancel: Cancel | None) -> Reply:
        # The clock starts in `Reply`, so prefill counts towards the TTFT.
        sampler = TokenSampler(settings.sampling)
        if self.tokenizer is None:
            if settings.stop:
                raise ReplyError("stop strings need a tokenizer, and this model was loaded without one")
            return Reply(settings.max_new_tokens, frozenset(), sampler, None, time.perf_counter, cancel)
        text = TextStream(self.tokenizer, settings.stop)
        return Reply(settings.max_new_tokens, self.tokenizer.stop_ids, sampler, text, time.perf_counter, cancel)

    def _text_segment(self, ids: tuple[int, ...]) -> PromptSegment:
        return PromptSegment(("ids", ids), self.engine.embed(ids))

    def _require_tokenizer(self) -> ChatTokenizer:
        if self.tokenizer is None:
            raise ReplyError(
                "this model was loaded without a tokenizer, so it cannot read text; "
                "put tokenizer.json into the checkpoint's folder"
            )
        return self.tokenizer
