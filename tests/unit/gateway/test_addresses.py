"""Which source addresses are taken, and what is said of the others."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from cornerman_gateway.addresses import METADATA, AddressRules, check_name_again, check_url, refused
from cornerman_gateway.problems import Problem

SCHEMES = frozenset({"rtsp", "rtsps", "http", "https", "test", "push", "file", "device"})


def rules(*folders: Path, **changes: object) -> AddressRules:
    values: dict[str, object] = {
        "schemes": SCHEMES,
        "folders": folders,
        "allow_files": True,
        "allow_private_hosts": False,
        "allow_loopback": False,
        **changes,
    }
    return AddressRules(**values)  # type: ignore[arg-type]


async def refusal(url: str, given: AddressRules | None = None) -> str:
    with pytest.raises(Problem) as caught:
        await check_url(url, "cam", given or rules())
    assert caught.value.body.status == 422
    return caught.value.body.detail


@pytest.mark.parametrize(
    "url",
    [
        "test://pattern?seconds=0",
        "push://cam",
        "device:0",
        "/dev/video0",
        "device:/dev/video1?size=640x360",
        "rtsp://user:pw@192.168.1.20:554/stream",
        "http://10.1.2.3/clip.mp4",
    ],
)
async def test_ordinary_addresses_are_accepted(url: str) -> None:
    assert await check_url(f" {url} ", "cam", rules()) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://user@169.254.169.254:80/",
        "rtsp://169.254.1.1/x",
        "http://0.0.0.0/",
        "http://127.0.0.1:6379/",
        "http://localhost/",
        "http://127.1/",
        "http://224.0.0.1/",
        "http://100.100.100.200/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[2002:7f00:1::]/",
        "http://[::a9fe:a9fe]/",
        "http://[::7f00:1]/",
        "http://[2001:0:a9fe:a9fe:0:0:0:1]/",
    ],
)
async def test_hosts_that_hold_secrets_are_refused(url: str) -> None:
    assert "gateway.allow_private_hosts" in await refusal(url)


async def test_the_settings_may_allow_them() -> None:
    url = "http://169.254.10.10/cam"
    assert await check_url(url, "cam", rules(allow_private_hosts=True)) == url
    loopback = "http://127.0.0.1:8080/cam"
    assert await check_url(loopback, "cam", rules(allow_loopback=True)) == loopback


@pytest.mark.parametrize("address", METADATA)
def test_metadata_is_refused_even_beside_loopback(address: object) -> None:
    assert refused(ipaddress.ip_address(str(address)), rules(allow_loopback=True))


@pytest.mark.parametrize(
    "url",
    ["ftp://h/x", "gopher://h/", "concat:/etc/passwd", "subfile:,,start,0,end,0,,:/etc/passwd", "data:video/mp4,x"],
)
async def test_other_schemes_are_refused_by_name(url: str) -> None:
    detail = await refusal(url)
    assert url.partition(":")[0] in detail
    assert "gateway.schemes" in detail


async def test_linked_files_stay_in_folders(tmp_path: Path) -> None:
    inside, outside = tmp_path / "videos", tmp_path / "private"
    inside.mkdir()
    outside.mkdir()
    (inside / "a b.mp4").write_bytes(b"x")
    (outside / "secret.mp4").write_bytes(b"x")
    (inside / "link.mp4").symlink_to(outside / "secret.mp4")
    (inside / "dir").symlink_to(outside)
    given = rules(inside)
    whole = str(inside / "a b.mp4")
    assert await check_url(whole, "cam", given) == whole
    assert await check_url("a b.mp4", "cam", given) == whole
    assert await check_url(f"file://{inside}/a%20b.mp4", "cam", given) == whole
    for url in (
        str(outside / "secret.mp4"),
        str(inside / "link.mp4"),
        str(inside / "dir" / "secret.mp4"),
        f"{inside}/../private/secret.mp4",
        "../private/secret.mp4",
        f"file://{inside}/%2e%2e/private/secret.mp4",
        "/etc/passwd",
        "/no/such/file.mp4",
    ):
        assert "gateway.files" in await refusal(url, given), url
    assert "no such file" in await refusal(str(inside / "none.mp4"), given)
    assert "another host" in await refusal("file://other/x.mp4", given)


async def test_files_can_be_switched_off(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert "capture.allow_files" in await refusal("a.mp4", rules(tmp_path, allow_files=False))


async def test_push_url_names_its_source() -> None:
    assert "push://cam" in await refusal("push://other")


async def test_redacted_url_is_refused() -> None:
    assert "credentials" in await refusal("rtsp://***@cam/live")


@pytest.mark.parametrize("url", ["http://a\r\nHost: b/", "rtsp://a/\x00", "http://a b/", "http://a\\@169.254.169.254/"])
async def test_ambiguous_urls_are_refused(url: str) -> None:
    await refusal(url)


async def test_credentials_never_appear_in_a_refusal() -> None:
    detail = await refusal("rtsp://admin:hunter2@169.254.1.1/x")
    assert "hunter2" not in detail
    assert "hunter2" not in await refusal("ftp://admin:hunter2@host/x")


async def test_rebound_name_is_refused_on_reopen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now: list[list[ipaddress.IPv4Address]] = [[ipaddress.IPv4Address("192.168.1.20")]]

    async def resolve(host: str, port: int | None) -> list[ipaddress.IPv4Address]:
        return now[0]

    monkeypatch.setattr("cornerman_gateway.addresses._resolve", resolve)
    url = "http://rebound.example/stream"
    assert await check_url(url, "cam", rules()) == url
    await check_name_again(url, rules())
    now[0] = [ipaddress.IPv4Address("169.254.169.254")]
    with pytest.raises(Problem) as caught:
        await check_name_again(url, rules())
    assert "metadata" in caught.value.body.detail
    await check_name_again(url, rules(allow_private_hosts=True))
    now[0] = []
    await check_name_again(url, rules())  # not found now: capture waits for it


@pytest.mark.parametrize("url", ["http://169.254.7.7/cam", "/videos/a.mp4", "test://pattern", "push://cam", "device:0"])
async def test_numeric_address_is_not_resolved(url: str) -> None:
    await check_name_again(url, rules())
