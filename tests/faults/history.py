"""Checks the events and counters of a run against the guarantees of the bus. Pure.

Guarantees: every chunk is decided once and in order, every request ends once, deltas follow their start, and
counters add up. `check` returns one sentence for each violation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from cornerman_shared.bus.messages import (
    STAGE_NAMES,
    DecisionEvent,
    DeltaEvent,
    EndEvent,
    Event,
    StartEvent,
    StateEvent,
    Times,
)

RUN_OVER = "every chunk is decided"
"""Detail of the state that the decider reports once at the end of a run."""


def check_last_run(events: Iterable[Event], counters: Mapping[str, int], *, published: int) -> list[str]:
    """Violations in the history of a source that began several runs, as sentences.

    The last run is checked as `check` does. An earlier one may be cut short, but is decided in order and never after a
    later one has begun; its requests end once.
    """
    history = list(events)
    runs = list(dict.fromkeys(event.run for event in history if isinstance(event, DecisionEvent)))
    wrong = [f"{after} was decided after {before}" for before, after in _returns(history)]
    for run in runs[:-1]:
        of_run = [event for event in history if event.run == run]
        decided = [event.seq + event.n_chunks for event in of_run if isinstance(event, DecisionEvent)]
        wrong += [f"run {run}: {found}" for found in _decisions(of_run, max(decided)) + _ends(of_run)]
    wrong += _requests(history)
    if runs:
        wrong += check([event for event in history if event.run == runs[-1]], counters, published=published)
    return wrong


def _returns(history: list[Event]) -> list[tuple[str, str]]:
    """Pairs of runs of which the second began earlier and was decided again after the first."""
    order: dict[str, int] = {}
    decided = [event.run for event in history if isinstance(event, DecisionEvent)]
    for run in decided:
        order.setdefault(run, len(order))
    return [(before, after) for before, after in pairwise(decided) if order[after] < order[before]]


def check(events: Iterable[Event], counters: Mapping[str, int], *, published: int) -> list[str]:
    """Violations in one run of one source, as sentences.

    Args:
        events: in stream order.
        counters: the run's counter hash.
        published: chunks that capture put on the bus.
    """
    history = list(events)
    return [
        *_decisions(history, published),
        *_requests(history),
        *_ends(history),
        *_sums(history, counters, published),
    ]


def _ends(history: list[Event]) -> list[str]:
    """A run is over at most once, and nothing is decided after that."""
    ends = [i for i, event in enumerate(history) if isinstance(event, StateEvent) and event.detail == RUN_OVER]
    late = [event.seq for event in history[ends[0] :] if isinstance(event, DecisionEvent)] if ends else []
    wrong = [f"chunk {seq} was decided after the end of the run" for seq in late]
    return [*wrong, f"the run ended {len(ends)} times"] if len(ends) > 1 else wrong


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


def backward(times: Times, tolerance_s: float = 0.0) -> list[str]:
    """Stages that were reached before the stage ahead of them, by more than the tolerance."""
    reached = [(name, at_s) for name in STAGE_NAMES if (at_s := getattr(times, f"{name}_at_s"))]
    return [f"{b} before {a}" for (a, a_s), (b, b_s) in pairwise(reached) if b_s < a_s - tolerance_s]
