"""State of one source between two chunks: run, strategy memory, gate, context and open requests. Pure.

`state_codec` turns it into bytes, which are saved in the same hop as each decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from cornerman_media.gate import GateState

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import Action, BlobRef, ChunkRef, RequestKind

Value: TypeAlias = float | int | bool | str | NDArray[Any] | list[float] | None
Memory: TypeAlias = dict[str, Value]
"""Memory of a strategy: plain values and arrays by name."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request without an end so far; holds enough to write the end if no generator does.

    `refs` are the blobs it reads: they outlive the context while it is open.
    """

    request_id: str
    run: str
    seq: int
    kind: RequestKind
    action: Action
    pts_s: float
    prompt: str
    deadline_at_s: float
    refs: tuple[BlobRef, ...]


@dataclass(frozen=True, slots=True)
class DeciderState:
    """Everything that is remembered of one source between two chunks."""

    run: str = ""
    next_seq: int = 0
    ended: bool = False
    strategy: str = ""  # name of the strategy that `memory` belongs to
    memory: Memory = field(default_factory=dict)
    prompt: str = ""
    prompt_since_s: float = 0.0  # media time of the first chunk under `prompt`; older text belongs to another prompt
    gate: GateState = field(default_factory=GateState)
    context: tuple[ChunkRef, ...] = ()
    latest: ChunkRef | None = None
    open: tuple[OpenRequest, ...] = ()
    reported_error: str = ""  # the strategy's failure that was published already; it is published once
