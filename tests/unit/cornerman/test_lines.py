"""Events as the lines of stdout, exactly as programs expect them."""

from dataclasses import replace

from cornerman.local.event_lines import EventLines, clock, latency_ms
from cornerman_shared.bus.messages import DecisionEvent, DeltaEvent, EndEvent, ErrorEvent, StartEvent, StateEvent, Times

TIMES = Times(
    captured_at_s=100.0,
    published_at_s=100.010,
    encoded_at_s=100.110,
    decided_at_s=100.120,
    first_token_at_s=100.420,
    done_at_s=101.0,
)

END = EndEvent(
    source_id="cam1",
    run="r1",
    request_id="cam1:r1:4",
    attempt=1,
    kind="feedback",
    action="correct",
    status="done",
    pts_s=2.53421,
    prompt="?",
    text="Lower your hips.",
    silent=False,
    cause="",
    model="coach",
    n_input_tokens=1300,
    n_output_tokens=5,
    ttft_ms=300.04,
    times=TIMES,
)

DECISION = DecisionEvent(
    source_id="cam1",
    run="r1",
    seq=4,
    pts_s=2.53421,
    action="next",
    confidence=0.98765432,
    reason="cooling down",
    strategy="rules",
    motion=0.1,
    status="ok",
    times=TIMES,
)


def test_a_decision_has_these_fields_and_no_others() -> None:
    assert EventLines().of(DECISION) == {
        "type": "decision",
        "source_id": "cam1",
        "run": "r1",
        "seq": 4,
        "pts_s": 2.534,
        "action": "next",
        "confidence": 0.9877,
        "reason": "cooling down",
    }


def test_a_feedback_has_these_fields_and_no_others() -> None:
    assert EventLines().of(END) == {
        "type": "feedback",
        "source_id": "cam1",
        "request_id": "cam1:r1:4",
        "action": "correct",
        "pts_s": 2.534,
        "text": "Lower your hips.",
        "ttft_ms": 300.0,
        "latency_ms": {
            "published": 10.0,
            "encoded": 100.0,
            "decided": 10.0,
            "first_token": 300.0,
            "done": 580.0,
            "total": 1000.0,
        },
    }


def test_a_stage_that_was_not_reached_is_left_out() -> None:
    assert latency_ms(replace(TIMES, first_token_at_s=0.0)) == {
        "published": 10.0,
        "encoded": 100.0,
        "decided": 10.0,
        "done": 880.0,
        "total": 1000.0,
    }
    assert latency_ms(Times()) == {}
    assert latency_ms(Times(captured_at_s=1.0)) == {}


def test_ends_without_words_are_no_feedback() -> None:
    lines = EventLines()
    assert lines.of(replace(END, status="expired")) is None
    assert lines.of(replace(END, status="cancelled")) is None


def test_an_answer_with_nothing_new_is_a_line_without_words() -> None:
    line = EventLines().of(replace(END, silent=True))
    assert line is not None
    assert (line["type"], line["text"], line["silent"]) == ("feedback", "", True)


def test_starts_and_deltas_have_no_line() -> None:
    lines = EventLines()
    start = StartEvent("cam1", "r1", "q", 1, "feedback", "next", 0.0, "", "m", TIMES)
    assert lines.of(start) is None
    assert lines.of(DeltaEvent("cam1", "r1", "q", 1, "word", TIMES)) is None


def test_a_failed_request_is_one_error_whichever_event_comes_first() -> None:
    failed = replace(END, status="failed", cause="out of memory")
    error = ErrorEvent("cam1", "r1", "generator", "out of memory", 101.0, request_id=END.request_id)
    wanted = {"type": "error", "source_id": "cam1", "stage": "generator", "message": "out of memory"}
    for first, second in ((failed, error), (error, failed)):
        lines = EventLines()
        assert lines.of(first) == wanted
        assert lines.of(second) is None


def test_errors_that_belong_to_no_request_are_all_told() -> None:
    lines = EventLines()
    error = ErrorEvent("cam1", "r1", "encoder", "boo", 1.0)
    assert lines.of(error) is not None
    assert lines.of(error) is not None


def test_a_source_that_failed_is_one_error_without_its_password() -> None:
    lines = EventLines()
    assert lines.of(StateEvent("cam1", "r1", "failed", "cannot open rtsp://u:secret@cam/", 1.0)) is None
    line = lines.of(ErrorEvent("cam1", "r1", "capture", "cannot open rtsp://u:secret@cam/", 1.0))
    assert line == {
        "type": "error",
        "source_id": "cam1",
        "stage": "capture",
        "message": "cannot open rtsp://***@cam/",
    }


def test_media_time_reads_as_a_clock() -> None:
    assert [clock(pts) for pts in (0, 9.96, 75.25, 3661.0)] == ["00:00.0", "00:09.9", "01:15.2", "1:01:01.0"]
