"""Checks of this machine for `cornerman doctor`: each finds something, and says what to do if it is a problem."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil

from cornerman.local import page
from cornerman.local.demo_clip import ASSETS
from cornerman.local.memory_state import memory_state
from cornerman.local.pose_model import pose_state
from cornerman.local.server_check import describe_server
from cornerman.local.vlm_support import awq_state, vlm_state
from cornerman_common.model_choice import resolve_models
from cornerman_common.pose_choice import shows_people
from cornerman_shared.bus import embedded, server_binary
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.server_address import server_password, server_socket
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import CornermanError
from cornerman_shared.process.clock_skew import LARGEST_SKEW_S, SKEW
from cornerman_shared.process.run_dir import runtime_dir
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.tree import Settings

State = Literal["ok", "note", "problem"]

CODECS: Final = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg", "webp")
LOW_DISK_BYTES: Final = 2 * 2**30
LOW_MEMORY_BYTES: Final = 3 * 2**30
SERVER_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. `remedy`: what to do unless the state is ok."""

    what: str
    state: State
    found: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Runs every check. A check that raises a `CornermanError` is a problem of its own."""
    checks: list[Callable[[Settings], Finding]] = [
        *(_python, _machine, _torch, _device, _server, _clock, _codecs, _cameras),
        *(_models, _memory, _vlm, _awq, _web, _pose, _bundle, _folder, _disk),
    ]
    for check in checks:
        try:
            yield check(settings)
        except CornermanError as error:
            yield Finding(check.__name__.strip("_"), "problem", redact_url(str(error)))


def _python(_: Settings) -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _machine(_: Settings) -> Finding:
    memory = psutil.virtual_memory()
    found = f"{os.cpu_count()} CPU cores, {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB memory free"
    if memory.available < LOW_MEMORY_BYTES:
        return Finding(
            "machine", "note", found, "a 0.5B model wants 3 GiB; close other programs, or run without a model"
        )
    return Finding("machine", "ok", found)


def _torch(_: Settings) -> Finding:
    missing = [name for name in ("torch", "transformers", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        remedy = "pip install 'cornerman[model]' for models on this machine; fakes and OpenAI servers work without"
        return Finding("torch", "note", f"{', '.join(missing)} not installed", remedy)
    versions = " · ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
    return Finding("torch", "ok", versions)


def _device(settings: Settings) -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("device", "note", "unknown without torch")
    import torch

    wanted = {settings.encoder.device, settings.generator.device}
    if torch.cuda.is_available():
        name, total = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
        return Finding("device", "ok", f"{name}, {total / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
    if torch.backends.mps.is_available():
        return Finding("device", "ok", "Apple GPU (MPS)")
    if any(device.startswith("cuda") for device in wanted):
        return Finding(
            "device",
            "problem",
            "settings ask for CUDA, torch sees none",
            "install a CUDA build of torch, or device: auto",
        )
    return Finding(
        "device", "note", "CPU only", "small models are fine; the 0.5B model needs a GPU to keep up with live video"
    )


def _models(settings: Settings) -> Finding:
    choice = resolve_models(people=shows_people(settings.sources))
    parts = [f"{name} {getattr(choice, name).in_words()}" for name in ("encoder", "decider", "generator")]
    found = "; ".join([*parts, f"abilities: {choice.abilities.in_words()}"])
    if choice.coach:
        found = f"{choice.coach} {found}"
    if choice.notes:
        return Finding("models", "note", found, " ".join(choice.notes))
    return Finding("models", "ok", found)


def _server(settings: Settings) -> Finding:
    # An embedded server is asked only if one runs: the doctor starts nothing.
    if settings.redis.url or _embedded_answers(settings):
        return asyncio.run(_running_server(settings))
    return Finding("server", "ok", f"embedded: {server_binary.find_binary()} (not running now)")


def _embedded_answers(settings: Settings) -> bool:
    return embedded.answers(server_socket(settings), server_password(settings))


async def _running_server(settings: Settings) -> Finding:
    async with Bus.connect(settings) as bus:
        try:
            await bus.ready(SERVER_S)
        except CornermanError as error:
            return Finding("server", "problem", redact_url(str(error)), "check redis.url, or leave it empty")
        found, problem, note = await describe_server(bus)
    return Finding("server", "problem" if problem else "note" if note else "ok", found, problem or note)


def _clock(settings: Settings) -> Finding:
    if settings.redis.url or _embedded_answers(settings):
        return asyncio.run(_clocks(settings))
    return Finding("clock", "ok", "no server to compare with")


async def _clocks(settings: Settings) -> Finding:
    """Compares the wall clocks of this machine and of every worker with the server's."""
    async with Bus.connect(settings) as bus:
        try:
            await bus.ready(SERVER_S)
            workers = await list_workers(bus)
        except CornermanError:
            return Finding("clock", "note", "unknown without the server", "see the check of the server")
        skews = {"this machine": bus.clock_skew_s} | {
            f"{worker.role} {worker.name}": worker.detail.get(SKEW, 0.0) for worker in workers
        }
    wrong = [
        f"{who} {abs(skew_s):.1f} s {'ahead' if skew_s > 0 else 'behind'}"
        for who, skew_s in skews.items()
        if abs(skew_s) > LARGEST_SKEW_S
    ]
    if wrong:
        remedy = "synchronise the clocks (NTP): work is not affected, but times in logs of two machines do not line up"
        return Finding("clock", "note", f"not as the server's: {', '.join(wrong)}", remedy)
    largest = max(abs(skew_s) for skew_s in skews.values())
    return Finding("clock", "ok", f"within {largest:.3f} s of the server's, here and at {len(workers)} workers")


