"""Validation errors in words. Hides secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from pydantic import ValidationError

SHOWN: Final = 200
"""Characters of a wrong value that an error shows."""


def explain(error: ValidationError) -> str:
    """Formats validation errors, one line a field: name, value and reason. Hides secrets."""
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"]) or "settings"
        # Values of secrets, and of URLs, which may hold a password, are not shown.
        value = "(hidden)" if where.endswith(("token", "api_key", "url", "password", "keys")) else repr(item["input"])
        if item["type"] == "extra_forbidden":
            lines.append(f"{where}: unknown setting; see cornerman.yaml for the names")
        elif item["input"] is None:
            lines.append(f"{where} has no value; give one, or remove it")
        else:
            # A long list or section is not shown: the message of its check names what is wrong in it.
            shown = "" if isinstance(item["input"], (list, dict)) else f" = {value[:SHOWN]}{'…' * (len(value) > SHOWN)}"
            lines.append(f"{where}{shown}: {item['msg'].removeprefix('Value error, ')}")
    return redact_url("\n".join(lines))
