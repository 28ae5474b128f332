"""A small Qwen3-VL with random weights speaks in the whole pipeline: five processes, pictures, words."""

from collections.abc import Callable
from pathlib import Path

from tests.e2e.commands import FAST, Command
from tests.unit.generator.test_vlm_families import write_family


def test_pictures_become_words(cornerman: Callable[..., Command], short_clip: str, tmp_path: Path) -> None:
    folder = write_family("Qwen3VL", tmp_path / "qwen3-vl")
    there = ("--set", f"generator.model={folder}", "--set", "say.max_new_tokens=8", "--set", "generator.threads=1")
    ended = cornerman(
        "run", short_clip, "--encoder", "mobile_videogpt", "--generator", "vlm", *there, "--lossless", "--json", *FAST
    ).end()
    assert ended.code == 0, ended.errors
    assert ended.of("error") == []
    assert [line for line in ended.of("feedback") if line["text"]], "random weights say something"
