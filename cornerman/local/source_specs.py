"""Source specs from the typed sources and the settings' defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cornerman.local.source_args import camera_fault, fault_of, id_of, normal_url
from cornerman_common.look_checks import check_look
from cornerman_shared.errors import ConfigError, SourceError
from cornerman_shared.settings.explain import explain
from cornerman_shared.settings.source import Mode, SourceSpec

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import Settings


def source_specs(
    sources: Sequence[str], settings: Settings, source_id: str = "", mode: Mode = "coach"
) -> list[SourceSpec]:
    """Specs of the typed sources; without any, the sources of the settings.

    Raises:
        ConfigError: no source, one `--id` for several sources, or looks that the models of the settings cannot read.
        SourceError: no such file or camera, an address that cannot be watched, or files none of which is a video.
    """
    if not sources:
        if not settings.sources:
            raise ConfigError(
                "no source: give a video file, rtsp://…, /dev/video0 or test://, or list some in cornerman.yaml"
            )
        return list(settings.sources)
    if source_id and len(sources) > 1:
        raise ConfigError(f"--id {source_id!r} names one source, but {len(sources)} are given; leave it out")
    specs: dict[str, SourceSpec] = {}
    for text in sources:
        url = normal_url(text)
        name = source_id or id_of(url, specs)
        specs[name] = source_spec(name, url, settings, mode)
        check_look(specs[name], settings)
    _refuse_unreadable(list(specs.values()), settings)
    return list(specs.values())


def _refuse_unreadable(specs: Sequence[SourceSpec], settings: Settings) -> None:
    """Raises `SourceError` if nothing could be watched. One unreadable file among others costs only itself, later."""
    if settings.watch.follow:
        return  # a file that is being written may still be empty
    faults: list[str] = []
    for spec in specs:
        fault = fault_of(spec.url, settings.capture)
        if not fault and not settings.redis.url:  # at a server of others, capture may run on another machine
            fault = camera_fault(spec.url)
        if not fault:
            return
        faults.append(fault)
    raise SourceError("\n".join(faults))


def source_spec(source_id: str, url: str, settings: Settings, mode: Mode = "coach", **more: Any) -> SourceSpec:
    """A spec with the settings' defaults. `more`: other fields of the spec.

    Raises:
        ConfigError: a field is invalid.
    """
    try:
        return SourceSpec(
            source_id=source_id,
            url=url,
            mode=mode,
            watch=settings.watch,
            speak=settings.speak,
            say=settings.say,
            **more,
        )
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
