"""The settings that a mode has in the command of its own, for commands that take any mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cornerman_shared.settings.source import Mode


def mode_settings(mode: Mode) -> dict[str, Any]:
    """Nested settings: of `poll` for polling, of `comment` with its usual preset for commentary, none for the coach."""
    if mode == "polling":
        from cornerman.local.poll_plan import PRESET

        return PRESET
    if mode == "commentary":
        from cornerman_common.profile_library import ProfileLibrary

        changes = ProfileLibrary.of("").changes("default", "owl")
        return {name: value for name, value in changes.items() if name != "mode"}
    return {}
