"""A command whose encoder dies on every chunk: the other services go on, and a file's run ends with a clear error."""

from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman.local.restarts import Restarts
from cornerman_shared.backoff import Backoff


def test_dead_role_ends_run_of_file(
    tmp_path: Path, short_clip: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path / "run"))
    monkeypatch.delenv("CORNERMAN_REDIS_URL", raising=False)
    monkeypatch.setattr(
        "cornerman.local.launcher.Restarts", lambda _: Restarts(Backoff(0.01, 0.01), Backoff(0.01, 0.1), most=1)
    )
    sets = ("encoder.fake_crash_rate=1", "bus.max_deliveries=1000", "runtime.down_s=3")
    flags = [part for one in sets for part in ("--set", one)]
    code = invoke(["run", short_clip, "--lossless", "--encoder", "fake", "--generator", "echo", *flags])
    said = capfd.readouterr().err
    assert code != 0
    assert "encoder: encoder ended with exit code 137" in said
    assert "the next try is in" in said
    assert "nothing moves without it: encoder ended with exit code 137, again and again" in said
    assert "(runtime.down_s)" in said
