"""WebVTT: cues to text."""

from cornerman_media.webvtt import Cue, webvtt


def test_text_is_escaped() -> None:
    text = webvtt([Cue(61.5, 3725.25, "Hips < knees & back")])
    assert text == "WEBVTT\n\n00:01:01.500 --> 01:02:05.250\nHips &lt; knees &amp; back\n"


def test_cue_has_identifier_and_style() -> None:
    text = webvtt([Cue(0.0, 2.0, "Go\n\ndeeper.", style="correction", identifier="correct")], note="a\n\nb --> c")
    assert text == "WEBVTT\n\nNOTE a b -> c\n\ncorrect\n00:00:00.000 --> 00:00:02.000\n<c.correction>Go deeper.</c>\n"


def test_no_cues_leave_the_header() -> None:
    assert webvtt([]) == "WEBVTT\n"
