"""Every metric is declared once, exists from the start and is served."""

import urllib.request
from dataclasses import fields

import psutil
import pytest

from cornerman_shared.errors import ConfigError
from cornerman_shared.process.metrics import DECLARED, PREFIX, Metrics


def test_attributes_equal_declarations() -> None:
    attributes = {item.name for item in fields(Metrics)} - {"registry"}
    assert attributes == set(DECLARED)


def test_exposed_names_equal_attributes() -> None:
    exposed = {metric.name for metric in Metrics().registry.collect()}
    assert exposed == {PREFIX + name.removesuffix("_total") for name in DECLARED}


def test_registries_are_separate() -> None:
    one, other = Metrics(), Metrics()
    one.output_tokens_total.inc(5)
    assert b"cornerman_output_tokens_total 5.0" in one.text()
    assert b"cornerman_output_tokens_total 0.0" in other.text()


def test_metrics_are_served_until_stopped(unused_tcp_port: int) -> None:
    metrics = Metrics()
    metrics.frames_total.labels("captured").inc(7)
    stop = metrics.serve("127.0.0.1", unused_tcp_port)
    with urllib.request.urlopen(f"http://127.0.0.1:{unused_tcp_port}/metrics") as reply:
        assert b'cornerman_frames_total{kind="captured"} 7.0' in reply.read()
    with pytest.raises(ConfigError, match=f"metrics_port = {unused_tcp_port}"):
        Metrics().serve("127.0.0.1", unused_tcp_port)
    stop()
    Metrics().serve("127.0.0.1", unused_tcp_port)()


def test_metrics_listen_where_told(unused_tcp_port: int) -> None:
    stop = Metrics().serve("127.0.0.1", unused_tcp_port)
    own = [each for each in psutil.Process().net_connections("tcp") if each.laddr.port == unused_tcp_port]
    assert {each.laddr.ip for each in own} == {"127.0.0.1"}
    stop()
    with pytest.raises(ConfigError, match=r"metrics_host = '192\.0\.2\.1'.*an address of this machine"):
        Metrics().serve("192.0.2.1", unused_tcp_port)
