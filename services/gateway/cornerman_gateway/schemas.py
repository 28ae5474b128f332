"""JSON bodies of `/api`, in and out. Credentials are removed here on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from cornerman_shared.bus.messages import SourceStateName
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.source import (
    MAX_QUESTION,
    SOURCE_ID,
    Mode,
    Plain,
    SaySettings,
    Section,
    SourceSpec,
    SpeakSettings,
    WatchSettings,
)
from cornerman_shared.text import clean_text

URL_TEXT = "file, rtsp://, http(s)://, device:0, test:// or push://<source_id>"
SourceId = Annotated[
    str, Field(pattern=f"^{SOURCE_ID.pattern}$", description="the source's name", examples=["front-door"])
]
SavedName = Annotated[
    str,
    Field(max_length=40, description="of GET /api/profiles or /api/presets; other fields win", examples=["security"]),
]
Url = Annotated[
    str, Field(min_length=1, max_length=4096, description=URL_TEXT, examples=["rtsp://camera.local:554/stream"])
]


class RequestModel(Section):
    """Base of request bodies: strict types, so a number is neither text nor a boolean."""

    model_config = ConfigDict(strict=True)


def with_examples(*bodies: dict[str, Any]) -> ConfigDict:
    """The configuration of a request body with examples for its documentation."""
    return ConfigDict(json_schema_extra={"examples": [*bodies]})


def as_sent(most: int) -> BeforeValidator:
    """Bounds a text as the client sent it: cleaning makes it shorter, and the description gives the bound."""

    def check(value: object) -> object:
        if isinstance(value, str) and len(value) > most:
            raise ValueError(f"{len(value)} characters; send at most {most}")
        return value

    return BeforeValidator(check)


def _partial(section: type[Section], name: str) -> Any:
    """The section with every field optional, for changes."""
    fields: dict[str, Any] = {}
    for key, info in section.model_fields.items():
        inner: Any = info.annotation
        for rule in info.metadata:
            inner = Annotated[inner, rule]
        if get_origin(info.annotation) is tuple:
            inner = Annotated[inner, Field(strict=False)]  # JSON has lists only
        examples = [info.default] if isinstance(info.default, int | float | str) and info.default != "" else None
        fields[key] = (inner | None, Field(None, description=info.description, examples=examples))
    return create_model(name, __base__=RequestModel, __doc__=f"Changes to {section.__name__}.", **fields)


if TYPE_CHECKING:
    WatchChange: TypeAlias = WatchSettings
    SpeakChange: TypeAlias = SpeakSettings
    SayChange: TypeAlias = SaySettings
else:
    WatchChange = _partial(WatchSettings, "WatchChange")
    SpeakChange = _partial(SpeakSettings, "SpeakChange")
    SayChange = _partial(SaySettings, "SayChange")


class SourceNew(RequestModel):
    """A source to watch. Missing fields take the server's settings."""

    model_config = with_examples(
        {"source_id": "front-door", "url": "rtsp://camera.local:554/stream", "profile": "security"},
        {"source_id": "gym", "url": "device:0", "mode": "coach", "speak": {"min_interval_s": 3.0}},
    )

    source_id: SourceId
    url: Url
    profile: SavedName | None = None
    preset: SavedName | None = None
    mode: Mode | None = None
    paused: bool | None = None
    watch: WatchChange | None = None
    speak: SpeakChange | None = None
    say: SayChange | None = None


class SourceChange(RequestModel):
    """Changes to a running source. Missing fields keep their value."""

    model_config = with_examples(
        {"say": {"prompt": "Say when somebody comes in, and what they carry."}}, {"watch": {"sample_fps": 8}}
    )

    url: Url | None = None
    profile: SavedName | None = None
    preset: SavedName | None = None
    mode: Mode | None = None
    paused: bool | None = None
    watch: WatchChange | None = None
    speak: SpeakChange | None = None
    say: SayChange | None = None


class RunView(BaseModel):
    """The current run."""

    run: str
    state: SourceStateName
    detail: str
    ended: bool
    published: Annotated[int, Field(description="chunks so far")]


class SourceView(BaseModel):
    """A source, its run and its counters. The URL is without credentials."""

    source_id: str
    url: str
    profile: Annotated[str, Field(description="the profile whose prompt it has, or custom")]
    preset: Annotated[str, Field(description="the preset whose settings it has, or custom")]
    mode: Mode
    paused: bool
    revision: int
    watch: WatchSettings
    speak: SpeakSettings
    say: SaySettings
    run: RunView | None
    counters: dict[str, int]


class SourceList(BaseModel):
    """Every source."""

    sources: list[SourceView]


class Deltas(BaseModel):
    """Events kept for a page that has just opened."""

    events: list[dict[str, Any]]
    last_id: Annotated[str, Field(description="follow the events from here")]
    complete: Annotated[bool, Field(description="whether the events reach back to the oldest kept one")]


class QuestionNew(RequestModel):
    """A question about the current picture."""

    model_config = with_examples({"text": "How many squats have I done?"})

    text: Annotated[Plain, Field(min_length=1, max_length=MAX_QUESTION, pattern=r"\S"), as_sent(MAX_QUESTION)]


class QuestionView(BaseModel):
    """Its answer comes as events whose `request_id` ends in `question_id`."""

    question_id: str
    request_id: str
    asked_at_s: float
    expires_in_s: Annotated[float, Field(description="it ends as expired if no generator takes it within this")]


class UploadView(BaseModel):
    """Use `url` for a source."""

    url: str
    size_bytes: int


def view_of(
    spec: SourceSpec, run: dict[str, str], counters: dict[str, int], profile: str = "custom", preset: str = "custom"
) -> SourceView:
    """A source as others may see it."""
    shown = None
    state, published = run.get("state") or "waiting", run.get("published") or "0"
    if run.get("run") or run.get("detail"):  # a source that waits for a capture process has a reason before a run
        shown = RunView.model_validate(
            {
                "run": run.get("run", ""),
                # Damaged fields must not hide the other sources; capture deletes them.
                "state": state if state in get_args(SourceStateName) else "waiting",
                "detail": clean_text(redact_url(run.get("detail", ""))),
                "ended": run.get("ended", "0") not in ("", "0"),
                "published": int(published) if published.isdecimal() and len(published) <= 15 else 0,
            }
        )
    return SourceView(
        source_id=spec.source_id,
        url=redact_url(spec.url),
        profile=profile,
        preset=preset,
        mode=spec.mode,
        paused=spec.paused,
        revision=spec.revision,
        watch=spec.watch,
        speak=spec.speak,
        say=spec.say,
        run=shown,
        counters=counters,
    )


def changed_fields(body: Section) -> dict[str, Any]:
    """The fields that the client set, sections as maps."""
    return body.model_dump(exclude_unset=True, exclude_none=True)
