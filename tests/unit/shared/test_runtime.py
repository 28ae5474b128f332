"""Flags and exit codes of the runtime; whole processes are an integration test."""

import pytest

from cornerman_shared.errors import ConfigError, FatalError, RetryableError
from cornerman_shared.process import logs, runtime


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 78),
        (RetryableError("x"), 69),
        (FatalError("x"), 70),
        (ValueError("x"), 70),
        (ExceptionGroup("g", [ValueError("x"), ExceptionGroup("h", [ConfigError("y")])]), 78),
        (BaseExceptionGroup("g", [RetryableError("x")]), 69),
    ],
)
def test_each_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert runtime._exit_code(error, logs.get_logger("test")) == code


def test_interrupt_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        runtime._exit_code(KeyboardInterrupt(), logs.get_logger("test"))


def test_flags_override_set_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORNERMAN_ENCODER__BATCH", "3")
    monkeypatch.setenv("CORNERMAN_REDIS_URL", "redis://environment")
    settings = runtime._settings("encoder", ["--redis", "redis://flag", "--set", "encoder.threads=2", "--name", "w7"])
    assert (settings.redis.url, settings.encoder.threads, settings.encoder.batch) == ("redis://flag", 2, 3)
    assert settings.runtime.name == "w7"


def test_wrong_usage_exits_with_64(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        runtime._settings("encoder", ["--batch", "3"])
    assert caught.value.code == 64
    assert "--batch" in capsys.readouterr().err


def test_help_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        runtime._settings("encoder", ["--help"])
    assert caught.value.code == 0
    assert "--redis URL" in capsys.readouterr().out
