"""The recipes of docs/recipes.md, run as they stand there, as far as no hardware is needed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import ssl
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from cornerman.cli import invoke
from cornerman_common.model_choice import resolve_models
from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.overrides import nest, parse_set
from tests.chat_schemas import LLAMA_CPP_CHAT, OLLAMA_CHAT, SGLANG_CHAT, VLLM_CHAT, VLLM_COMPLETION
from tests.chat_server import SERVED, WORDS, chat_server
from tests.conftest import Server, fast_settings
from tests.e2e.commands import FAST, PATIENCE_S, Command
from tests.e2e.ports import free_port
from tests.e2e.test_one_choice import running
from tests.integration.waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
SAID = "".join(WORDS)
DRAWN = ("--encoder", "mobile_videogpt")


def recipe(title: str) -> list[list[str]]:
    """The `cornerman` command lines below a heading, as lists of words without the first."""
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(title)]
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in blocks.splitlines()]
    return [line[1:] for line in lines if line and line[0] == "cornerman"]


def set_values(line: list[str]) -> dict[str, Any]:
    return nest(parse_set(value for name, value in pairwise(line) if name == "--set"))


def at(line: list[str], url: str, clip: str) -> list[str]:
    """The line with the test server's address, about `clip`, a drawing, without skipping."""
    swapped = [re.sub(r"^generator\.base_url=.*", f"generator.base_url={url}", word) for word in line]
    return [clip if word == "squat.mp4" else word for word in swapped] + [*DRAWN, "--lossless", "--json", *FAST]


def test_webcam_is_tried(cornerman: Callable[..., Command]) -> None:
    """Without a camera the command ends with the reason."""
    ((*line,),) = recipe("A webcam")
    ended = cornerman(*line, "--json", "--set", "watch.give_up_s=0.5", "--encoder", "fake", *FAST).end()
    if ended.code == 66:
        assert "camera" in ended.errors
        return
    (device,) = ended.sources
    assert device == "device-0"
    assert ended.of("decision"), ended.errors


async def test_phone_gets_https(cornerman: Callable[..., Command], monkeypatch: pytest.MonkeyPatch) -> None:
    ((*line,),) = recipe("A phone")
    token, port = "a-token-of-a-phone-recipe", free_port()
    monkeypatch.setenv("CORNERMAN_GATEWAY__TOKEN", token)
    fakes = ("--set", "encoder.backend=fake", "--set", "generator.backend=echo")
    up = cornerman(*[str(port) if word == "8443" else word for word in line], *fakes, *FAST)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusting) as web:

        async def answered() -> httpx.Response | None:
            try:
                return await web.get("/api/sources", headers={"Authorization": f"Bearer {token}"})
            except httpx.HTTPError:
                return None

        assert (await until(answered, PATIENCE_S)).status_code == 200
        assert (await web.get("/api/sources")).status_code == 401
    up.process.send_signal(signal.SIGINT)
    up.process.communicate(timeout=PATIENCE_S)


def test_checkpoint_is_both_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ((*line,),) = recipe("A published checkpoint")
    choice = resolve_models(set_values(line))
    name = "Amshaker/Mobile-VideoGPT-0.5B"
    assert (choice.settings.encoder.model, choice.settings.generator.model) == (name, name)
    assert (choice.decider.backend, choice.settings.generator.device) == ("rules", "cuda")


RECIPES = {
    "Ollama": ("Ollama", 0, "/chat/completions", OLLAMA_CHAT),
    "SGLang": ("SGLang", 0, "/chat/completions", SGLANG_CHAT),
    "llama.cpp": ("llama.cpp", 0, "/chat/completions", LLAMA_CPP_CHAT),
    "vLLM, frames": ("vLLM", 0, "/chat/completions", VLLM_CHAT),
    "vLLM, tokens": ("vLLM", 2, "/completions", VLLM_COMPLETION),
}


@pytest.mark.parametrize(("title", "which", "path", "schema"), RECIPES.values(), ids=RECIPES)
def test_server_finds_the_words(
    title: str, which: int, path: str, schema: dict[str, Any], cornerman: Callable[..., Command], short_clip: str
) -> None:
    with chat_server(path, schema) as server:
        ended = cornerman(*at(recipe(title)[which], server.url, short_clip)).end()
    assert (ended.code, server.refused) == (0, []), ended.errors
    said = [line["text"] for line in ended.of("feedback") if not line.get("silent")]
    assert said and set(said) == {SAID}
    assert len(server.requests) == len(ended.of("feedback"))
    assert ended.of("error") == []
    if path == "/completions":
        assert {body["model"] for body in server.requests} == {SERVED}


def test_exported_half_is_what_the_server_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server knows the half by its own folder; the command that follows names none."""
    monkeypatch.chdir(tmp_path)
    _, export, run = recipe("vLLM")
    assert invoke(export) == 0
    assert (tmp_path / SERVED / "config.json").is_file()
    assert not any("generator.model" in word for word in run)


async def test_machines_share_the_work(
    cornerman: Callable[..., Command],
    own_server: Server,
    short_clip: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CORNERMAN_REDIS_URL", own_server.url)
    monkeypatch.setenv("CORNERMAN_GENERATOR__BACKEND", "openai")
    monkeypatch.setenv("CORNERMAN_GENERATOR__MODEL", "NAME")
    with chat_server("/chat/completions", VLLM_CHAT) as server:
        port = ("--port", str(free_port()))
        machines = [
            cornerman(*at(line, server.url, short_clip)[: len(line)], *(port if "gateway" in line else ()), *FAST)
            for line in recipe("Several machines")
        ]
        assert len(machines) == 3
        async with Bus.connect(fast_settings(own_server.url, tmp_path)) as bus:
            await running(bus)
        # `run` joins the services that are there; it starts none of its own.
        ended = cornerman("run", short_clip, "--lossless", "--json", "--set", f"generator.base_url={server.url}").end()
        for machine in machines:
            machine.process.send_signal(signal.SIGINT)
            machine.process.communicate(timeout=PATIENCE_S)
    assert ended.code == 0, ended.errors
    said = {line["text"] for line in ended.of("feedback") if not line.get("silent")}
    assert said == {SAID}, [line for line in ended.lines if line.get("action") != "next"]
    assert {line["action"] for line in ended.of("decision")} >= {"next", "correct"}, "the head decided"
    assert server.refused == [] and os.environ["CORNERMAN_REDIS_URL"] == own_server.url
