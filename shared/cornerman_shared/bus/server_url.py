"""Addresses of several servers: `redis+sentinel://` and `redis+cluster://`, with `rediss+` for TLS.

    redis+sentinel://user:password@host:26379,host:26379/SERVICE/0?sentinel_password=…
    redis+cluster://user:password@host:6379,host:6379

One server (`redis://`, `rediss://`, `unix://`) is read by redis-py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlencode

from redis.asyncio.connection import parse_url

from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import redact_url

Host = tuple[str, int]

SENTINEL_PORT: Final = 26379
SERVER_PORT: Final = 6379
EXAMPLES: Final = {
    "sentinel": "redis+sentinel://host:26379,host:26379/mymaster/0",
    "cluster": "redis+cluster://host:6379,host:6379",
}
OPTIONS: Final = frozenset(
    {
        *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version"),
        *("ssl_ciphers", "client_name", "health_check_interval", "socket_keepalive"),
    }
)
"""Query parameters that are passed to redis-py."""
SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})

_FORM = re.compile(r"(?P<scheme>rediss?)\+(?P<kind>[a-z]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+)(?::(?P<port>.*))?")


@dataclass(frozen=True, slots=True)
class SeveralServers:
    """What the URL of several servers says.

    Attributes:
        kind: "sentinel" or "cluster".
        hosts: of the sentinels, or of some nodes of the cluster.
        service: name that the sentinels monitor; empty for a cluster.
        options: of a connection to a server, as redis-py names them, without its host and port.
        sentinel_options: credentials of the sentinels.
    """

    kind: Literal["sentinel", "cluster"]
    hosts: tuple[Host, ...]
    service: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    sentinel_options: dict[str, str] = field(default_factory=dict)


def is_several(url: str) -> bool:
    """Whether the URL names several servers."""
    return re.match(r"rediss?\+", url) is not None


def parse_several(url: str, setting: str = "redis.url") -> SeveralServers:
    """Reads the URL of several servers.

    Args:
        url: as above.
        setting: that holds it, for errors.

    Raises:
        ConfigError: names the part that cannot be read, and the remedy; without credentials.
    """
    try:
        return _parse(url)
    except ValueError as error:
        raise ConfigError(f"{setting} = {redact_url(url)!r}: {redact_url(str(error))}") from None


def _parse(url: str) -> SeveralServers:
    form = _FORM.match(url)
    kind = form["kind"] if form else ""
    if form is None or kind not in EXAMPLES:
        raise ValueError(f"unknown form; give {EXAMPLES['sentinel']} or {EXAMPLES['cluster']}")
    userinfo, _, hosts_text = form["authority"].rpartition("@")
    default_port = SENTINEL_PORT if kind == "sentinel" else SERVER_PORT
    hosts = tuple(_host(text, default_port, EXAMPLES[kind]) for text in hosts_text.split(","))
    query = dict(parse_qsl((form["query"] or "").removeprefix("?"), keep_blank_values=True))
    parts = [unquote(part) for part in form["path"].strip("/").split("/") if part]
    sentinel_options: dict[str, str] = {}
    if kind == "sentinel":
        service, database = _service(parts, query)
        sentinel_options = {
            name.removeprefix("sentinel_"): query.pop(name) for name in SENTINEL_OPTIONS if name in query
        }
    else:
        service, database = "", _only_database(parts, query)
    if unknown := sorted(query.keys() - OPTIONS):
        known = sorted(OPTIONS | (SENTINEL_OPTIONS if kind == "sentinel" else frozenset()))
        raise ValueError(f"unknown parameter {unknown[0]!r}; known are {', '.join(known)}")
    login = f"{userinfo}@" if userinfo else ""
    options = parse_url(f"{form['scheme']}://{login}host/{database}?{urlencode(query)}")
    # redis-py says by the class of a connection whether it is encrypted.
    options["ssl"] = form["scheme"] == "rediss"
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    return SeveralServers("sentinel" if kind == "sentinel" else "cluster", hosts, service, options, sentinel_options)


def _host(text: str, default_port: int, example: str) -> Host:
    found = _HOST.fullmatch(text.strip())
    if not found:
        raise ValueError(f"host {text!r} cannot be read; give {example}")
    port = found["port"]
    if port is None:
        return found["host"].strip("[]"), default_port
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"port {port!r} of host {found['host']!r} is not a number from 1 to 65535")
    return found["host"].strip("[]"), int(port)


def _service(parts: list[str], query: dict[str, str]) -> tuple[str, int]:
    """The service and the database of a sentinel's path."""
    if not parts or len(parts) > 2:
        raise ValueError(
            f"names {'no' if not parts else 'more than a'} service and a database; give the name behind "
            f"`sentinel monitor`, for example {EXAMPLES['sentinel']}"
        )
    return parts[0], _database([*parts[1:], *([query.pop("db")] if "db" in query else [])], EXAMPLES["sentinel"])


def _only_database(parts: list[str], query: dict[str, str]) -> int:
    if _database([*parts, *([query.pop("db")] if "db" in query else [])], EXAMPLES["cluster"]) != 0:
        raise ValueError("a cluster has only database 0; leave the database out")
    return 0


def _database(names: list[str], example: str) -> int:
    for name in names:
        if not (name.isascii() and name.isdecimal()):
            raise ValueError(f"database {name!r} is not a number; give {example}")
    return int(names[0]) if names else 0
