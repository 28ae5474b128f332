"""The page's files: compressed, known by content, never outside of their folder."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from cornerman_gateway.static_files import StaticFolder

BODY = "const a = 1;\n" * 200


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "static" / "js").mkdir(parents=True)
    (tmp_path / "static" / "js" / "a.js").write_text(BODY)
    (tmp_path / "secret.txt").write_text("no")
    return TestClient(Starlette(routes=[Mount("/static", StaticFolder(tmp_path / "static"))]))


def test_files_are_compressed(client: TestClient) -> None:
    with client.stream("GET", "/static/js/a.js", headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"].startswith("text/javascript")
    assert gzip.decompress(raw).decode() == BODY and len(raw) < len(BODY) / 10
    for accepted in ("identity", "", "gzip;q=0", "br, GZIP ; q=0.0", "x-nogzip"):
        plain = client.get("/static/js/a.js", headers={"Accept-Encoding": accepted})
        assert plain.text == BODY and "content-encoding" not in plain.headers


def test_known_file_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/static/js/a.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/js/a.js", headers={"If-None-Match": f'W/"x", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/js/a.js", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get("/static/js/a.js", headers={"If-None-Match": "*"}).status_code == 304


def test_nothing_outside_is_served(client: TestClient) -> None:
    for path in ("/static/../secret.txt", "/static/%2e%2e/secret.txt", "/static/js/", "/static/nothing.js"):
        assert client.get(path).status_code == 404
    assert client.post("/static/js/a.js").status_code == 405
