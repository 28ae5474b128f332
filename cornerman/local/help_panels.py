"""Panels of `--help`: every command with more than ten options has its options in panels."""

from __future__ import annotations

from typing import Final

WATCH: Final = "What is watched"
SPEAK: Final = "When to speak, and what"
MODEL: Final = "Model"
OUTPUT: Final = "Output"
MORE: Final = "Settings"
