"""Unreachable addresses: `cornerman run` reports them and ends, `cornerman up` keeps trying."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.commands import FAKES, FAST, PATIENCE_S, Command, adds_up

SOON = ("--set", "watch.give_up_s=2", "--set", "capture.open_timeout_s=60", "--set", "capture.backoff_max_s=0.5")
"""Gives up soon. Opening fails at once, but a slow machine may need long to report it."""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("rtsp://ann:s3cret@no-such-camera.invalid/live", "the host name is not known; check its spelling"),
        ("rtsp://ann:s3cret@127.0.0.1:9/live", "the connection was refused; is the server running"),
        ("http://ann:s3cret@no-such-host.invalid/clip.mp4", "the host name is not known; check its spelling"),
    ],
)
def test_unreachable_address_ends_the_run(cornerman: Callable[..., Command], url: str, why: str) -> None:
    ended = cornerman("run", url, "--id", "typo", "--json", *SOON, *FAKES, *FAST).end()
    assert ended.code == 66, ended.errors
    last = ended.of("error")[-1]
    assert (last["source_id"], last["stage"]) == ("typo", "capture")
    assert url.rpartition("@")[2] in last["message"]
    assert why in last["message"]
    assert "watch.give_up_s = 2" in last["message"]
    assert "s3cret" not in ended.errors + repr(ended.lines)
    adds_up(ended.sources["typo"])


def test_other_sources_go_on(cornerman: Callable[..., Command]) -> None:
    line = ("run", "rtsp://127.0.0.1:9/live", "test://pattern?seconds=8", "--json")
    ended = cornerman(*line, *SOON, *FAKES, *FAST).end()
    assert ended.code == 66, ended.errors
    assert ended.sources["pattern"]["captured"] == 240
    assert ended.sources["127.0.0.1-live"]["captured"] == 0


def test_time_up_tells_unseen_source(cornerman: Callable[..., Command]) -> None:
    """`run http://dead --seconds 3` ended with status 0."""
    url = "http://ann:s3cret@127.0.0.1:9/clip.mp4"
    ended = cornerman("run", url, "--id", "dead", "--seconds", "1", "--json", *FAKES, *FAST).end()
    assert ended.code == 66, ended.errors
    why = ended.lines[-1]["unseen"]["dead"]
    assert why == ended.of("error")[-1]["message"]
    assert why.startswith("no picture came within 1 s: ")
    assert "s3cret" not in ended.errors + repr(ended.lines)


def test_up_keeps_trying(cornerman: Callable[..., Command]) -> None:
    roles = [word for role in ("capture", "encoder", "decider", "generator") for word in ("--only", role)]
    up = cornerman("up", *roles, "--set", "capture.backoff_max_s=0.5", *FAKES, *FAST)
    assert up.process.stdout is not None
    assert any("running on" in line for line in up.process.stdout)
    for url, name in (("rtsp://127.0.0.1:9/live", "away"), ("http://127.0.0.1:9/live.m3u8", "dark")):
        added, _ = cornerman("sources", "add", url, "--id", name).process.communicate(timeout=PATIENCE_S)
        assert added.strip() == name
    run = cornerman("run", "rtsp://127.0.0.1:9/live", "--id", "typo", "--json", *SOON[:2]).end()
    assert run.code == 66, run.errors
    deadline_s = time.monotonic() + PATIENCE_S
    while states(cornerman) != {"away": "reconnecting", "dark": "reconnecting"}:
        assert time.monotonic() < deadline_s, states(cornerman)
    up.process.send_signal(signal.SIGTERM)
    up.process.communicate(timeout=PATIENCE_S)


def states(cornerman: Callable[..., Command]) -> dict[str, str]:
    """States of the sources that `up` watches. A source that was given up stays failed."""
    listed = cornerman("sources", "list", "--json").end()
    found = {line["source_id"]: line["state"] for line in listed.lines}
    assert "failed" not in found.values(), found
    return found
