"""The bundled head decides while another model speaks: the same decisions, the server's words."""

from collections.abc import Callable

from tests.chat_schemas import OLLAMA_CHAT
from tests.chat_server import WORDS, chat_server
from tests.e2e.commands import FAST, Command

ALONE = ("--encoder", "mobile_videogpt", "--lossless", "--json", "--set", "encoder.batch=1", *FAST)


def test_openai_keeps_the_decisions(cornerman: Callable[..., Command], short_clip: str) -> None:
    own = cornerman("run", short_clip, *ALONE).end()
    with chat_server("/chat/completions", OLLAMA_CHAT) as server:
        there = ("--set", f"generator.base_url={server.url}", "--set", "generator.model=qwen3-vl:8b")
        other = cornerman("run", short_clip, "--generator", "openai", *there, *ALONE).end()
    assert (own.code, other.code, server.refused) == (0, 0, []), other.errors
    decided = [[(line["seq"], line["action"]) for line in run.of("decision")] for run in (own, other)]
    assert decided[0] == decided[1]
    assert {action for _, action in decided[0]} >= {"next", "correct"}
    # The first of two equal sentences in a row is said, the other held back as a repeat.
    assert {line["text"] for line in other.of("feedback") if not line.get("silent")} == {"".join(WORDS)}
    assert len(other.of("feedback")) == len(own.of("feedback")) == len(server.requests)
    assert all("confidence 0." in prompt or "confidence 1." in prompt for prompt in server.prompts)
    images = [part for part in server.requests[0]["messages"][-1]["content"] if part["type"] == "image_url"]
    assert len(images) in range(8, 33, 4), "every frame of its chunks, which overlap by four, once"
