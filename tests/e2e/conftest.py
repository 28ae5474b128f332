"""Ends commands with their test, and gives each test the time that a busy machine needs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Command

HANGS_S = 900
"""Limit for a test. Tests start browsers, models and six processes each, and wait for conditions, not for a time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(HANGS_S))


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
