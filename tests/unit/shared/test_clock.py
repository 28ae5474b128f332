"""The server's clock as one process knows it, and the times of the stages."""

import pytest

from cornerman_shared.bus.messages import Times
from cornerman_shared.clock import ServerClock, VirtualClock

SERVER_S = 1_800_000_000.0


class TwoClocks(VirtualClock):
    """A wall clock that can be set without the monotonic one."""

    def __init__(self, ahead_s: float) -> None:
        super().__init__(SERVER_S)
        self.ahead_s = ahead_s

    def now_s(self) -> float:
        return super().now_s() + self.ahead_s


@pytest.mark.parametrize("ahead_s", [30.0, -30.0, 0.0])
def test_server_clock_ignores_own_wall_clock(ahead_s: float) -> None:
    own = TwoClocks(ahead_s)
    clock = ServerClock(own)
    clock.observe(SERVER_S, own.monotonic_s(), own.monotonic_s())
    assert clock.now_s() == SERVER_S
    assert clock.skew_s == ahead_s
    own.ahead_s += 3600  # the clock is set
    own.advance(1.0)
    assert clock.now_s() == SERVER_S + 1


def test_unmeasured_clock_is_own_wall_clock() -> None:
    clock = ServerClock(TwoClocks(30.0))
    assert (clock.now_s(), clock.skew_s) == (SERVER_S + 30, 0.0)


def test_slow_answer_does_not_move_clock() -> None:
    own = TwoClocks(0.0)
    clock = ServerClock(own)
    clock.observe(SERVER_S, own.monotonic_s(), own.monotonic_s())
    sent_s = own.monotonic_s()
    own.advance(10.0)  # the server answered at once, the answer took 10 s
    clock.observe(SERVER_S, sent_s, own.monotonic_s())
    assert clock.now_s() == SERVER_S + 10


def test_clock_follows_another_server() -> None:
    own = TwoClocks(0.0)
    clock = ServerClock(own)
    for server_s in (SERVER_S, SERVER_S - 25, SERVER_S + 40):
        clock.observe(server_s, own.monotonic_s() - 0.002, own.monotonic_s())
        assert clock.now_s() == pytest.approx(server_s, abs=0.003)


def test_no_stage_takes_negative_time() -> None:
    times = Times(captured_at_s=10.0).reached("published", 9.0).reached("encoded", 11.0).reached("decided", 10.5)
    assert times == Times(10.0, 10.0, 11.0, 11.0)
    assert times.reached("first_token", 0.0).reached("done", 3.0) == Times(10.0, 10.0, 11.0, 11.0, 0.0, 11.0)
