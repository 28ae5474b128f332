"""Checks the events and counters of a run against the guarantees of the bus. Pure.

Guarantees: every chunk is decided once and in order, every request ends once, deltas follow their start, and
counters add up. `check` returns one sentence for each violation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from cornerman_shared.bus.messages import DecisionEvent, DeltaEvent, EndEvent, Event, StartEvent


def check(events: Iterable[Event], counters: Mapping[str, int], *, published: int) -> list[str]:
    """Violations in one run of one source, as sentences.

    Args:
        events: in stream order.
        counters: the run's counter hash.
        published: chunks that capture put on the bus.
    """
    history = list(events)
    return [*_decisions(history, published), *_requests(history), *_sums(history, counters, published)]


def _decisions(history: list[Event], published: int) -> list[str]:
    decisions = [event for event in history if isinstance(event, DecisionEvent)]
    seqs = [seq for event in decisions for seq in range(event.seq, event.seq + event.n_chunks)]
    wrong = [f"chunk {seq} was decided {times} times" for seq, times in Counter(seqs).items() if times > 1]
    wrong += [f"chunk {missing} was never decided" for missing in sorted(set(range(published)) - set(seqs))]
    wrong += [f"chunk {after} was decided after chunk {before}" for before, after in pairwise(seqs) if after < before]
    return wrong


def _requests(history: list[Event]) -> list[str]:
    wrong = []
    attempts: dict[str, int] = defaultdict(int)
    ended: Counter[str] = Counter()
    words: dict[tuple[str, int], str] = defaultdict(str)
    for event in history:
        if isinstance(event, StartEvent):
            if event.attempt <= attempts[event.request_id]:
                wrong.append(f"request {event.request_id}: attempt {event.attempt} started after a later one")
            attempts[event.request_id] = event.attempt
        elif isinstance(event, DeltaEvent):
            words[event.request_id, event.attempt] += event.text
            if ended[event.request_id]:
                wrong.append(f"request {event.request_id} spoke after its end")
            if event.attempt != attempts[event.request_id]:
                wrong.append(f"request {event.request_id}: attempt {event.attempt} spoke out of turn")
        elif isinstance(event, EndEvent):
            ended[event.request_id] += 1
            said = words[event.request_id, event.attempt]
            if event.status == "done" and said != event.text:
                wrong.append(f"request {event.request_id} ended with {event.text!r}, but said {said!r}")
    wrong += [f"request {name} ended {times} times" for name, times in ended.items() if times > 1]
    wrong += [f"request {name} never ended" for name in attempts if not ended[name]]
    return wrong


def _sums(history: list[Event], counters: Mapping[str, int], published: int) -> list[str]:
    def count(name: str) -> int:
        return counters.get(name, 0)

    dropped = sum(value for name, value in counters.items() if name.startswith("dropped:"))
    ends = sum(isinstance(event, EndEvent) for event in history)
    equations = {
        "due = published + dropped": (count("due"), count("published") + dropped),
        "published = chunks on the bus": (count("published"), published),
        "published = decided + buried": (count("published"), count("decided") + count("buried")),
        "requests = ended requests": (count("requests"), ends),
        "requests = feedback + errors + expired + cancelled": (
            count("requests"),
            count("feedback") + count("errors") + count("expired") + count("cancelled") + count("declined"),
        ),
    }
    return [f"{name}: {left} is not {right}" for name, (left, right) in equations.items() if left != right]
