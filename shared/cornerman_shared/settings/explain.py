"""Validation errors in words. Hides secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from pydantic import ValidationError

SHOWN: Final = 200
"""Characters of a wrong value that an error shows."""
MOST: Final = 20
"""Wrong fields that are named; a file of 64 KiB can have thousands."""


def explain(error: ValidationError) -> str:
    """Formats validation errors, one line a field: name, value and reason. Hides secrets and control characters."""
    lines = []
    items = error.errors(include_url=False, include_context=False)
    for item in items[:MOST]:
        where = _one_line(".".join(str(part) for part in item["loc"])) or "settings"
        # Values of secrets, and of URLs, which may hold a password, are not shown.
        value = "(hidden)" if where.endswith(("token", "api_key", "url", "password", "keys")) else _shown(item["input"])
        if item["type"] == "extra_forbidden":
            lines.append(f"{where}: unknown setting; see cornerman.yaml for the names")
        elif item["input"] is None:
            lines.append(f"{where} has no value; give one, or remove it")
        else:
            # A long list or section is not shown: the message of its check names what is wrong in it.
            shown = "" if isinstance(item["input"], (list, dict)) else f" = {value[:SHOWN]}{'…' * (len(value) > SHOWN)}"
            lines.append(f"{where}{shown}: {item['msg'].removeprefix('Value error, ')}")
    if len(items) > MOST:
        lines.append(f"and {len(items) - MOST} more wrong fields")
    return redact_url("\n".join(lines))


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"a {type(value).__name__} too large to show"


def _one_line(name: str) -> str:
    """A field's name, which may be any text of a file."""
    return " ".join(clean_text(name[: 2 * SHOWN], SHOWN).split())
