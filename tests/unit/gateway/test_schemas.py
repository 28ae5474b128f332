"""What goes in and out of the API as JSON."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cornerman_gateway.routes.auth import Login
from cornerman_gateway.routes.exercises import TeachNew
from cornerman_gateway.routes.profiles import SavedTextNew
from cornerman_gateway.routes.recordings import RecordingNew
from cornerman_gateway.schemas import QuestionNew, RequestModel, SourceChange, SourceNew, changed_fields, view_of
from cornerman_shared.bus.registry import changed
from cornerman_shared.settings.source import SaySettings, SourceSpec, SpeakSettings, WatchSettings

SPEC = SourceSpec(source_id="cam", url="rtsp://admin:hunter2@cam/live?token=abc")


def test_credentials_do_not_leave() -> None:
    text = view_of(
        SPEC, {"run": "r", "state": "failed", "detail": "rtsp://admin:hunter2@cam refused"}, {}
    ).model_dump_json()
    assert "hunter2" not in text
    assert "abc" not in text
    assert "rtsp://***@cam" in text


def test_source_without_run_has_none() -> None:
    assert view_of(SPEC, {}, {}).run is None
    waiting = view_of(SPEC, {"state": "waiting", "detail": "every capture process is full"}, {}).run
    assert waiting and (waiting.run, waiting.state, waiting.detail) == ("", "waiting", "every capture process is full")


def test_change_holds_only_given_fields() -> None:
    body = SourceChange.model_validate({"speak": {"confidence_threshold": 0.5}, "mode": None})
    assert changed_fields(body) == {"speak": {"confidence_threshold": 0.5}}
    assert changed(SPEC, changed_fields(body)).speak == SPEC.speak.model_copy(update={"confidence_threshold": 0.5})


@pytest.mark.parametrize("section", [WatchSettings, SpeakSettings, SaySettings])
def test_every_source_setting_is_changeable(section: type[WatchSettings]) -> None:
    name = section.__name__.removesuffix("Settings").lower()
    whole = section().model_dump()
    sent = section().model_dump(mode="json")  # lists, as JSON has no tuples
    assert changed_fields(SourceChange.model_validate({name: sent})) == {name: whole}


def test_list_of_exercises_is_changeable() -> None:
    change = SourceChange.model_validate({"speak": {"exercises": ["calf_raise"]}})
    assert changed_fields(change) == {"speak": {"exercises": ("calf_raise",)}}
    for wrong in (["Calf Raise"], ["a"] * 9, "calf_raise", [1]):
        with pytest.raises(ValidationError):
            SourceChange.model_validate({"speak": {"exercises": wrong}})


@pytest.mark.parametrize(
    "body", [{"speak": {"confidence_threshold": 2}}, {"speak": {"nonsense": 1}}, {"nonsense": 1}, {"mode": "loud"}]
)
def test_out_of_range_values_are_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SourceChange.model_validate(body)


@pytest.mark.parametrize("text", ["x" * 2001, "\x07" * 1000 + "x" * 1001, "", "\x07"])
def test_question_is_bounded_as_it_is_sent(text: str) -> None:
    with pytest.raises(ValidationError):
        QuestionNew.model_validate({"text": text})


@pytest.mark.parametrize("model", [SourceNew, SourceChange, QuestionNew, SavedTextNew, Login, TeachNew, RecordingNew])
def test_examples_are_bodies_that_pass(model: type[RequestModel]) -> None:
    schema = model.model_json_schema()
    assert schema["examples"]
    for body in schema["examples"]:
        model.model_validate(body)
    fields = [field for part in (schema, *schema.get("$defs", {}).values()) for field in part["properties"].values()]
    shown = [example for field in fields for example in field.get("examples", ())]
    assert len(shown) > 25 if model in (SourceNew, SourceChange) else True
