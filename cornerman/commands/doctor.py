"""`cornerman doctor`: checks this machine and names remedies. Changes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from cornerman.local import options
from cornerman.local.diagnosis import examine
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

MARKS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "problem": ("✗", "bold red")}


def doctor(as_json: options.Json = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """Check Python, torch, device, server, codecs, disk and the rest. Exit code 1 if something must be done."""
    settings = options.command_settings(config, redis).settings
    console = Console(soft_wrap=True, highlight=False)
    problems = 0
    for finding in examine(settings):
        problems += finding.state == "problem"
        if as_json:
            print(json.dumps({"type": "check", **asdict(finding)}))
            continue
        mark, style = MARKS[finding.state]
        found = clean_text(redact_url(finding.found))
        console.print(Text.assemble((f"{mark} ", style), (f"{finding.what:<10}", "bold"), found))
        if finding.remedy:
            console.print(Text(f"{'':12}→ {finding.remedy}", style=style))
    raise typer.Exit(1 if problems else 0)
