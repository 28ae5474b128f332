"""The models that the services of a server work with, as their processes report them, and what goes with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from cornerman_common.bundle import bundled
from cornerman_common.look_checks import check_look
from cornerman_common.model_checks import check_source_models
from cornerman_shared.bus.registry import changed
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import WorkerStatus
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import Settings

DEPENDS: Final = {("speak", "strategy"), ("speak", "head"), ("say", "adapter")}
"""Settings of a source that go with some models only."""

LOOKS: Final = {("speak", "strategy"), ("watch", "look"), ("watch", "frames")}
"""Settings that, beside the mode, make looks that some models cannot read."""


def running_models(workers: Iterable[WorkerStatus]) -> dict[str, Any]:
    """Nested settings of the encoder and generator that run; a role without a process is left out.

    Of several processes of a role, the one that started last counts.
    """
    found: dict[str, Any] = {}
    for worker in sorted(workers, key=lambda one: one.started_at_s):
        if worker.role in ("encoder", "generator") and worker.models.get("backend"):
            found[worker.role] = {name: worker.models.get(name, "") for name in ("backend", "model")}
    return found


def check_adapter_runs(adapter: str, workers: Iterable[WorkerStatus]) -> None:
    """Checks that a generator that runs has an adapter. Without a generator, or a list from it, nothing is checked.

    Raises:
        ConfigError: none has it; names those that there are.
    """
    reported = [one.models["adapters"] for one in workers if one.role == "generator" and "adapters" in one.models]
    names = {name for text in reported for name in json.loads(text)}
    if adapter and reported and adapter not in names:
        known = ", ".join(sorted(names)) or "none"
        raise ConfigError(
            f"say.adapter = {adapter!r}: the generator that runs has the adapters: {known}; "
            "list it in generator.adapters and start the generator again"
        )


def check_joining(spec: SourceSpec, settings: Settings, workers: Iterable[WorkerStatus]) -> None:
    """Checks that the models that run, or load, go with a source; those of roles without a process are the settings'.

    An encoder other than the settings' must give what the strategy reads.

    Raises:
        ConfigError: they do not; names the settings that do not go together, and the remedy.
    """
    running = _as_running(settings, running_models(workers))
    check_look(spec, running)
    if running.encoder.backend != settings.encoder.backend:
        check_source_models(spec.speak, spec.say.model_copy(update={"adapter": ""}), running, bundled())


def check_change(
    before: SourceSpec, changes: Mapping[str, Any], settings: Settings, workers: Iterable[WorkerStatus]
) -> None:
    """Checks a change of a source against the models that run. Unknown models, and other settings, are not checked.

    Args:
        before: the source as it is.
        changes: nested settings, as for `update_source`.
        settings: of the caller; the models are the running ones.

    Raises:
        ConfigError: names the settings that do not go together, and the remedy.
    """
    workers = list(workers)
    found = running_models(workers)
    touched = {(section, name) for section, value in changes.items() if isinstance(value, Mapping) for name in value}
    looks = "mode" in changes or bool(touched & LOOKS)
    if len(found) < 2 or not (looks or touched & DEPENDS):
        return
    after, settings = changed(before, changes), _as_running(settings, found)
    if looks:
        check_look(after, settings)
    if not touched & DEPENDS:
        return
    if ("say", "adapter") in touched:
        check_adapter_runs(after.say.adapter, workers)
    check_source_models(after.speak, after.say, settings, bundled())


def _as_running(settings: Settings, found: Mapping[str, Any]) -> Settings:
    """Settings with the models of `running_models`."""
    running = {role: getattr(settings, role).model_copy(update=values) for role, values in found.items()}
    return settings.model_copy(update=running)
