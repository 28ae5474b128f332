"""Server choice, with real embedded servers."""

from pathlib import Path

import redis

from cornerman.local.server_choice import OWNER, choose_server
from cornerman_shared.bus import embedded
from cornerman_shared.settings.tree import Settings, load_settings


def settings_in(folder: Path) -> Settings:
    return load_settings({"runtime": {"dir": str(folder)}})


def pings(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def test_first_command_starts_the_server(tmp_path: Path) -> None:
    with choose_server(settings_in(tmp_path), {}, "run") as choice:
        assert choice.server is not None
        assert not choice.shared
        assert choice.settings.redis.url == embedded.socket_url(settings_in(tmp_path))
        assert pings(choice.settings.redis.url)
        assert choice.overrides == {
            "redis": {"url": choice.settings.redis.url},
            "runtime": {"dir": str(tmp_path)},
        }
    assert not embedded.answers(embedded.server_socket(settings_in(tmp_path)))
    assert not (tmp_path / OWNER).exists()


def test_second_run_gets_private_server(tmp_path: Path) -> None:
    with choose_server(settings_in(tmp_path), {}, "demo") as first:
        with choose_server(settings_in(tmp_path), {"encoder": {"batch": 2}}, "run") as second:
            assert second.server is not None
            assert second.settings.redis.url != first.settings.redis.url
            assert second.overrides["encoder"] == {"batch": 2}
            own = Path(second.overrides["runtime"]["dir"])
            assert own.parent == tmp_path
            assert pings(second.settings.redis.url)
        assert not own.exists()
        assert pings(first.settings.redis.url)


def test_run_joins_up_demo_does_not(tmp_path: Path) -> None:
    with choose_server(settings_in(tmp_path), {}, "up") as up:
        with choose_server(settings_in(tmp_path), {}, "run") as guest:
            assert guest.shared
            assert guest.settings.redis.url == up.settings.redis.url
        assert pings(up.settings.redis.url)
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
