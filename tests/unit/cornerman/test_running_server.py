"""Commands that start no server: a missing one is told at once."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.server_address import server_socket
from cornerman_shared.settings.tree import RuntimeSettings, Settings

COMMANDS = (
    *(["watch", "cam"], ["summary", "cam"], ["ask", "cam", "how many?"], ["status"], ["sources", "list"]),
    ["dlq", "list"],
)


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_missing_server_is_not_waited_for(
    command: list[str],
    stale: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each waited three seconds; a socket may be left of a server that was killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path))
    monkeypatch.delenv("CORNERMAN_REDIS_URL", raising=False)

    async def waits(bus: Bus, timeout_s: float = 30.0) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(Bus, "ready", waits)
    if stale:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(server_socket(Settings(runtime=RuntimeSettings(dir=str(tmp_path))))))
    assert invoke(command) == 69
    assert "no server runs here; start one with `cornerman up`" in " ".join(capsys.readouterr().err.split())
