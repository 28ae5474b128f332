"""`cornerman up`: runs the services until Ctrl-C. Other commands then use them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from cornerman.local import options, page
from cornerman.local.launcher import ROLES, SERVICES, is_installed
from cornerman.local.record_dir import check_record, record_dir
from cornerman.local.run_output import RunOutput
from cornerman.local.server_choice import choose_server
from cornerman.local.service_host import host_services
from cornerman_common.model_choice import LOADING
from cornerman_common.pose_choice import shows_people
from cornerman_shared.errors import ConfigError


def up(
    only: Annotated[list[str], typer.Option("--only", metavar="SERVICE", help="This service only. Repeatable.")] = [],  # noqa: B006
    encoders: options.Encoders = 1,
    generators: options.Generators = 1,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the page.")] = None,
    record: options.Record = None,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Start the services and keep them running. Add sources with `cornerman sources add`, or on the page."""
    unknown = [role for role in only if role not in SERVICES]
    if unknown:
        raise ConfigError(f"--only {unknown[0]!r}: there is no such service; there are {', '.join(SERVICES)}")
    chosen = options.command_settings(config, redis, sets, record__dir=record_dir(record))
    check_record(chosen.settings.record)
    roles = tuple(only) or ROLES
    url, no_page = "", page.missing()
    # The page is optional, unless its service is asked for by name.
    if "gateway" in only or (not only and not no_page):
        if no_page:
            raise ConfigError(no_page)
        url, page_settings = page.address(chosen.settings.gateway, port)
        chosen = chosen.with_flags(page_settings)
        page.check(chosen.settings.gateway)
        roles = tuple(dict.fromkeys((*roles, "gateway")))
    absent = [role for role in roles if not is_installed(role)]
    if absent:
        raise ConfigError(f"this installation has no service {absent[0]!r}")
    output = RunOutput(as_json=False, progress=False)
    output.log_form = chosen.settings.log.format
    # Machines that run a part each must come to one choice, and only this one's weights are known here.
    people = shows_people(chosen.settings.sources) if set(LOADING) <= set(roles) else None
    chosen, _ = options.with_models(chosen, output.note, loads=set(roles), people=people)
    if no_page and not only:
        output.note(f"No page: {no_page}")
    counts = {role: {"encoder": encoders, "generator": generators}.get(role, 1) for role in roles}
    with choose_server(chosen.settings, chosen.overrides, "up") as server:
        asyncio.run(host_services(server, counts, output, url))
