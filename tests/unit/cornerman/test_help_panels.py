"""`--help` of commands with many options: each option stands in a panel that says which kind it is."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from cornerman.cli import build_app

MANY = 10


def test_many_options_are_in_panels() -> None:
    app = typer.main.get_command(build_app([], completes=True))
    commands = {}
    assert isinstance(app, TyperGroup)
    for name, command in app.commands.items():
        inner = command.commands if isinstance(command, TyperGroup) else {"": command}
        commands |= {f"{name} {part}".strip(): one for part, one in inner.items()}
    options = {
        name: {one.name: one.rich_help_panel for one in command.params if isinstance(one, typer.core.TyperOption)}
        for name, command in commands.items()
    }
    many = {name: panels for name, panels in options.items() if len(panels) > MANY}
    assert {"run", "poll", "evaluate"} <= set(many)
    assert {name: [one for one, panel in panels.items() if panel is None] for name, panels in many.items()} == {
        name: [] for name in many
    }
