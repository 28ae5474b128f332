"""The figures that `benchmarks.against` reads from another benchmark's output."""

import json

import pytest

from benchmarks.against import figures, objects_in

ROW = {"video": "demo.mp4", "frames_per_s": {"cornerman": 812.5, "opencv": 600.0}, "chunks": {"cornerman": 11}}


@pytest.mark.parametrize("indent", [None, 2, 4])
def test_objects_may_take_several_lines(indent: int | None) -> None:
    text = json.dumps(ROW, indent=indent)
    assert objects_in(f"{text}\n{text}\n") == [ROW, ROW]
    assert dict(figures(ROW))["frames_per_s cornerman"] == 812.5


@pytest.mark.parametrize("rest", ["", "note: {not JSON}\n", "{not JSON}\n", '{"cut": [1,', '{\n  "cut": {\n'])
def test_other_text_is_left_out(rest: str) -> None:
    assert objects_in(f"warming up\n{json.dumps(ROW, indent=2)}\n{rest}") == [ROW]
    assert objects_in(rest) == []
