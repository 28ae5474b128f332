"""Redaction removes every credential and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_shared.redact import credentials_fault, hide_known, redact_url, redact_value, remember_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:secret@cam:554/live", "rtsp://***@cam:554/live"),
        ("rtsp://admin:pa@ss@cam/live", "rtsp://***@cam/live"),
        ("rtsp://admin:pa/ss@cam/live", "rtsp://***@cam/live"),
        ("rtsp://admin:p?a#ss@cam/live", "rtsp://***@cam/live"),
        ("rediss://:secret@host:6380/0", "rediss://***@host:6380/0"),
        ("redis://user@host", "redis://***@host"),
        ("http://h/x?token=abc&w=1", "http://h/x?token=***&w=1"),
        ("http://h/x?w=1&API_KEY=abc", "http://h/x?w=1&API_KEY=***"),
        ("http://h/v.cgi?loginuse=a&loginpas=hunter22", "http://h/v.cgi?loginuse=a&loginpas=***"),
        ("http://h/x?X-Amz-Signature=0abc1&w=1", "http://h/x?X-Amz-Signature=***&w=1"),
        ("http://h/x?auth[pass]=hunter22", "http://h/x?auth[pass]=***"),
        ("http://h/x?auth%5Bpass%5D=hunter22", "http://h/x?auth%5Bpass%5D=***"),
        ("http://h/x?client_secret=s3cret", "http://h/x?client_secret=***"),
        ("http://h/x#access_token=s3cret", "http://h/x#access_token=***"),
        ("rtsp://admin:12345/s3cret@cam/live", "rtsp://***@cam/live"),
        ("rtsp://u:p@ss/w@rd@cam/live", "rtsp://***@cam/live"),
        ("opened rtsp://a:b@h/1 and rtsp://c:d@h/2", "opened rtsp://***@h/1 and rtsp://***@h/2"),
    ],
)
def test_credentials_are_hidden(text: str, shown: str) -> None:
    assert redact_url(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/clip%402x.mp4",
        "https://site/@user/video",
        "a@b.c",
        "/videos/me@home.mp4",
        "test://pattern?seconds=3",
        "http://h/x?monkey=1&decode=h264&compass=90",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert redact_url(text) == text


@given(st.text(st.characters(blacklist_categories=("Cs", "Z", "C"), blacklist_characters="@"), min_size=1))
def test_any_password_is_hidden(password: str) -> None:
    hidden = "Zq9" + password + "Zq9"
    assert hidden not in redact_url(f"rtsp://user:{hidden}@camera.local/stream")


def test_nested_secret_fields_are_hidden() -> None:
    value = redact_value("settings", {"gateway": {"token": "abc", "port": 1}, "urls": ["rtsp://a:b@c/"], "api_key": ""})
    assert value == {"gateway": {"token": "***", "port": 1}, "urls": ["rtsp://***@c/"], "api_key": ""}


def test_errors_become_redacted_text() -> None:
    assert redact_value("error", OSError("cannot open rtsp://a:b@c/")) == "cannot open rtsp://***@c/"


def test_token_counts_are_shown() -> None:
    assert redact_value("n_output_tokens", "12") == "12"


@pytest.mark.parametrize("text", ["user 'S3cret/0ne' is unknown", "port '0ne' or host 'S3cret'", "S3cret%2F0ne"])
def test_parsed_password_is_hidden_bare(text: str) -> None:
    remember_url("rtsp://admin:S3cret/0ne@camera/live")
    assert "S3cret" not in hide_known(text)


@pytest.mark.parametrize("secret", ["Qu'ote7", 'Qu"ote7', "Qu;ote7", "Qu#ote7", "Qu;o'te7"])
def test_odd_parameter_is_hidden_whole(secret: str) -> None:
    url = remember_url(f"http://camera/x?password={secret}&w=1")
    for text in (url, repr(url), f"cannot open {url!r}"):
        assert "te7" not in redact_url(text)


def test_word_as_parameter_stays() -> None:
    remember_url("http://camera/x?auth=digest&token=true")
    assert hide_known("digest is true") == "digest is true"


def test_short_password_tears_no_words() -> None:
    remember_url("rtsp://admin:a@camera/live")
    assert redact_url("a camera at rtsp://admin:a@camera/live") == "a camera at rtsp://***@camera/live"


@pytest.mark.parametrize(
    "url", ["rtsp://admin:12345/s3cret@cam/live", "rtsp://a:p#w@cam", "redis://:p?w@host", "http://h:80/a@2x.mp4"]
)
def test_ambiguous_credentials_name_the_encoding(url: str) -> None:
    assert "%2F" in credentials_fault(url)


@pytest.mark.parametrize(
    "url", ["rtsp://a:p%2Fw@cam/live", "https://site/@user", "/videos/me@home.mp4", "rtsp://cam:5"]
)
def test_plain_url_has_no_credentials_fault(url: str) -> None:
    assert credentials_fault(url) == ""


@pytest.mark.parametrize("part", ["x", "http://", "a://b", "?token=", "@", "a:"])
def test_long_text_takes_linear_time(part: str) -> None:
    """Without bounds on repetitions this took hours, and 40,000 characters of an error held a service for seconds."""
    redact_url(part * (1_000_000 // len(part)))


@pytest.mark.parametrize("url", ["rtsp://u:pa ss w0rd@cam:554/x", "u:pa#ssw0rd@cam:554/x", "redis://:a\tb word@h:1/0"])
def test_odd_address_is_hidden(url: str) -> None:
    """A password with spaces, and an address whose scheme was forgotten, were shown whole."""
    remember_url(url)
    assert all(secret not in redact_url(f"source {url!r}: refused {url}") for secret in ("ssw0rd", "w0rd", "word"))


@pytest.mark.parametrize("name", ["file:/home/anna@work/film.mp4", "a/b:home@x.mp4", "http://home.net/a:work@b"])
def test_path_with_signs_is_no_secret(name: str) -> None:
    remember_url(name)
    assert redact_url("at home and work") == "at home and work"
