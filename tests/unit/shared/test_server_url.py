"""URLs of several servers: every part is read, and a fault names the part and the remedy, without a password."""

from __future__ import annotations

import pytest

from cornerman_shared.bus.cluster_client import key_of
from cornerman_shared.bus.open_client import open_client
from cornerman_shared.bus.server_url import parse_several
from cornerman_shared.bus.streams import SHARDS
from cornerman_shared.errors import ConfigError


def test_sentinel_url_is_read_whole() -> None:
    where = parse_several(
        "rediss+sentinel://ann:p%40ss@one,two:7,[::1]:8/corner/3?sentinel_username=sam&sentinel_password=s3cret"
        "&ssl_ca_certs=/ca.pem&ssl_check_hostname=false"
    )
    assert (where.kind, where.service) == ("sentinel", "corner")
    assert where.hosts == (("one", 26379), ("two", 7), ("::1", 8))
    assert where.sentinel_options == {"username": "sam", "password": "s3cret"}
    assert where.options == {
        "username": "ann",
        "password": "p@ss",
        "db": 3,
        "ssl": True,
        "ssl_ca_certs": "/ca.pem",
        "ssl_check_hostname": False,
    }


def test_cluster_url_is_read_whole() -> None:
    where = parse_several("redis+cluster://:pw@10.0.0.1:7000,10.0.0.2/0")
    assert (where.kind, where.service, where.hosts) == ("cluster", "", (("10.0.0.1", 7000), ("10.0.0.2", 6379)))
    assert where.options == {"password": "pw", "db": 0, "ssl": False}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+sentinel://ann:hidden@host", "names no service"),
        ("redis+sentinel://ann:hidden@host/a/b/c", "names more than a service and a database"),
        ("redis+sentinel://ann:hidden@host/corner/x", "database 'x' is not a number"),
        ("redis+sentinel://ann:hidden@host/corner?db=x", "database 'x' is not a number"),
        ("redis+sentinel://ann:hidden@host:0/corner", "port '0' of host 'host' is not a number from 1 to 65535"),
        ("redis+sentinel://ann:hidden@host:/corner", "port '' of host 'host'"),
        ("redis+sentinel://ann:hidden@/corner", "host '' cannot be read; give redis.sentinel"),
        ("redis+sentinel://ann:hidden@a,,b/corner", "host '' cannot be read"),
        ("redis+cluster://ann:hidden@host:port", "port 'port' of host 'host'"),
        ("redis+cluster://ann:hidden@host/3", "a cluster has only database 0; leave the database out"),
        ("redis+cluster://ann:hidden@host?db=1", "a cluster has only database 0"),
        ("redis+cluster://ann:hidden@host?colour=red", "unknown parameter 'colour'; known are client_name"),
        ("redis+cluster://ann:hidden@host?sentinel_password=x", "unknown parameter 'sentinel_password'"),
        ("redis+ring://ann:hidden@host", "unknown form; give redis.sentinel://.* or redis.cluster://"),
        ("redis+cluster://ann:hid/den@host", "has an @ behind its host"),
    ],
)
def test_fault_names_part_and_remedy(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_client(url, setting="redis.blobs_url")
    assert str(caught.value).startswith("redis.blobs_url")
    assert "hidden" not in str(caught.value)


def test_missing_ca_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"redis.ca_file = '/no/such.pem' is not a file; give one with certificates"):
        open_client("rediss+cluster://host", ca_file="/no/such.pem")


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("HGET", "{cm1}:run:a", "run"), "{cm1}:run:a"),
        (("EVALSHA", "digest", 2, "{cm1}:chunks", "{cm1}:fence", "x"), "{cm1}:chunks"),
        (("EVAL", "return 1", 0), SHARDS),
        (("XREAD", b"COUNT", b"1", b"STREAMS", "{cm2}:feedback", "0"), "{cm2}:feedback"),
        (("XREADGROUP", b"GROUP", "streams", "me", b"STREAMS", "{cm2}:chunks", ">"), "{cm2}:chunks"),
        (("XINFO GROUPS", "{cm3}:chunks"), "{cm3}:chunks"),
        (("XGROUP CREATE", "{cm3}:chunks", "encoder", "0"), "{cm3}:chunks"),
        (("CONFIG GET", "maxmemory"), SHARDS),
        (("PING",), SHARDS),
    ],
)
def test_command_is_routed_by_its_key(command: tuple[object, ...], key: str) -> None:
    assert key_of(command) == key
