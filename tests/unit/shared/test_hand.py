"""Entries in hand: slots of each part, and entries that wait on the server for a full one."""

from __future__ import annotations

from cornerman_shared.bus.delivery import Delivery
from cornerman_shared.bus.hand import Hand
from cornerman_shared.bus.hop import Hop, HopResult


class Owner:
    """A consumer that settles nothing."""

    async def settle(self, delivery: Delivery[str], hop: Hop) -> HopResult:
        return HopResult.DONE

    async def bury(self, delivery: Delivery[str], reason: str, also: Hop | None) -> HopResult:
        return HopResult.DONE

    async def begin(self, delivery: Delivery[str]) -> None:
        return

    async def release(self, delivery: Delivery[str]) -> None:
        return

    def free_slot(self, delivery: Delivery[str]) -> None:
        return


def delivery(part: str, number: int, deliveries: int = 1) -> Delivery[str]:
    """An entry whose message is its part."""
    return Delivery(Owner(), "s", f"{number}-0", b"", part, deliveries)


def parts(slots: int) -> Hand[str]:
    return Hand(slots, lambda message: message)


def never(delivery: Delivery[str]) -> bool:
    return False


def test_slots_bound_a_hand_without_parts() -> None:
    hand: Hand[str] = Hand(2)
    for number in range(2):
        assert hand.add(delivery("a", number))
    assert (hand.free(100), len(hand), hand.waiting()) == (0, 2, 2)


def test_full_part_defers_its_own_only() -> None:
    hand = parts(2)
    first, second = delivery("a", 0), delivery("a", 1)
    assert [hand.add(each) for each in (first, second, delivery("a", 2), delivery("b", 3))] == [True, True, False, True]
    assert hand.knows("s", "2-0") and hand.due() == [] and hand.free(100) == 100
    hand.remove(first)
    assert hand.due() == [("s", "2-0", 1)]
    assert hand.due() == [] and not hand.knows("s", "2-0")


def test_deferred_entries_keep_order_and_count() -> None:
    hand = parts(1)
    held = delivery("a", 0)
    hand.add(held)
    hand.add(delivery("a", 1, deliveries=3))
    hand.add(delivery("a", 2))
    hand.remove(held)
    assert hand.due() == [("s", "1-0", 3)]
    assert hand.due() == [("s", "2-0", 1)]  # the part has still room: nothing was added


def test_second_delivery_voids_the_first() -> None:
    hand = parts(1)
    first, again = delivery("a", 0), delivery("a", 0, deliveries=2)
    assert hand.add(first) and hand.add(again)
    assert first.lost.is_set() and not again.lost.is_set()
    hand.remove(first)  # its worker settles it late
    assert hand.held() == [again] and hand.take(8, never) == [again]


def test_forgotten_entries_may_be_delivered_again() -> None:
    hand = parts(1)
    hand.add(delivery("a", 0))
    hand.add(delivery("a", 1))
    hand.forget_deferred()
    assert not hand.knows("s", "1-0")


def test_suspect_is_taken_alone() -> None:
    hand: Hand[str] = Hand(8)
    added = [delivery("a", number, deliveries=2 if number == 1 else 1) for number in range(4)]
    for each in added:
        hand.add(each)

    def alone(each: Delivery[str]) -> bool:
        return each.deliveries > 1

    assert [hand.take(8, alone) for _ in range(3)] == [added[:1], added[1:2], added[2:]]
