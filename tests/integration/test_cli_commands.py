"""Commands on a real server without services: sources, status, dlq, watch, ask, and the Python client."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import cornerman
from cornerman.cli import invoke
from cornerman.commands import ask
from cornerman.local.run_output import RunOutput
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import pack, unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeadLetter, DecisionEvent, DeltaEvent, EndEvent, Question, StartEvent, Times
from cornerman_shared.bus.registry import add_source, get_source
from cornerman_shared.errors import GenerationError
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings, load_settings
from tests.conftest import Server

TIMES = Times(1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


def end(text: str, request_id: str = "cam1:r1:0", source_id: str = "cam1") -> EndEvent:
    return EndEvent(
        source_id=source_id,
        run="r1",
        request_id=request_id,
        attempt=1,
        kind="feedback",
        action="feedback",
        status="done",
        pts_s=1.0,
        prompt="?",
        text=text,
        silent=False,
        cause="",
        model="m",
        n_input_tokens=1,
        n_output_tokens=1,
        ttft_ms=10.0,
        times=TIMES,
    )


def decision(seq: int) -> DecisionEvent:
    return DecisionEvent("cam1", "r1", seq, float(seq), "next", 1.0, "calm", "rules", 0.0, "ok", TIMES)


@pytest.fixture
def run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("CORNERMAN_REDIS_URL", settings.redis.url)
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*line: str) -> tuple[int, str, str]:
        code = invoke(line)
        return code, *capsys.readouterr()

    return call


def test_source_is_added_changed_removed(run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("sources", "add", "rtsp://me:secret@cam.local/live", "--strategy", "interval") == (
        0,
        "cam.local-live\n",
        "",
    )
    code, out, _ = run("sources", "list", "--json")
    listed = json.loads(out)
    assert (code, listed["source_id"], listed["url"]) == (0, "cam.local-live", "rtsp://***@cam.local/live")
    assert (listed["speak"]["strategy"], listed["state"]) == ("interval", "")
    assert "secret" not in run("sources", "list")[1]
    assert run("sources", "set", "cam.local-live", "speak.interval_s=2.5", "paused=true")[0] == 0
    changed = json.loads(run("sources", "list", "--json")[1])
    assert (changed["speak"]["interval_s"], changed["paused"], changed["revision"]) == (2.5, True, 1)
    assert run("sources", "remove", "cam.local-live")[0] == 0
    assert run("sources", "list", "--json")[1] == ""


def test_wrong_source_commands_are_refused(run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("sources", "remove", "nope")[0] == 78
    assert run("sources", "set", "nope", "paused=true")[0] == 78
    run("sources", "add", "test://pattern", "--id", "a")
    code, _, err = run("sources", "set", "a", "speak.interval_s=-1")
    assert code == 78
    assert "interval_s" in err
    code, _, err = run("sources", "add", "test://pattern", "--id", "a")
    assert code == 78
    assert "taken" in err


def test_same_url_gets_another_id(run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("sources", "add", "test://pattern")[1] == "pattern\n"
    assert run("sources", "add", "test://pattern")[1] == "pattern-2\n"


def test_status_is_one_object(run: Callable[..., tuple[int, str, str]]) -> None:
    run("sources", "add", "test://pattern", "--id", "a")
    code, out, _ = run("status", "--json")
    status = json.loads(out)
    assert (code, status["type"], status["workers"], status["dead_letters"]) == (0, "status", [], 0)
    assert status["streams"]["chunks"] == {"waiting": 0, "pending": 0}
    assert status["sources"]["a"]["state"] == "waiting"
    assert status["sources"]["a"]["credit"] == 4
    code, out, _ = run("status", "--once")
    assert code == 0
    assert "no service is running" in out


async def put_dead(bus: Bus, body: bytes, reason: str) -> str:
    keys = bus.keys("cam1")
    letter = DeadLetter(keys.chunks, "encoder", "1-0", "w1", 5, reason, 1_700_000_000.0, body)
    entry_id = await bus.redis.xadd(keys.dead, {streams.FIELD: pack(letter)})
    return f"{keys.shard}/{entry_id.decode()}"


async def test_dead_letter_is_replayed_or_dropped(bus: Bus, run: Callable[..., tuple[int, str, str]]) -> None:
    first = await put_dead(bus, pack(Question("q1", "cam1", "why?", 1.0)), "boo")
    second = await put_dead(bus, b"\xff\xff", "malformed")

    def commands() -> None:
        listed = [json.loads(line) for line in run("dlq", "list", "--json")[1].splitlines()]
        assert [(item["id"], item["reason"], item["deliveries"]) for item in listed] == [
            (first, "boo", 5),
            (second, "malformed", 5),
        ]
        assert "malformed" in run("dlq", "list")[1]
        assert json.loads(run("dlq", "show", first)[1])["message"]["text"] == "why?"
        assert json.loads(run("dlq", "show", second)[1])["bytes"] == "ff ff"
        assert run("dlq", "replay")[0] == 78
        assert run("dlq", "show", "0/9-9")[0] == 78
        assert run("dlq", "replay", first) == (0, "1 put back\n", "")
        assert run("dlq", "drop", "--all") == (0, "1 dropped\n", "")
        assert run("dlq", "list")[1] == "no dead letters\n"

    await asyncio.to_thread(commands)
    back = await bus.redis.xrange(bus.keys("cam1").chunks)
    assert [fields[streams.FIELD] for _, fields in back] == [pack(Question("q1", "cam1", "why?", 1.0))]


async def test_watch_continues_after_an_id(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    seen = await bus.emit(decision(0))
    await bus.emit(decision(1))
    await bus.emit(end("Back straight."))
    watching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cornerman", "watch", "cam1", "--json", "--since", seen),
        *("--redis", settings.redis.url),
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert watching.stdout is not None
    first = json.loads(await watching.stdout.readline())
    second = json.loads(await watching.stdout.readline())
    assert (first["type"], first["seq"]) == ("decision", 1)
    assert (second["type"], second["text"]) == ("feedback", "Back straight.")
    watching.send_signal(signal.SIGINT)
    rest, _ = await watching.communicate()
    assert (rest, watching.returncode) == (b"", 0)
    assert second["id"] > first["id"]


def test_unknown_source_is_told_at_once(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, said = run("watch", "nosuch")
    assert (code, out) == (78, "")
    assert "no such source: 'nosuch'; there is none; add it with `cornerman sources add`" in said
    assert run("sources", "add", "test://pattern", "--id", "cam1")[0] == 0
    assert "no such source: 'nosuch'; there are cam1;" in run("watch", "nosuch")[2]


async def test_watch_goes_on_behind_a_lost_server(own_bus: Bus, own_server: Server, tmp_path: Path) -> None:
    await own_bus.emit(decision(0))
    watching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cornerman", "watch", "cam1", "--json", "--since", "0"),
        *("--redis", own_bus.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert watching.stdout is not None and watching.stderr is not None
    seen = [json.loads(await watching.stdout.readline())["seq"]]
    own_server.kill()
    assert b"the server is lost" in await watching.stderr.readline()
    own_server.start()
    await own_bus.ready(60)
    for seq in (1, 2):
        await own_bus.emit(decision(seq))
    seen += [json.loads(await watching.stdout.readline())["seq"] for _ in range(2)]
    assert seen == [0, 1, 2]
    assert await watching.stderr.readline() == b"the server is back; goes on behind the last event shown\n"
    watching.send_signal(signal.SIGINT)
    rest, said = await watching.communicate()
    assert (rest, said, watching.returncode) == (b"", b"", 0)


async def test_answer_is_printed(bus: Bus, run: Callable[..., tuple[int, str, str]]) -> None:
    assert (await asyncio.to_thread(run, "sources", "add", "test://pattern", "--id", "cam1"))[0] == 0
    assert await get_source(bus, "cam1") is not None
    asking = asyncio.create_task(_ask(bus))
    keys = bus.keys("cam1")
    async with asyncio.timeout(60):
        while not (asked := await bus.redis.xrange(keys.questions)):
            await asyncio.sleep(0.02)
    question = unpack(asked[0][1][streams.FIELD], Question)
    request_id = f"cam1:q:{question.question_id}"
    assert question.text == "how many?"
    await bus.emit(end("not this one", "cam1:r1:9"))
    await bus.emit(StartEvent("cam1", "r1", request_id, 1, "question", "next", 0.0, "", "m", TIMES))
    for word in ("Three ", "squats."):
        await bus.emit(DeltaEvent("cam1", "r1", request_id, 1, word, TIMES))
    await bus.emit(end("Three squats.", request_id))
    code, out = await asking
    assert (code, out) == (0, b"Three squats.\n")


async def test_unheard_question_ends_with_the_reason(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "UNHEARD_S", 0.1)
    monkeypatch.setenv("CORNERMAN_DECIDER__QUESTION_S", "0.2")
    await add_source(bus, SourceSpec(source_id="cam1", url="test://pattern"))
    settings = load_settings({"redis": {"url": bus.url}})
    with pytest.raises(GenerationError, match=r"no service answered within 0\.3 s .*cornerman status"):
        await ask._ask(settings, "cam1", "how many?", RunOutput(as_json=False, progress=False))


async def test_refused_question_ends_with_the_reason(bus: Bus) -> None:
    await add_source(bus, SourceSpec(source_id="cam1", url="test://pattern"))
    output = RunOutput(as_json=False, progress=False)
    asking = asyncio.create_task(ask._ask(bus.settings, "cam1", "how many?", output))
    async with asyncio.timeout(60):
        while not (asked := await bus.redis.xrange(bus.keys("cam1").questions)):
            await asyncio.sleep(0.02)
    question = unpack(asked[0][1][streams.FIELD], Question)
    refusal = replace(end("", f"cam1:q:{question.question_id}"), status="failed", cause="16 questions wait already")
    await bus.emit(refusal)
    with pytest.raises(GenerationError, match=r"\(failed\): 16 questions wait already"):
        await asking


async def _ask(bus: Bus) -> tuple[int | None, bytes]:
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cornerman", "ask", "cam1", "how", "many?", "--redis", bus.url),
        stdout=subprocess.PIPE,
        env={**os.environ},
    )
    out, _ = await asking.communicate()
    return asking.returncode, out


async def test_subscribe_yields_feedback(bus: Bus) -> None:
    await bus.emit(decision(0))
    await bus.emit(end("One."))
    await bus.emit(end("Elsewhere.", "cam2:r1:0", "cam2"))
    feedback = cornerman.subscribe("cam1", redis=bus.url, since="0")
    async with contextlib.aclosing(feedback), asyncio.timeout(60):
        first = await anext(feedback)
        await bus.emit(end("Two.", "cam1:r1:1"))
        second = await anext(feedback)
    assert (first.text, second.text) == ("One.", "Two.")
    assert first.latency_ms["total"] == pytest.approx(500.0)
    again = cornerman.subscribe("cam1", redis=bus.url, since=first.event_id)
    async with contextlib.aclosing(again), asyncio.timeout(60):
        assert (await anext(again)).text == "Two."


async def test_follow_needs_no_event_loop(bus: Bus) -> None:
    await bus.emit(end("One."))
    got: list[str] = []

    def follow() -> None:
        for feedback in cornerman.follow(None, redis=bus.url, since="0"):
            got.append(feedback.text)
            if len(got) == 2:
                return

    thread = threading.Thread(target=follow)
    thread.start()
    await bus.emit(end("Two.", "cam2:r1:0", "cam2"))
    deadline = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert got == ["One.", "Two."]
