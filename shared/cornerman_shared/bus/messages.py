"""Messages on the bus, with fields and units. `codec` encodes them.

Capture publishes `Chunk`; an encoder answers each with one `Features`; the decider answers each with one
`DecisionEvent` and, when it speaks, a `Request`; a generator answers each request with a `StartEvent`, any number of
`DeltaEvent` and exactly one `EndEvent`. All `*_at_s` are unix seconds of the server's clock (`Bus.clock`); `pts_s` is
media time, seconds since the start of the run. `incarnation` is the number that the registry gave the source when it
was added or replaced; 0 = unknown. `traceparent` is the W3C trace context of the work that wrote it; empty = untraced.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Action: TypeAlias = Literal["next", "feedback", "correct"]
"""Decision about a chunk: stay silent, praise or comment, or correct. The model's tokens are `<next>` and so on."""

RequestKind: TypeAlias = Literal["feedback", "question"]
EndStatus: TypeAlias = Literal["done", "expired", "cancelled", "failed", "declined"]
StageName: TypeAlias = Literal[
    "captured", "published", "begun", "prepared", "encoded", "decided", "started", "first_token", "last_token", "done"
]
"""Stages in order. `begun`: an encoder computes; `prepared`: its pixels are ready; `started`: a generator took it."""

STAGE_NAMES: tuple[StageName, ...] = get_args(StageName)
FeatureStatus: TypeAlias = Literal["ok", "end", "buried", "expired"]
Look: TypeAlias = Literal["chunk", "poll", "stride"]
"""Kind of a look: 8 sampled frames in a row, frames spread over a window, or every n-th sampled frame."""

