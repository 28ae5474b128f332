"""Sizes and settings of a Mobile-VideoGPT, from the published 0.5B to one for tests.

Pure data, without torch, weights or files. Every number that shapes a tensor is here, so a small model is the same
class with another config.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar

T = TypeVar("T")


def _grid(image_size: int, patch_size: int, what: str) -> int:
    if patch_size <= 0 or image_size % patch_size:
        raise ValueError(f"{what}: image_size {image_size} is not a multiple of patch_size {patch_size}")
    return image_size // patch_size


@dataclass(frozen=True, slots=True)
class VideoMambaConfig:
    """The video tower: patches of all frames in one sequence through bidirectional Mamba blocks.

    Attributes:
        num_frames: frames of one pass; the temporal table has one row for each.
        dt_rank: rank of the step projection; the published models use `width / 16`.
        clip_decoder_width: width of the unused head that the published weights carry; 0 leaves it out.
    """

    image_size: int = 224
    patch_size: int = 16
    depth: int = 32
    width: int = 576
    expand: int = 2
    d_state: int = 16
    d_conv: int = 4
    dt_rank: int = 36
    num_frames: int = 8
    norm_eps: float = 1e-5
    clip_decoder_width: int = 512

    @property
    def d_inner(self) -> int:
        return self.expand * self.width

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return _grid(self.image_size, self.patch_size, "video tower")

    @property
    def sequence_length(self) -> int:
        """Tokens of one pass: the CLS token, then every patch of every frame."""
        return 1 + self.num_frames * self.grid**2


@dataclass(frozen=True, slots=True)
class ClipVisionConfig:
    """The image tower: a CLIP vision transformer whose hidden layer `select_layer` is read."""

    image_size: int = 224
    patch_size: int = 16
    depth: int = 12
    width: int = 768
    heads: int = 12
    mlp_width: int = 3072
    norm_eps: float = 1e-5
    select_layer: int = -2

    @property
    def grid(self) -> int:
        """Patches along one side of an image."""
        return _grid(self.image_size, self.patch_size, "image tower")

    @property
    def used_depth(self) -> int:
        """Layers that must run to reach `select_layer`, counted as in `hidden_states` (-1: all of them)."""
        used = self.select_layer + self.depth + 1 if self.select_layer < 0 else self.select_layer
        if not 0 <= used <= self.depth:
            raise ValueError(
                f"select_layer {self.select_layer} does not exist in an image tower of {self.depth} layers; "
                f"use {-self.depth - 1} to {self.depth}"
            )
        return used


@dataclass(frozen=True, slots=True)
class ProjectorConfig:
    """Sides of the square token grids that the two projectors give."""

    image_pool: int = 12
    video_pool: int = 7


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    """The Qwen2 language model; the defaults are Qwen2.5-0.5B."""

    vocab_size: int = 151936
    width: int = 896
    depth: int = 24
    heads: int = 14
    kv_heads: int = 2
    mlp_width: int = 4864
    rms_eps: float = 1e-6
    rope_theta: float = 1e6
    max_positions: int = 32768
    tie_embeddings: bool = True


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How the language model was trained to decide after each chunk, by action tokens.

    Attributes:
        frames: newest frames of each chunk whose image tokens come before its video tokens; 0: video tokens only, as
            in the published models.
        chunks: chunks of one training context, the most its context holds; 0: unset.
        offsets: added to the logits of the action tokens, chosen on validation data.
    """

    frames: int = 0
    chunks: int = 0
    offsets: tuple[float, ...] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class MobileVideoGPTConfig:
    """A whole model.

    Attributes:
        chunk_frames: frames of one streaming chunk, and of one group on the published path.
        clip_frames: frames of the published path.
        num_select_k: frames kept of each group on the published path; also the number of frames whose pooled
            tokens the video projector reads as one square grid, so it must be a square number.
        system_prompt: the text the language model was trained with; upstream and its exercise adaptation differ.
        action_tokens: spelling of the action tokens, in order.
        action_token_ids: their rows in the vocabulary; empty when the model has none.
        reply_action: each reply begins with the token of its action, behind the assistant's header. False for the
            published models.
        stream: how it decides when to speak.

    Raises:
        ValueError: if the sizes do not fit together.
    """

    video: VideoMambaConfig = field(default_factory=VideoMambaConfig)
    image: ClipVisionConfig = field(default_factory=ClipVisionConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    chunk_frames: int = 8
    clip_frames: int = 16
    num_select_k: int = 4
    system_prompt: str = "You are a helpful assistant."
    action_tokens: tuple[str, ...] = ("<next>", "<feedback>", "<correct>")
    action_token_ids: tuple[int, ...] = ()
    reply_action: bool = False
    stream: StreamConfig = field(default_factory=StreamConfig)

    def __post_init__(self) -> None:
        chunk, k = self.chunk_frames, self.num_select_k
        if k < 1 or math.isqrt(k) ** 2 != k:
            raise ValueError(f"num_select_k {k} is not a square number: its frames are read as one square grid")
        if chunk % k or self.clip_frames % chunk:
            raise ValueError(
                f"num_select_k {k} must divide chunk_frames {chunk}, and that clip_frames {self.clip_frames}"
            )
        if chunk != self.video.num_frames or self.clip_frames // chunk * k != chunk:
            raise ValueError(
                f"the video tower takes {self.video.num_frames} frames, but a chunk has {chunk} and a clip "
                f"of {self.clip_frames} leaves {self.clip_frames // chunk * k} after selection; make all equal"
            )
        if self.action_token_ids and len(self.action_token_ids) != len(self.action_tokens):
            raise ValueError(f"{len(self.action_tokens)} action tokens but ids {self.action_token_ids}")
        if any(not 0 <= i < self.language.vocab_size for i in self.action_token_ids):
            raise ValueError(
                f"action_token_ids {self.action_token_ids} outside a vocabulary of {self.language.vocab_size}"
            )
        if not 0 <= self.stream.frames <= chunk or self.stream.chunks < 0:
            raise ValueError(
                f"stream.frames {self.stream.frames} and stream.chunks {self.stream.chunks} do not fit: a chunk has "
                f"{chunk} frames, and chunks are counted from 0"
            )
        if len(self.stream.offsets) != len(self.action_tokens):
            raise ValueError(f"stream.offsets {self.stream.offsets} are not one for each of {self.action_tokens}")
        # These properties raise on a grid or a layer that cannot exist.
        _ = self.video.grid, self.image.grid, self.image.used_depth

    @property
    def image_tokens(self) -> int:
        """Context tokens of one image."""
        return self.projector.image_pool**2

    @property
    def video_tokens(self) -> int:
        """Video tokens of one pass of the video tower."""
        return self.video.num_frames // self.num_select_k * self.projector.video_pool**2

    @property
    def chunk_tokens(self) -> int:
        """Visual tokens of one streaming chunk (1250 in the published model)."""
        return self.chunk_frames * self.image_tokens + self.video_tokens

    @property
    def stream_tokens(self) -> int:
        """Tokens of one chunk in the context in which the model decides, the action token among them."""
        return self.stream.frames * self.image_tokens + self.video_tokens + 1

    @property
    def clip_tokens(self) -> int:
        """Visual tokens of the published path (2402 in the published model)."""
        return self.clip_frames * self.image_tokens + self.video_tokens

    @property
    def feature_size(self) -> int:
        """Length of a chunk's `features`; see `mobile_videogpt.tokens` for the layout."""
        return self.video.width + self.video.num_frames * (self.video.width + self.image.width)

    def to_dict(self) -> dict[str, object]:
        """Plain values only, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> MobileVideoGPTConfig:
        """Reads the values of `to_dict`; absent names take their defaults.

        Raises:
            ValueError: on an unknown name or a value of the wrong type, by its full name.
        """
        return _build(cls, values, "")

    @classmethod
    def full_0_5b(cls) -> MobileVideoGPTConfig:
        """Mobile-VideoGPT-0.5B as published."""
        return cls()

    @classmethod
    def full_1_5b(cls) -> MobileVideoGPTConfig:
        """Mobile-VideoGPT-1.5B: the same towers in front of Qwen2.5-1.5B."""
        return cls(language=LanguageConfig(width=1536, depth=28, heads=12, mlp_width=8960))

    @classmethod
    def tiny(cls) -> MobileVideoGPTConfig:
        """1.6 million parameters, for tests: 112 px, 8 x 16 + 32 tokens a chunk."""
        return cls(
            video=VideoMambaConfig(image_size=112, depth=3, width=96, dt_rank=6, clip_decoder_width=0),
            image=ClipVisionConfig(image_size=112, depth=3, width=96, heads=4, mlp_width=384),
            projector=ProjectorConfig(image_pool=4, video_pool=4),
            language=LanguageConfig(
                vocab_size=2048, width=128, depth=3, heads=4, kv_heads=2, mlp_width=352, max_positions=4096
            ),
        )


_PARTS = {
    "video": VideoMambaConfig,
    "image": ClipVisionConfig,
    "projector": ProjectorConfig,
    "language": LanguageConfig,
    "stream": StreamConfig,
}


def _build(cls: type[T], values: Mapping[str, object], where: str) -> T:
    """A dataclass from a mapping, with every value checked against the default's type."""
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        names = ", ".join(where + name for name in unknown)
        raise ValueError(f"unknown config names: {names}; known are {', '.join(where + k for k in known)}")
    default = cls()
    arguments: dict[str, object] = {}
    for name, value in values.items():
        wanted = type(getattr(default, name))
        if name in _PARTS and isinstance(value, Mapping):
            arguments[name] = _build(_PARTS[name], value, f"{where}{name}.")
        elif wanted is tuple and isinstance(value, list | tuple):
            arguments[name] = tuple(value)
        elif wanted is float and type(value) is int:
            arguments[name] = float(value)
        elif type(value) is wanted:
            arguments[name] = value
        else:
            raise ValueError(f"config {where}{name} has value {value!r}; expected {wanted.__name__}")
    return cls(**arguments)
