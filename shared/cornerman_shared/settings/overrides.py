"""Converts dotted settings (`encoder.batch=2`) to nested ones and to environment variables. Does not validate."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.files import load_plain


def nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Nests dotted names: `[("encoder.batch", 2)]` -> `{"encoder": {"batch": 2}}`.

    Raises:
        ConfigError: a name is used as a value and as a section.
    """
    tree: dict[str, Any] = {}
    for dotted, value in pairs:
        *parents, leaf = dotted.split(".")
        section = tree
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise ConfigError(f"{dotted!r}: {parent!r} is a value and a section at once; give one of them")
        section[leaf] = value
    return tree


def parse_set(items: Iterable[str]) -> list[tuple[str, Any]]:
    """Parses `name=value` items: `["encoder.batch=2"]` -> `[("encoder.batch", 2)]`; values are YAML.

    Raises:
        ConfigError: an item is not `name=value`.
    """
    pairs = []
    for item in items:
        name, sign, text = item.partition("=")
        if not sign or not name.strip():
            raise ConfigError(f"--set {item!r}: give section.name=value, e.g. encoder.batch=2")
        try:
            pairs.append((name.strip(), load_plain(text) if text else ""))
        except (yaml.YAMLError, RecursionError):
            raise ConfigError(f"--set {item!r}: the value is not YAML; put it in quotes") from None
    return pairs


def merge(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """Merges nested mappings; values of later ones win."""
    merged: dict[str, Any] = {}
    for tree in trees:
        for name, value in tree.items():
            old = merged.get(name)
            merged[name] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def to_environment(tree: Mapping[str, Any], prefix: str = "CORNERMAN_") -> dict[str, str]:
    """Converts nested settings to `CORNERMAN_*` variables. A mapping within a section is one value, with any names.

    >>> to_environment({"encoder": {"batch": 2}, "generator": {"adapters": {"./a.b": "/a.b"}}})
    {'CORNERMAN_ENCODER__BATCH': '2', 'CORNERMAN_GENERATOR__ADAPTERS': '{"./a.b": "/a.b"}'}
    """
    flat: dict[str, str] = {}
    for section, values in tree.items():
        own = values.items() if isinstance(values, Mapping) and values else (("", values),)
        for name, value in own:
            key = f"{prefix}{section}__{name}".removesuffix("__").upper()
            flat[key] = value if isinstance(value, str) else json.dumps(value)
    return flat