Sight: TypeAlias = Literal["whole", "partly", "no_person", "several"]
SourceStateName: TypeAlias = Literal[
    "waiting", "opening", "playing", "stalled", "reconnecting", "paused", "ended", "failed"
]


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Reference to an array whose bytes are stored under `key`, with a TTL (claim check)."""

    key: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """When each stage was reached, unix seconds; 0.0 = not yet, or not measured. Each hop copies and sets its own."""

    captured_at_s: float = 0.0
    published_at_s: float = 0.0
    encoded_at_s: float = 0.0
    decided_at_s: float = 0.0
    first_token_at_s: float = 0.0
    done_at_s: float = 0.0
    begun_at_s: float = 0.0
    prepared_at_s: float = 0.0
    started_at_s: float = 0.0
    last_token_at_s: float = 0.0

    def reached(self, stage: StageName, at_s: float) -> Times:
        """These times with a stage that was reached at `at_s`; 0.0 = not reached.

        It is not set before an earlier stage, so that no stage takes negative time where two clocks differ by a little.
        """
        if at_s <= 0:
            return self
        earlier = (getattr(self, f"{name}_at_s") for name in STAGE_NAMES[: STAGE_NAMES.index(stage)])
        return replace(self, **{f"{stage}_at_s": max(at_s, *earlier, 0.0)})


@dataclass(frozen=True, slots=True)
class Chunk:
    """Capture -> encoder.

    The frames of one look, or with `end` the end marker of the run, after `seq` chunks.
    """

    source_id: str
    run: str
    seq: int
    pts_s: float  # of the newest frame
    frame_pts_s: tuple[float, ...]
    motion: float  # mean |difference| at 64x64 grey between the chunk's first and last frame, 0..1
    lossless: bool
    end: bool
    frames: BlobRef | None  # uint8 [n, H, W, 3] RGB, shorter side 224; n = 8 of a chunk
    keep_frames: bool  # the generator needs the pixels, so the encoder keeps the blob
    times: Times
    incarnation: int = 0
    look: Look = "chunk"
    thumbnail: bytes = b""  # uint8 [64, 64, 3] the newest frame, small, for strategies that compare looks; empty = none
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Features:
    """Encoder -> decider.

    Exactly one for each chunk; `status` tells a chunk that failed (`buried`) or lost its pixels (`expired`).
    """

    source_id: str
    run: str
    seq: int
    pts_s: float
    motion: float
    lossless: bool
    status: FeatureStatus
    vector: NDArray[np.float32] | None  # [F] pooled summary, inline
    context: BlobRef | None  # [n, P, D] image tokens of the frames
    video: BlobRef | None  # [V, D] video tokens
    frames: BlobRef | None  # the pixels, when kept
    frame_pts_s: tuple[float, ...]
    model: str
    times: Times
    people: NDArray[np.float32] | None = None  # landmarks, inline; the layout is in docs/streams.md
    incarnation: int = 0
    look: Look = "chunk"
    thumbnail: bytes = b""  # as in the chunk
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class MistakeSeen:
    """A mistake on one repetition."""

    name: str  # as in the table of movements, "too_shallow"
    joint: str  # where it shows, "knee"
    probability: float
    landmarks: tuple[str, ...]  # parts of the body that it is judged by
    say: str = ""  # the owner's sentence about a mistake that they have taught; empty = the model finds the words


@dataclass(frozen=True, slots=True)
class MovementSeen:
    """What a decision is about: the person who is followed, how well they are seen, and their movement."""

    exercise: str  # empty = none
    certainty: float  # of the exercise, or of there being none
    repetitions: int  # of this set; seconds of a hold
    phase: float  # of the repetition under way, 0..1
    ended: bool  # a repetition ended within the chunk
    mistakes: tuple[MistakeSeen, ...]  # of the newest repetition of this set, the most probable first
    unlikeness: float  # from the training's movements, in their standard deviations: about 1, above 1.5 is foreign
    view: Sight
    missing: tuple[str, ...]  # parts of the body that are not seen, from head to feet
    limits: tuple[str, ...]  # too_dark, too_far, camera_moving
    angle: str  # of the camera: front, oblique, side or nobody
    people: int  # in the picture
    whom: str  # who is followed, "the only person"; empty = no one
    reasons: tuple[str, ...]  # what is wrong with the view, for people
    row: int = -1  # of the one followed, among the chunk's people; -1 = no one
    measure: str = ""  # what tells most about the exercise now, as "lean"; empty = nothing
    measured_pts_s: tuple[float, ...] = ()
    measured: tuple[float, ...] = ()  # at those media times, degrees or ratios
    limit: float | None = None  # of `measure`, where a mistake begins
    worse: str = ""  # above or below the limit; empty without one
    praise: str = ""  # the owner's sentence about good repetitions, where this is the moment; empty = none


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """One chunk in the context of a request."""

    seq: int
    pts_s: float
    frame_pts_s: tuple[float, ...]
    context: BlobRef | None
    video: BlobRef | None
    frames: BlobRef | None
    captured_at_s: float = 0.0  # unix seconds, of the newest frame; 0 = unknown


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters of text generation."""

    max_new_tokens: int = 128
    temperature: float = 0.0  # 0 = greedy
    top_p: float = 1.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """Decider -> generator. Gets exactly one `EndEvent`; `chunks` are oldest first."""

    request_id: str  # "<source_id>:<run>:<seq>", or "<source_id>:q:<uuid>" for a question
    source_id: str
    run: str
    seq: int
    kind: RequestKind
    action: Action
    pts_s: float
    prompt: str
    system_prompt: str
    previous_text: str  # the last feedback, for commentary
    chunks: tuple[ChunkRef, ...]
    sampling: Sampling
    adapter: str
    deadline_at_s: float  # unix seconds; 0 = no deadline
    owns_blobs: bool  # the hop that ends the request frees the blobs of `chunks`
    times: Times
    picture_age_s: float = 0.0  # of the newest frame when the request was made; 0 = unknown
    known: str = ""  # the decider's knowledge of the moment, one sentence for models that follow prompts; empty = none
    about: MovementSeen | None = None
    incarnation: int = 0
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """User -> decider: a question about the current picture."""

    question_id: str
    source_id: str
    text: str
    asked_at_s: float
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """Decision about one chunk, in order of `seq`. Chunks in a row that never came share one event (`n_chunks`)."""

    source_id: str
    run: str
    seq: int
    pts_s: float
    action: Action
    confidence: float
    reason: str
    strategy: str
    motion: float
    status: FeatureStatus
    times: Times
    about: MovementSeen | None = None  # with strategies that follow a person
    incarnation: int = 0
    n_chunks: int = 1  # above 1: chunks `seq` to `seq + n_chunks - 1` never came
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class StartEvent:
    """A generator has started on the request. A later start with a higher `attempt` voids the deltas before it."""

    source_id: str
    run: str
    request_id: str
    attempt: int
    kind: RequestKind
    action: Action
    pts_s: float
    prompt: str
    model: str
    times: Times
    picture_age_s: float = 0.0  # as in the request
    incarnation: int = 0
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class DeltaEvent:
    """A piece of text to append to the reply."""

    source_id: str
    run: str
    request_id: str
    attempt: int
    text: str
    times: Times
    incarnation: int = 0


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The only end of a request. `text` is the whole reply; `cause` is the reason of a status other than `done`."""

    source_id: str
    run: str
    request_id: str
    attempt: int
    kind: RequestKind
    action: Action
    status: EndStatus
    pts_s: float
    prompt: str
    text: str
    silent: bool  # commentary had nothing new ("...")
    cause: str
    model: str
    n_input_tokens: int
    n_output_tokens: int
    ttft_ms: float  # measured from start to first delta; 0 = no delta
    times: Times
    picture_age_s: float = 0.0  # as in the request
    incarnation: int = 0
    cost: float = 0.0  # by `generator.price_input` and `price_output`; 0 = unknown
    tokens_guessed: bool = False  # the server counted nothing: pieces of text were counted
    tokens_per_s: float = 0.0  # measured: tokens after the first / time from first to last; 0 = fewer than two
    frame_pts_s: tuple[float, ...] = ()  # of every picture that the request is about, oldest first
    prepare_ms: float = 0.0  # part of the TTFT before the model was asked: its input is fetched and made
    traceparent: str = ""
    said_by: Literal["model", "owner"] = "model"  # owner: the text is a sentence of their own exercise

    @classmethod
    def without_words(
        cls,
        source_id: str,
        run: str,
        request_id: str,
        *,
        kind: RequestKind,
        status: EndStatus,
        cause: str,
        done_at_s: float,
        attempt: int = 0,
        action: Action = "feedback",
        pts_s: float = 0.0,
        prompt: str = "",
        picture_age_s: float = 0.0,
        incarnation: int = 0,
    ) -> EndEvent:
        """The end of a request that no generator ends."""
        return cls(
            *(source_id, run, request_id, attempt, kind, action, status, pts_s, prompt),
            text="",
            silent=False,
            cause=cause,
            model="",
            n_input_tokens=0,
            n_output_tokens=0,
            ttft_ms=0.0,
            times=Times(done_at_s=done_at_s),
            picture_age_s=picture_age_s,
            incarnation=incarnation,
        )


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A failure at `stage`, to be shown to users."""

    source_id: str
    run: str
    stage: str
    message: str
    at_s: float
    request_id: str = ""
    incarnation: int = 0


@dataclass(frozen=True, slots=True)
class StateEvent:
    """A new state of the source."""

    source_id: str
    run: str
    state: SourceStateName
    detail: str
    at_s: float
    incarnation: int = 0


Event: TypeAlias = DecisionEvent | StartEvent | DeltaEvent | EndEvent | ErrorEvent | StateEvent


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that could not be processed, with its original bytes."""

    stream: str
    group: str
    entry_id: str
    consumer: str
    deliveries: int
    reason: str
    at_s: float
    body: bytes


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Status of a process, published each second and expiring with it."""

    role: str
    name: str
    pid: int
    host: str
    state: str  # starting | running | draining | stopped | unhealthy
    started_at_s: float
    at_s: float
    rss_bytes: int
    busy: int
    detail: dict[str, float] = field(default_factory=dict)
    reason: str = ""  # why it is unhealthy
    models: dict[str, str] = field(default_factory=dict)  # back end, model and abilities that the process works with
