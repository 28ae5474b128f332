"""The vocabulary on the bus: every message, its fields and units. Knows nothing of Redis; `codec` gives the bytes.

The flow: capture publishes `Chunk`; an encoder answers each with one `Features`; the decider answers each with one
`DecisionEvent` and sometimes a `Request`; a generator answers each request with `StartEvent`, `DeltaEvent`… and exactly
one `EndEvent`. All `*_at_s` are unix seconds; `pts_s` is media time: seconds since the start of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Action: TypeAlias = Literal["next", "feedback", "correct"]
"""What to do after a chunk: stay silent, praise or comment, or correct. On the model's side: `<next>` and so on."""

RequestKind: TypeAlias = Literal["feedback", "question"]
EndStatus: TypeAlias = Literal["done", "expired", "cancelled", "failed"]
FeatureStatus: TypeAlias = Literal["ok", "end", "buried", "expired"]
SourceStateName: TypeAlias = Literal[
    "waiting", "opening", "playing", "stalled", "reconnecting", "paused", "ended", "failed"
]


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Claim check: the array's bytes lie under `key`, with a TTL."""

    key: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """When each stage was reached, unix seconds; 0.0 = not yet. Copied along and completed at every hop."""

    captured_at_s: float = 0.0
    published_at_s: float = 0.0
    encoded_at_s: float = 0.0
    decided_at_s: float = 0.0
    first_token_at_s: float = 0.0
    done_at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Capture -> encoder.

    8 sampled frames, or (with `end`) the marker that the run is over and `seq` chunks came before.
    """

    source_id: str
    run: str
    seq: int
    pts_s: float  # of the newest frame
    frame_pts_s: tuple[float, ...]
    motion: float  # mean |difference| at 64x64 grey between the chunk's first and last frame, 0..1
    lossless: bool
    end: bool
    frames: BlobRef | None  # uint8 [8, H, W, 3] RGB, shorter side 224
    keep_frames: bool  # the generator will want the pixels too
    times: Times


@dataclass(frozen=True, slots=True)
class Features:
    """Encoder -> decider.

    Exactly one for each chunk, also for one that failed (`buried`) or lost its pixels (`expired`).
    """

    source_id: str
    run: str
    seq: int
    pts_s: float
    motion: float
    lossless: bool
    status: FeatureStatus
    vector: NDArray[np.float32] | None  # [F] pooled summary, rides inline
    context: BlobRef | None  # [8, P, D] image tokens of the frames
    video: BlobRef | None  # [V, D] video tokens
    frames: BlobRef | None  # the pixels, when kept
    frame_pts_s: tuple[float, ...]
    model: str
    times: Times


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """What a request says of one chunk in its context."""

    seq: int
    pts_s: float
    frame_pts_s: tuple[float, ...]
    context: BlobRef | None
    video: BlobRef | None
    frames: BlobRef | None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How text is drawn."""

    max_new_tokens: int = 128
    temperature: float = 0.0  # 0 = greedy
    top_p: float = 1.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """Decider -> generator. `chunks` oldest first. Ends with exactly one `EndEvent`."""

    request_id: str  # "<source_id>:<run>:<seq>", or "<source_id>:q:<uuid>" for a question
    source_id: str
    run: str
    seq: int
    kind: RequestKind
    action: Action
    pts_s: float
    prompt: str
    system_prompt: str
    previous_text: str  # what was said last, for commentary
    chunks: tuple[ChunkRef, ...]
    sampling: Sampling
    adapter: str
    deadline_at_s: float  # unix seconds; 0 = may wait for ever
    owns_blobs: bool  # the generator frees the chunks' blobs with the end
    times: Times


@dataclass(frozen=True, slots=True)
class Question:
    """A person -> decider: ask about what is on screen now."""

    question_id: str
    source_id: str
    text: str
    asked_at_s: float


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """One for each chunk of a run, in order of `seq`."""

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


@dataclass(frozen=True, slots=True)
class StartEvent:
    """A generator has taken the request. A second start with a higher `attempt` voids the deltas before it."""

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


@dataclass(frozen=True, slots=True)
class DeltaEvent:
    """A piece of text, to be appended."""

    source_id: str
    run: str
    request_id: str
    attempt: int
    text: str
    times: Times


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The one end of a request. `text` is whole; `cause` says why when the status is not `done`."""

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
    silent: bool  # commentary found nothing new to say ("...")
    cause: str
    model: str
    n_input_tokens: int
    n_output_tokens: int
    ttft_ms: float  # measured: request taken -> first delta; 0 when there was none
    times: Times


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Something failed at `stage`; people should see it."""

    source_id: str
    run: str
    stage: str
    message: str
    at_s: float
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class StateEvent:
    """The source changed state."""

    source_id: str
    run: str
    state: SourceStateName
    detail: str
    at_s: float


Event: TypeAlias = DecisionEvent | StartEvent | DeltaEvent | EndEvent | ErrorEvent | StateEvent


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that could not be worked on, as it was."""

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
    """What a process says of itself each second; gone when it is."""

    role: str
    name: str
    pid: int
    host: str
    state: str  # starting | running | draining | stopped
    started_at_s: float
    at_s: float
    rss_bytes: int
    busy: int
    detail: dict[str, float] = field(default_factory=dict)
