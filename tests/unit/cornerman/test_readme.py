"""The README: its commands are typed as they stand there, and each is run by a test or needs hardware that is named."""

from __future__ import annotations

import ast
import functools
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cornerman.cli import build_app
from cornerman_shared.settings.overrides import nest, parse_set
from cornerman_shared.settings.tree import load_settings

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")

NEEDS = {
    "cornerman run device:0": "a camera",
    "cornerman run rtsp:": "a camera",
    "docker compose": "Docker",
    "echo": "Docker",
}
"""How a line begins -> what it needs that a test machine lacks."""

RUN_BY = {
    "make": "test_readme_targets_exist",
    "cornerman bench polling": "test_poll_writes_its_measurements",
    "cornerman comment": "test_every_entrance_has_one_choice",
    "cornerman evaluate --gym": "test_seed_determines_the_numbers",
    "cornerman evaluate --people": "test_people_are_scored_as_text",
    "cornerman poll": "test_every_entrance_has_one_choice",
    "cornerman run": "test_clip_is_coached_equally",
    "cornerman run squat.mp4 --generator openai": "test_server_finds_the_words",
    "cornerman sources add": "test_source_is_added_changed_removed",
    "cornerman status": "test_status_is_one_object",
    "cornerman summary": "test_summary_is_one_click_away",
    "cornerman transcribe": "test_case_gets_words_in_time",
    "cornerman up": "test_run_uses_services_of_up",
    "cornerman watch": "test_watch_continues_after_an_id",
}
"""How a line begins -> a test that runs such a command."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def lines() -> list[list[str]]:
    """Every command line of blocks and tables as words, without variables before it and the file that it writes."""
    text = "\n".join([*blocks("sh"), *re.findall(r"^\|.*`(cornerman [^`]+)`", README, flags=re.MULTILINE)])
    typed = [line.partition(" > ")[0] for line in text.replace("\\\n", " ").splitlines()]
    found = [shlex.split(line, comments=True) for line in typed]
    commands = [[word for word in line if word != "&" and not re.match(r"[A-Z_]+=", word)] for line in found if line]
    return [[line[0].removeprefix(".venv/bin/"), *line[1:]] for line in commands]


LINES = lines()


@functools.cache
def known_tests() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"def (test_\w+)\(", text)}


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_line_is_run_or_names_its_need(line: list[str]) -> None:
    text = " ".join(line)
    if any(text.startswith(start) for start in NEEDS):
        return
    start = max((start for start in RUN_BY if text.startswith(start)), key=len, default="")
    assert start, f"no test runs `{text}`"
    assert RUN_BY[start] in known_tests()


def test_every_row_is_in_the_readme() -> None:
    texts = [" ".join(line) for line in LINES]
    assert [start for start in (*NEEDS, *RUN_BY) if not any(text.startswith(start) for text in texts)] == []


@pytest.mark.parametrize("line", [line for line in LINES if line[0] == "cornerman"], ids=" ".join)
def test_options_and_settings_exist(line: list[str]) -> None:
    command: Any = typer.main.get_command(build_app(line[1:]))
    context = command.make_context("cornerman", line[1:])
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    load_settings(nest(parse_set(value for option, value in pairwise(line) if option == "--set")))


@pytest.mark.parametrize("code", blocks("python"))
def test_python_compiles(code: str) -> None:
    ast.parse(code)


def test_pictures_and_pages_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
