"""Transcripts stay valid whatever the words are."""

import json
import re
from pathlib import Path

import av
import pytest

from cornerman.local.captions import Caption, captions
from cornerman.local.transcript_files import FORMATS, transcript

ODD = "a <b>bold</b> & {\\an8}high --> 00:00:01,000\n\n2\n*not* | _a_ list"
TIMING = re.compile(r"^\d\d:\d\d:\d\d[.,]\d{3} --> \d\d:\d\d:\d\d[.,]\d{3}$", re.MULTILINE)


def line(pts_s: float, text: str) -> dict[str, object]:
    return {
        "type": "feedback",
        "source_id": "a",
        "request_id": f"r{pts_s}",
        "pts_s": pts_s,
        "action": "correct",
        "text": text,
    }


def made(form: str, *texts: str, start_s: float = 0.0) -> str:
    known = captions(line(float(at), text) for at, text in enumerate(texts))
    return transcript(known, form, title="odd [name].mp4", source_id="a", start_s=start_s)


@pytest.mark.parametrize("form", FORMATS)
def test_empty_transcript_is_valid(form: str) -> None:
    assert (
        made(form)
        == {"vtt": "WEBVTT\n", "srt": "", "jsonl": "", "md": "# odd \\[name\\].mp4\n\nNothing was said.\n"}[form]
    )


@pytest.mark.parametrize("form", ["vtt", "srt"])
def test_odd_words_break_no_cue(form: str) -> None:
    text = made(form, ODD, "WEBVTT", " \n ")
    assert len(TIMING.findall(text)) == 2
    assert text.count("-->") == 2
    assert len(re.split(r"\n\n+", text.strip())) == (3 if form == "vtt" else 2)


def test_markup_is_shown_as_words(tmp_path: Path) -> None:
    """Decoded by FFmpeg as a player does: no tag is taken for markup, no word is lost."""
    path = tmp_path / "odd.srt"
    path.write_text(made("srt", ODD), encoding="utf-8")
    with av.open(str(path)) as container:
        (shown,) = [cue for packet in container.demux() for cue in packet.decode()]
    assert shown.dialogue.decode().replace("\N{WORD JOINER}", "") == (
        "a <b>bold</b> & ｛\\an8｝high -> 00:00:01,000 2 *not* | _a_ list"
    )


@pytest.mark.parametrize("words", ["< b >", "< i>it", "<1>", "a <", r"\N \h \n tail", "<!-- c", "< /b >", r"C:\new"])
def test_near_markup_is_shown_as_words(words: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.srt"
    path.write_text(made("srt", words), encoding="utf-8")
    with av.open(str(path)) as container:
        (shown,) = [cue for packet in container.demux() for cue in packet.decode()]
    assert shown.dialogue.decode().replace("\N{WORD JOINER}", "") == words


def test_json_keeps_words_as_they_are() -> None:
    (found,) = [json.loads(one) for one in made("jsonl", ODD, start_s=5.0).splitlines()]
    assert (found["text"], found["pts_s"], found["start_s"]) == (ODD, 0.0, 5.0)


def test_json_lines_are_read_back() -> None:
    known = captions(line(float(at), text) for at, text in enumerate(("one", "two")))
    text = transcript(known, "jsonl", title="a", source_id="a", start_s=2.0)
    assert captions(json.loads(one) for one in text.splitlines()) == known


def test_markdown_shows_words_as_they_are() -> None:
    item = made("md", ODD).splitlines()[2]
    assert re.sub(r"\\([^a-z0-9\s])", r"\1", item.split(": ", 1)[1]) == " ".join(ODD.split())
    assert re.search(r"(?<!\\)[<{*_|&]", item.split("correct: ")[1]) is None


def test_file_times_are_a_players() -> None:
    cue = TIMING.search(made("srt", "Up.", start_s=5.0))
    assert cue is not None and cue.group() == "00:00:05,000 --> 00:00:07,000"


def test_facts_stay_beside_words() -> None:
    known = [Caption(0.0, 1.0, "correct", "Up.", "squat, rep 2")]
    shown = [transcript(known, form, title="t", source_id="a") for form in ("vtt", "jsonl", "md")]
    assert all("squat, rep 2" in one for one in shown)
