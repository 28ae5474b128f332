"""Addresses of sources in Redis, encrypted: what is stored, who can read it, rotation, and a key that is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from cornerman.cli import invoke
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import (
    add_source,
    get_source,
    list_sources,
    put_source,
    reseal_sources,
    update_source,
)
from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import is_sealed, redact_url
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings, load_settings
from tests.integration.capture_harness import capture, has_chunks, is_state, spec
from tests.integration.waiting import until

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = "rtsp://me:hunter22@cam/live"
CAMERA = SourceSpec(source_id="cam", url=SECRET)


def with_keys(settings: Settings, *keys: str) -> Settings:
    return settings.model_copy(update={"redis": settings.redis.model_copy(update={"encryption_keys": ",".join(keys)})})


async def stored(bus: Bus, source_id: str = "cam") -> bytes:
    return bytes(await bus.redis.hget(bus.keys(source_id).sources, source_id))


@pytest.fixture
def opened(settings: Settings, bus: Bus) -> Callable[..., Bus]:
    """Buses with keys, on the server of `bus`."""
    return lambda *keys: Bus.connect(with_keys(settings, *keys))


async def test_stored_address_is_encrypted(opened: Callable[..., Bus]) -> None:
    async with opened(OLD) as bus:
        await add_source(bus, CAMERA)
        assert b"hunter22" not in await stored(bus)
        assert b"cam/live" not in await stored(bus)
        found = await get_source(bus, "cam")
        assert found and found.url == SECRET
        changed = await update_source(bus, "cam", {"url": SECRET.replace("live", "other")})
        assert changed.url.endswith("other")
        assert b"hunter22" not in await stored(bus)


async def test_plain_addresses_stay_readable(opened: Callable[..., Bus], bus: Bus) -> None:
    await add_source(bus, CAMERA)
    assert b"hunter22" in await stored(bus)
    async with opened(OLD) as keyed:
        assert (await list_sources(keyed))["cam"].url == SECRET


async def test_keys_rotate(opened: Callable[..., Bus]) -> None:
    async with opened(OLD) as bus:
        await add_source(bus, CAMERA)
        await put_source(bus, CAMERA.model_copy(update={"source_id": "other"}))
    async with opened(NEW, OLD) as bus:
        assert await reseal_sources(bus) == []
    async with opened(NEW) as bus:
        assert {one.url for one in (await list_sources(bus)).values()} == {SECRET}
    async with opened(OLD) as bus:
        assert await reseal_sources(bus) == ["cam", "other"]


@pytest.mark.parametrize("keys", [(), (NEW,)], ids=["missing", "wrong"])
async def test_closed_address_survives_changes(opened: Callable[..., Bus], keys: tuple[str, ...]) -> None:
    async with opened(OLD) as bus:
        await add_source(bus, CAMERA)
    async with opened(*keys) as bus:
        found = await update_source(bus, "cam", {"say": {"prompt": "How is it going?"}})
        assert is_sealed(found.url)
        assert redact_url(f"cannot open {found.url}") == "cannot open sealed:***"
    async with opened(OLD) as bus:
        kept = await get_source(bus, "cam")
        assert kept and (kept.url, kept.say.prompt) == (SECRET, "How is it going?")


async def test_wrong_key_is_one_source_error(opened: Callable[..., Bus], bus: Bus, settings: Settings) -> None:
    async with opened(OLD) as keyed:
        await add_source(keyed, spec(source_id="closed"))
    await add_source(bus, spec(source_id="open"))
    async with capture(with_keys(settings, NEW)):
        await until(has_chunks(bus, 1, source_id="open"))
        await until(is_state(bus, "failed", source_id="closed"))
        detail = await bus.redis.hget(bus.keys("closed").run("closed"), "detail")
        assert b"is encrypted, and this capture process has no key that opens it" in detail
        await until(is_state(bus, "ended", source_id="open"))
    async with capture(with_keys(settings, NEW, OLD)):
        await until(has_chunks(bus, 1, source_id="closed"))


def test_unusable_keys_are_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"key 2 of redis\.encryption_keys is not a Fernet key.*openssl rand"
    ) as caught:
        Bus.connect(with_keys(settings, OLD, "too-short-a-key"))
    assert "too-short-a-key" not in str(caught.value)
    missing = str(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"redis\.encryption_keys_file = .* cannot be read"):
        Bus.connect(load_settings({"redis": {"url": "redis://nowhere", "encryption_keys_file": missing}}))


def test_command_seals_with_keys_of_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CORNERMAN_REDIS_URL", settings.redis.url)
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path / "run"))
    assert invoke(["sources", "add", "test://pattern", "--id", "bars"]) == 0
    assert invoke(["sources", "seal"]) != 0
    assert "there is no key" in capsys.readouterr().err
    file = tmp_path / "keys"
    file.write_text(f"{NEW}\n{OLD}\n")
    monkeypatch.setenv("CORNERMAN_REDIS__ENCRYPTION_KEYS_FILE", str(file))
    assert invoke(["sources", "seal"]) == 0
    assert "every address is encrypted" in capsys.readouterr().out
    monkeypatch.delenv("CORNERMAN_REDIS__ENCRYPTION_KEYS_FILE")
    assert invoke(["sources", "list"]) == 0
    assert "sealed:***" in capsys.readouterr().out