def _codecs(_: Settings) -> Finding:
    import av

    known = av.codecs_available
    missing = [codec for codec in CODECS if codec not in known]
    found = f"PyAV {av.__version__}: " + ", ".join(codec for codec in CODECS if codec in known)
    if missing:
        return Finding("codecs", "note", f"{found}; without {', '.join(missing)}", "pip install --force-reinstall av")
    return Finding("codecs", "ok", found)


def _cameras(_: Settings) -> Finding:
    # Only Linux has camera device files.
    devices = sorted(Path("/dev").glob("video*")) if sys.platform == "linux" else []
    readable = [str(device) for device in devices if os.access(device, os.R_OK)]
    if devices and not readable:
        return Finding(
            "cameras",
            "problem",
            f"{devices[0]} may not be read",
            "add yourself to the group `video`, then log in again",
        )
    return Finding(
        "cameras", "ok", ", ".join(readable) if readable else "none on this machine; files, rtsp:// and browsers work"
    )


def _web(_: Settings) -> Finding:
    why = page.missing()
    if why:
        return Finding("page", "note", why, "pip install 'cornerman[web]'")
    return Finding("page", "ok", "web extra installed")


def _pose(_: Settings) -> Finding:
    found, remedy = pose_state()
    return Finding("pose", "note" if remedy else "ok", found, remedy)


def _memory(settings: Settings) -> Finding:
    found, remedy = memory_state(resolve_models(people=shows_people(settings.sources)).settings)
    return Finding("memory", "note" if remedy else "ok", found, remedy)


def _vlm(settings: Settings) -> Finding:
    found, remedy = vlm_state()
    return Finding("vlm", "note" if remedy and settings.generator.backend == "vlm" else "ok", found, remedy)


def _awq(settings: Settings) -> Finding:
    found, remedy = awq_state()
    wanted = settings.generator.backend == "vlm" and "awq" in settings.generator.model.lower()
    return Finding("awq", "problem" if remedy and wanted else "ok", found, remedy)


def _bundle(_: Settings) -> Finding:
    bundled = {"clip": ASSETS / "demo.mp4", "coach model": ASSETS / "coach"}
    missing = [name for name, path in bundled.items() if not path.exists()]
    if missing:
        return Finding("demo", "note", f"no bundled {', '.join(missing)}", "`cornerman demo` shows the flow without")
    return Finding("demo", "ok", "bundled clip and coach model")


def _folder(settings: Settings) -> Finding:
    folder = runtime_dir(settings.runtime.dir)
    return Finding("folder", "ok", f"{folder}, socket {server_socket(settings)}")


def _disk(settings: Settings) -> Finding:
    folder = (
        Path(settings.redis.data_dir).expanduser() if settings.redis.data_dir else runtime_dir(settings.runtime.dir)
    )
    # The folder may not exist yet; its nearest parent is on the same disk.
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free at {folder}"
    if free < LOW_DISK_BYTES:
        return Finding("disk", "problem", found, "free some space: data, uploads and models need 2 GiB")
    return Finding("disk", "ok", found)
