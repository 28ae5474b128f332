"""`cornerman sources`: lists and changes the sources. Services see a change within a second."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console

from cornerman.local import options
from cornerman.local.running_server import require_server
from cornerman.local.snapshot import run_fields
from cornerman.local.source_args import id_of, normal_url
from cornerman.local.source_specs import source_spec
from cornerman.local.status_table import plain_table
from cornerman_common.pose_choice import shows_people
from cornerman_common.running_models import check_adapter_runs, check_change, running_models
from cornerman_shared.bus.address_keys import MAKE_A_KEY
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import (
    add_source,
    get_source,
    list_sources,
    remove_source,
    reseal_sources,
    update_source,
)
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.overrides import nest, parse_set
from cornerman_shared.settings.source import Mode, SourceSpec, Strategy

app = typer.Typer(no_args_is_help=True, help="What is being watched: add, list, set, seal, remove.")

SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="Id of a source.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="SOURCE", help="File, rtsp://, http(s)://, /dev/video0 or test://.")],
    source_id: Annotated[str, typer.Option("--id", help="Its name; default: from the URL.")] = "",
    mode: Annotated[Mode, typer.Option(help="How the source is watched.")] = "coach",
    strategy: Annotated[Strategy | None, typer.Option(help="Who decides when to speak.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the model is asked.")] = None,
    lossless: Annotated[bool | None, typer.Option("--lossless/--lossy", help="Wait instead of skipping.")] = None,
    loop: Annotated[bool | None, typer.Option("--loop/--once", help="Start files again at their end.")] = None,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Watch one more source. Prints its id."""
    chosen = options.command_settings(
        config,
        redis,
        sets,
        watch__lossless=lossless,
        watch__loop=loop,
        speak__strategy=strategy,
        say__prompt=prompt,
    )

    async def work() -> str:
        async with Bus.connect(chosen.settings) as bus:
            await require_server(bus)
            address = normal_url(url)
            # The id is made unique among the registered sources.
            name = source_id or id_of(address, await list_sources(bus))
            # The services that run load the models: this command only chooses what goes with them.
            workers = await list_workers(bus)
            found = running_models(workers)
            running = chosen.with_defaults(found)
            # Where none runs yet, this machine is taken for the one that will load them, as `cornerman up` would.
            later = None if found else shows_people([source_spec(name, address, running.settings, mode)])
            resolved, _ = options.with_models(running, lambda _: None, loads=(), people=later)
            check_adapter_runs(resolved.settings.say.adapter, workers)
            await add_source(bus, source_spec(name, address, resolved.settings, mode))
            return name

    print(asyncio.run(work()))


@app.command("list")
def list_(as_json: options.Json = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """The sources and how they are."""
    chosen = options.command_settings(config, redis)

    async def work() -> list[tuple[SourceSpec, dict[str, str]]]:
        async with Bus.connect(chosen.settings) as bus:
            await require_server(bus)
            return [(spec, await run_fields(bus, spec.source_id)) for spec in (await list_sources(bus)).values()]

    rows = asyncio.run(work())
    if as_json:
        for spec, run in rows:
            plain = spec.model_dump(mode="json")
            plain["url"] = redact_url(spec.url)
            print(json.dumps({"type": "source", **plain, "state": run.get("state", ""), "run": run.get("run", "")}))
        return
    table = plain_table("source", "state", "mode", "strategy", "url", "")
    for spec, run in rows:
        state = "paused" if spec.paused else run.get("state", "waiting")
        table.add_row(
            spec.source_id, state, spec.mode, spec.speak.strategy, redact_url(spec.url), run.get("detail", "")
        )
    Console(soft_wrap=True, highlight=False, markup=False).print(
        table if rows else "no sources; add one: cornerman sources add …"
    )


@app.command("set")
def set_(
    source_id: SourceId,
    changes: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help="e.g. speak.interval_s=2 paused=true")],
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Change settings of a source while it runs, e.g. `speak.strategy=interval "say.prompt=How is it going?"`."""
    chosen = options.command_settings(config, redis)
    tree = nest(parse_set(changes))

    async def work() -> SourceSpec:
        async with Bus.connect(chosen.settings) as bus:
            await require_server(bus)
            before = await get_source(bus, source_id)
            if before is not None:
                check_change(before, tree, chosen.settings, await list_workers(bus))
            return await update_source(bus, source_id, tree)

    spec = asyncio.run(work())
    print(f"{spec.source_id}: revision {spec.revision}")


@app.command()
def seal(config: options.Config = "", redis: options.Redis = "") -> None:
    """Encrypt every source's address with the first of redis.encryption_keys, after a key was added or changed."""
    chosen = options.command_settings(config, redis)
    if not (chosen.settings.redis.encryption_keys or chosen.settings.redis.encryption_keys_file):
        raise ConfigError(f"there is no key in redis.encryption_keys or redis.encryption_keys_file; {MAKE_A_KEY}")

    async def work() -> list[str]:
        async with Bus.connect(chosen.settings) as bus:
            await require_server(bus)
            return await reseal_sources(bus)

    if closed := asyncio.run(work()):
        raise ConfigError(
            f"no key opens the address of {', '.join(closed)}; add the key that wrote it, as the last one"
        )
    print("every address is encrypted with the first key")


@app.command()
def remove(source_id: SourceId, config: options.Config = "", redis: options.Redis = "") -> None:
    """Stop watching a source."""
    chosen = options.command_settings(config, redis)

    async def work() -> bool:
        async with Bus.connect(chosen.settings) as bus:
            await require_server(bus)
            return await remove_source(bus, source_id)

    if not asyncio.run(work()):
        raise ConfigError(f"there is no source {source_id!r}; `cornerman sources list` shows those there are")
