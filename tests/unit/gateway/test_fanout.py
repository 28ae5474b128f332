"""A client's queue: bounded, in order, nothing twice, and honest about what it lost."""

from __future__ import annotations

from cornerman_gateway.fanout import Batch, Client, Item
from cornerman_shared.bus.messages import ErrorEvent


def item(number: int, stream: int = 0) -> Item:
    return Item.of(stream, f"{number}-0", ErrorEvent("cam", "r", "encoder", f"event {number}", 0.0))


async def take(client: Client, batches: int = 1) -> list[Batch]:
    out = []
    async for batch in client.batches():
        out.append(batch)
        if len(out) == batches:
            break
    return out


async def test_events_come_with_cursor() -> None:
    client = Client(8, ["0-0"])
    for number in (1, 2, 3):
        client.offer(item(number))
    [(missed, sent)] = await take(client)
    assert missed is None
    assert [(entry.event_id, cursor) for entry, cursor in sent] == [("1-0", "1-0"), ("2-0", "2-0"), ("3-0", "3-0")]


async def test_full_queue_reports_lost_events() -> None:
    client = Client(3, ["0-0"])
    client.offer(item(1))
    await take(client)
    for number in range(2, 9):
        client.offer(item(number))
    [(missed, sent)] = await take(client)
    assert missed is not None
    assert (missed.count, missed.after) == (4, "1-0")
    assert [entry.event_id for entry, _ in sent] == ["6-0", "7-0", "8-0"]
    assert client.skipped_total == 4


async def test_history_is_not_repeated_live() -> None:
    client = Client(8, ["0-0"])
    for number in (1, 2, 3, 4):
        client.offer(item(number))
    assert len(client.see([item(1), item(2), item(3)])) == 3
    [(_, sent)] = await take(client)
    assert [entry.event_id for entry, _ in sent] == ["4-0"]


async def test_cursor_tracks_each_stream() -> None:
    client = Client(8, ["5-0", "7-0"])
    client.offer(item(6, stream=0))
    client.offer(item(6, stream=1))  # seen: that stream is at 7
    client.offer(item(8, stream=1))
    [(_, sent)] = await take(client)
    assert [cursor for _, cursor in sent] == ["6-0,7-0", "6-0,8-0"]


async def test_closing_ends_the_batches() -> None:
    client = Client(8, ["0-0"])
    client.close()
    assert await take(client) == []


def test_wire_forms_carry_the_cursor() -> None:
    entry = item(3)
    assert entry.sse("3-0").decode().startswith('id: 3-0\nevent: error\ndata: {"type":"error"')
    assert entry.message("3-0").startswith('{"id":"3-0","type":"error"')
