"""Token buckets."""

from __future__ import annotations

from cornerman_gateway.limits import MAX_CLIENTS, RateLimit


def test_rate_holds_after_burst() -> None:
    limit = RateLimit(60)
    assert [limit.wait_s("a", 0.0) for _ in range(30)] == [0.0] * 30
    assert 0 < limit.wait_s("a", 0.0) <= 1.0
    assert limit.wait_s("a", 1.0) == 0.0
    assert limit.wait_s("a", 1.0) > 0


def test_clients_have_separate_rates() -> None:
    limit = RateLimit(2)
    assert limit.wait_s("a", 0.0) == 0.0
    assert limit.wait_s("a", 0.0) > 0
    assert limit.wait_s("b", 0.0) == 0.0


def test_a_refusal_costs_nothing() -> None:
    limit = RateLimit(60)
    for _ in range(200):
        limit.wait_s("a", 0.0)
    assert limit.wait_s("a", 1.001) == 0.0


def test_remembered_clients_are_bounded() -> None:
    limit = RateLimit(60)
    for number in range(MAX_CLIENTS + 50):
        limit.wait_s(str(number), 0.0)
    assert len(limit._clients) == MAX_CLIENTS
