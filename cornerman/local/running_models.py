"""The models that the services of a server work with, as their processes report them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import WorkerStatus


def running_models(workers: Iterable[WorkerStatus]) -> dict[str, Any]:
    """Nested settings of the encoder and generator that run; a role without a process is left out.

    Of several processes of a role, the one that started last counts.
    """
    found: dict[str, Any] = {}
    for worker in sorted(workers, key=lambda one: one.started_at_s):
        if worker.role in ("encoder", "generator") and worker.models.get("backend"):
            found[worker.role] = {name: worker.models.get(name, "") for name in ("backend", "model")}
    return found
