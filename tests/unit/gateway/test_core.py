"""Event ids, cursors, wire forms, and the shortened history."""

from __future__ import annotations

import json

from cornerman_gateway.core import format_cursor, is_event_id, parse_cursor, shorten, sse
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, Event, StartEvent, Times
from cornerman_shared.bus.streams import entry_order


def start(request_id: str) -> StartEvent:
    return StartEvent("cam", "r", request_id, 1, "feedback", "correct", 1.0, "p", "m", Times())


def delta(request_id: str, text: str) -> DeltaEvent:
    return DeltaEvent("cam", "r", request_id, 1, text, Times())


def end(request_id: str, text: str) -> EndEvent:
    return EndEvent(
        "cam", "r", request_id, 1, "feedback", "correct", "done", 1.0, "p", text, False, "", "m", 1, 1, 5.0, Times()
    )


def test_ids_are_ordered_as_numbers() -> None:
    assert entry_order("9-0") < entry_order("10-0") < entry_order("10-2") < entry_order("10-10")


def test_only_entry_ids_are_accepted() -> None:
    assert is_event_id("1700000000000-0")
    for text in ("", "5", "5-", "a-1", "5-1\r\nX: y", "5-1 ", "-1-1", "5-1-1", "١-١x"):
        assert not is_event_id(text), text


def test_single_stream_cursor_is_id() -> None:
    assert parse_cursor("12-3", 1) == ["12-3"]
    assert format_cursor(["12-3"]) == "12-3"


def test_cursor_holds_id_per_stream() -> None:
    assert parse_cursor(format_cursor(["1-0", "2-5"]), 2) == ["1-0", "2-5"]
    assert parse_cursor("1-0", 2) is None
    assert parse_cursor("1-0,x", 2) is None


def test_sse_frame_has_one_line() -> None:
    frame = sse("delta", json.dumps({"text": "a\n\nevent: end\ndata: x\r"}), "1-0").decode()
    assert frame.startswith("id: 1-0\nevent: delta\ndata: ")
    assert frame.endswith("\n\n")
    assert frame.count("\n") == 4


def test_history_omits_deltas_of_ended() -> None:
    rows: list[tuple[str, Event]] = [
        ("1-0", start("a")),
        ("2-0", delta("a", "Go ")),
        ("3-0", start("b")),
        ("4-0", delta("a", "deeper.")),
        ("5-0", end("a", "Go deeper.")),
        ("6-0", delta("b", "Still")),
    ]
    short = shorten(rows)
    assert [(row["id"], row["type"]) for row in short] == [
        ("1-0", "start"),
        ("3-0", "start"),
        ("5-0", "end"),
        ("6-0", "delta"),
    ]
    assert short[2]["text"] == "Go deeper."
