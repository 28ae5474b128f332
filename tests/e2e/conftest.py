"""Commands are ended with their test, however it ended."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Command


@pytest.fixture
def cornerman(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(*line: str) -> Command:
        started.append(Command(tmp_path, *line))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
