"""Byte-level BPE tokenizer of the chat model: load, save, train a small one, turn ids into bytes.

Wraps `tokenizers.Tokenizer` with the chat's special tokens and the action tokens. Knows nothing of prompts or weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.special_tokens import ACTION_TOKENS, CHAT_TOKENS, END_OF_TEXT, IM_END, IM_START

# Qwen2 splits text into these words before BPE: contractions, letters, single digits, punctuation, blanks.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_TINY_TEXTS = (
    "You are a helpful assistant. You are a physiotherapy assistant.",
    "Keep your back straight, your knees over your toes and your chest up.",
    "Good depth. Lower the hips, then push through the heels.",
    "The left elbow drops; bring it back in line with the shoulder.",
    "What is the person doing, and what should they change next?",
    "wait continue next feedback comment correct mistake wrong",
)


def _byte_alphabet() -> dict[str, int]:
    """Character -> byte: printable bytes stand for themselves, the others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    alphabet = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in printable)
    alphabet.update({chr(0x100 + n): byte for n, byte in enumerate(others)})
    return alphabet


_BYTE_OF = _byte_alphabet()


class ChatTokenizer:
    """Encodes and decodes text for a Qwen2 chat model.

    Args:
        backend: a byte-level BPE `tokenizers.Tokenizer` that holds the chat's special tokens.

    Raises:
        CheckpointError: if `<|im_end|>` or `<|im_start|>` is not one token of the vocabulary.
    """

    def __init__(self, backend: Tokenizer) -> None:
        for token in (IM_START, IM_END):
            if backend.token_to_id(token) is None:
                raise CheckpointError(
                    f"the tokenizer has no token {token!r}; the model's prompts need it. "
                    "Use the tokenizer files that came with the checkpoint."
                )
        self.backend = backend
        # The same vocabulary, but special tokens spelled out in plain text stay text.
        self._plain = Tokenizer.from_str(backend.to_str())
        self._plain.encode_special_tokens = True

    @classmethod
    def from_folder(cls, folder: Path) -> ChatTokenizer:
        """Reads `tokenizer.json`, or `vocab.json` and `merges.txt` with the added tokens beside them.

        Raises:
            CheckpointError: if the folder has neither.
        """
        whole = folder / "tokenizer.json"
        if whole.is_file():
            return cls(Tokenizer.from_file(str(whole)))
        vocab, merges = folder / "vocab.json", folder / "merges.txt"
        if not (vocab.is_file() and merges.is_file()):
            raise CheckpointError(
                f"no tokenizer in {folder}: neither tokenizer.json nor vocab.json with merges.txt. "
                "Copy these files from the base model's folder."
            )
        backend = _byte_level(models.BPE.from_file(str(vocab), str(merges)))
        for token in _added_tokens(folder):
            backend.add_tokens([token])
        return cls(backend)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        *,
        action_tokens: Sequence[str] = ACTION_TOKENS,
    ) -> ChatTokenizer:
        """Trains a small byte-level BPE on `texts`; it can encode any text.

        Args:
            texts: the training text.
            vocab_size: most rows, action tokens included; short texts give fewer.
            action_tokens: appended after the trained vocabulary.

        Raises:
            ValueError: if `vocab_size` is too small for the 256 bytes and the special tokens.
        """
        least = 256 + len(CHAT_TOKENS) + len(action_tokens)
        if vocab_size < least:
            raise ValueError(f"vocab_size is {vocab_size}; 256 bytes and the special tokens need at least {least}")
        backend = _byte_level(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - len(action_tokens),
            special_tokens=list(CHAT_TOKENS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        return cls(backend).with_tokens(action_tokens)

    def with_tokens(self, tokens: Sequence[str]) -> ChatTokenizer:
        """A copy with `tokens` as special tokens; known ones keep their ids, new ones are appended."""
        # Through JSON, because the library has no copy.
        backend = Tokenizer.from_str(self.backend.to_str())
        backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in tokens])
        return ChatTokenizer(backend)

    def save(self, folder: Path) -> None:
        """Writes `tokenizer.json` and a `tokenizer_config.json` for transformers' AutoTokenizer."""
        folder.mkdir(parents=True, exist_ok=True)
        self.backend.save(str(folder / "tokenizer.json"))
        added = {
            str(i): {"content": t.content, "special": t.special, "lstrip": False, "rstrip": False}
            for i, t in sorted(self.backend.get_added_tokens_decoder().items())
        }
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "added_tokens_decoder": added,
            "eos_token": IM_END,
            "pad_token": END_OF_TEXT if self.id_of(END_OF_TEXT) is not None else IM_END,
            "clean_up_tokenization_spaces": False,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        """Rows that an embedding needs: the largest id plus one."""
        return self._size

    def id_of(self, token: str) -> int | None:
        """The id of one token by its spelling, or None if the vocabulary lacks it."""
        return self.backend.token_to_id(token)

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a reply: `<|im_end|>` and, if known, `<|endoftext|>`."""
        ids = (self.id_of(IM_END), self.id_of(END_OF_TEXT))
        return frozenset(i for i in ids if i is not None)

    @cached_property
    def action_ids(self) -> dict[str, int]:
        """Action token -> id, for those in the vocabulary."""
        found = {token: self.id_of(token) for token in ACTION_TOKENS}
        return {token: i for token, i in found.items() if i is not None}

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, special tokens recognised; no BOS or EOS is added."""
        return list(self.backend.encode(text, add_special_tokens=False).ids)

    def encode_plain(self, text: str) -> list[int]:
        """Ids of user text: a special token spelled out stays text and cannot end a turn."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one id; empty for special tokens and for ids without a token."""
        added = self._added.get(token_id)
        if added is not None:
            return added
        piece = self.backend.id_to_token(token_id)
        if piece is None:
            return b""
        return bytes(_BYTE_OF[char] for char in piece)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids` without special tokens; broken UTF-8 becomes U+FFFD."""
        return b"".join(self.token_bytes(i) for i in ids).decode("utf-8", errors="replace")

    @cached_property
    def _added(self) -> dict[int, bytes]:
        tokens = self.backend.get_added_tokens_decoder()
        return {i: b"" if t.special else t.content.encode() for i, t in tokens.items()}

    @cached_property
    def _size(self) -> int:
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1


def tiny_tokenizer(vocab_size: int = 384) -> ChatTokenizer:
    """The small tokenizer of the `tiny()` preset, trained on a few sentences; the same every time."""
    return ChatTokenizer.train(_TINY_TEXTS, vocab_size)


def _byte_level(model: models.BPE) -> Tokenizer:
    backend = Tokenizer(model)
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def _added_tokens(folder: Path) -> list[AddedToken]:
    """Added tokens in the order of their ids, from `tokenizer_config.json` or `added_tokens.json`."""
    config = folder / "tokenizer_config.json"
    if config.is_file():
        entries = json.loads(config.read_text(encoding="utf-8")).get("added_tokens_decoder", {})
        if entries:
            return [
                AddedToken(entry["content"], special=entry.get("special", True), normalized=False)
                for _, entry in sorted(entries.items(), key=lambda item: int(item[0]))
            ]
    older = folder / "added_tokens.json"
    if older.is_file():
        ids = json.loads(older.read_text(encoding="utf-8"))
        return [AddedToken(token, special=True, normalized=False) for token in sorted(ids, key=ids.__getitem__)]
    return []
