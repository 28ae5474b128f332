"""Server choice, with real embedded servers."""

import asyncio
from pathlib import Path

import redis

from cornerman.local.options import CommandSettings
from cornerman.local.running import with_running_models
from cornerman.local.server_choice import ServerChoice, choose_server
from cornerman.local.server_owner import OWNER
from cornerman_shared.bus import embedded
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.server_address import server_socket, socket_url
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.settings.tree import Settings, load_settings


def settings_in(folder: Path) -> Settings:
    return load_settings({"runtime": {"dir": str(folder)}})


def pings(choice: ServerChoice) -> bool:
    own = choice.settings.redis
    with redis.Redis.from_url(own.url, password=own.password) as client:
        return bool(client.ping())


def test_first_command_starts_the_server(tmp_path: Path) -> None:
    with choose_server(settings_in(tmp_path), {}, "run") as choice:
        assert choice.server is not None
        assert not choice.shared
        assert choice.settings.redis.url == socket_url(server_socket(settings_in(tmp_path)))
        assert pings(choice)
        assert choice.overrides == {
            "redis": {"url": choice.settings.redis.url, "blobs_url": "", "password": choice.settings.redis.password},
            "runtime": {"dir": str(tmp_path)},
        }
    assert not embedded.answers(server_socket(settings_in(tmp_path)), choice.settings.redis.password)
    assert not (tmp_path / OWNER).exists()


def test_kept_data_gets_server_for_blobs(tmp_path: Path) -> None:
    settings = load_settings({"runtime": {"dir": str(tmp_path)}, "redis": {"data_dir": str(tmp_path / "data")}})
    with choose_server(settings, {}, "up") as up:
        own = up.settings.redis
        with redis.Redis.from_url(own.blobs_url, password=own.password) as blobs:
            assert blobs.config_get("appendonly")["appendonly"] == "no"
            assert blobs.config_get("maxmemory-policy")["maxmemory-policy"] == "volatile-ttl"
            blobs.set("frames", b"0" * 5_000_000)
        # A guest knows no data folder, and finds both servers.
        with choose_server(settings_in(tmp_path), {}, "run") as guest:
            assert guest.settings.redis.blobs_url == own.blobs_url
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 1_000_000
    with choose_server(settings_in(tmp_path), {}, "run") as later:
        assert later.settings.redis.blobs_url == ""


def test_second_run_gets_private_server(tmp_path: Path) -> None:
    with choose_server(settings_in(tmp_path), {}, "demo") as first:
        with choose_server(settings_in(tmp_path), {"encoder": {"batch": 2}}, "run") as second:
            assert second.server is not None
            assert second.settings.redis.url != first.settings.redis.url
            assert second.overrides["encoder"] == {"batch": 2}
            own = Path(second.overrides["runtime"]["dir"])
            assert own.parent == tmp_path
            assert pings(second)
        assert not own.exists()
        assert pings(first)


def test_run_joins_up_demo_does_not(tmp_path: Path) -> None:
    with choose_server(settings_in(tmp_path), {}, "up") as up:
        with choose_server(settings_in(tmp_path), {}, "run") as guest:
            assert guest.shared
            assert guest.settings.redis.url == up.settings.redis.url
        assert pings(up)
        with choose_server(settings_in(tmp_path), {}, "demo") as demo:
            assert not demo.shared
            assert demo.settings.redis.url != up.settings.redis.url


def test_dead_owner_is_ignored(tmp_path: Path) -> None:
    server = embedded.start(settings_in(tmp_path))
    assert server is not None
    with server:
        (tmp_path / OWNER).write_text('{"pid": 4194305, "command": "up"}')
        with choose_server(settings_in(tmp_path), {}, "run") as choice:
            assert not choice.shared


def test_given_server_is_used(tmp_path: Path) -> None:
    settings = load_settings({"redis": {"url": "redis://somewhere:1"}, "runtime": {"dir": str(tmp_path)}})
    with choose_server(settings, {"encoder": {"batch": 2}}, "run") as choice:
        assert choice.shared
        assert choice.settings is settings
        assert choice.overrides == {"encoder": {"batch": 2}, "redis": {"url": "redis://somewhere:1"}}


def test_other_models_are_not_joined(tmp_path: Path) -> None:
    """`poll`, whose looks skeletons are not read from, joined a `cornerman up` that reads skeletons."""
    own = settings_in(tmp_path)
    pictures = own.model_copy(update={"encoder": own.encoder.model_copy(update={"backend": "mobile_videogpt"})})
    with choose_server(own, {}, "up") as up:
        asyncio.run(report_skeletons(up.settings))
        with choose_server(pictures, {}, "run") as alone:
            assert not alone.shared
        asyncio.run(report_skeletons(up.settings))
        chosen = with_running_models(CommandSettings(own, {"runtime": {"dir": str(tmp_path)}}))
        assert chosen.settings.encoder.backend == "pose"
        with choose_server(chosen.settings, {}, "run") as guest:
            assert guest.shared


async def report_skeletons(settings: Settings) -> None:
    async with Bus.connect(settings) as bus:
        await bus.ready(30)
        now_s = bus.clock.now_s()
        models = {"backend": "pose", "model": ""}
        await publish_status(bus, WorkerStatus("encoder", "e", 1, "h", "running", now_s, now_s, 0, 0, models=models))
