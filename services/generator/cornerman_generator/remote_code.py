"""Permission for code that comes with a model: by name and revision, asked for before any of it is imported.

Allowed is one model at one revision: of the hub a commit, whose files never change; of a folder the digest of its
Python files, so that changed code is refused until it is allowed again.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cornerman_shared.errors import ConfigError

SETTING: Final = "generator.trust_remote_code"
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
CONFIGS: Final = (
    *("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json"),
    "video_preprocessor_config.json",
)
"""Files whose `auto_map` names classes of the model's own code."""


@dataclass(frozen=True, slots=True)
class CodePermission:
    """What a model may run.

    Attributes:
        config: the model's `config.json`, read as data.
        own_code: whether the model's own code is needed, and allowed.
        pinned: arguments for every `from_pretrained`: revision and permission.
    """

    config: dict[str, Any]
    own_code: bool
    pinned: dict[str, Any]


def code_permission(path: str, trusted: str) -> CodePermission:
    """Reads the config without running code, and compares the permission with what the model brings.

    Args:
        path: folder or hub name.
        trusted: the setting: `NAME@REVISION`, empty = no code of any model.

    Raises:
        ConfigError: the model brings code that is not allowed; says what to read, and what to set.
        OSError: the config is missing.
    """
    folder = Path(path)
    if folder.is_dir():
        return _of_folder(path, folder, trusted)
    name, _, revision = trusted.rpartition("@")
    pinned_here = name == path
    if pinned_here and not COMMIT.fullmatch(revision):
        raise ConfigError(
            f"{SETTING} = {trusted!r}: {revision!r} is not a commit; a branch or tag could become other code. "
            "Give the 40 digits of the commit that you have read"
        )
    config = _hub_config(path, revision if pinned_here else None)
    needed = _needs_own_code(config)
    if needed and not pinned_here:
        raise ConfigError(
            f"generator.model = {path!r} brings its own code, which runs with your rights; read it at the hub, "
            f"then allow this one revision: {SETTING} = '{path}@COMMIT', with the 40 digits of the commit"
        )
    _refuse_foreign_code(path, config)
    pin = {"revision": revision, "code_revision": revision} if needed else {}
    return CodePermission(config, needed, {"trust_remote_code": needed, **pin})


def code_digest(folder: Path) -> str:
    """SHA-256 over names and contents of a folder's Python files, its first 40 digits."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:40]


def _of_folder(path: str, folder: Path, trusted: str) -> CodePermission:
    configs = [_object(folder / name) for name in CONFIGS if (folder / name).is_file()]
    config = _object(folder / "config.json")
    if not any(map(_needs_own_code, configs)):
        return CodePermission(config, False, {"trust_remote_code": False})
    for each in configs:
        _refuse_foreign_code(path, each)
    name, _, revision = trusted.rpartition("@")
    here = code_digest(folder)
    if not name or Path(name).expanduser().absolute() != folder.absolute():
        files = ", ".join(sorted(file.name for file in folder.glob("*.py"))) or "none here"
        raise ConfigError(
            f"generator.model = {path!r} brings its own code ({files}), which runs with your rights; read it, "
            f"then allow this one revision: {SETTING} = '{path}@{here}'"
        )
    if revision != here:
        raise ConfigError(
            f"{SETTING} = {trusted!r}: the code in {path} is now of revision {here}; "
            f"it has changed since it was allowed. Read it again, then set '{path}@{here}'"
        )
    return CodePermission(config, True, {"trust_remote_code": True})


def _needs_own_code(config: dict[str, Any]) -> bool:
    """Whether a config names classes that transformers does not have itself."""
    if not config.get("auto_map"):
        return False
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return str(config.get("model_type", "")) not in CONFIG_MAPPING


def _refuse_foreign_code(path: str, config: dict[str, Any]) -> None:
    named = config.get("auto_map") or {}
    values = named.values() if isinstance(named, dict) else [named]
    classes = [one for value in values for one in (value if isinstance(value, list) else [value]) if one]
    foreign = sorted({str(one).partition("--")[0] for one in classes if "--" in str(one)})
    if foreign:
        raise ConfigError(
            f"generator.model = {path!r} takes code from another repository ({', '.join(foreign)}), whose revision "
            "it does not name; download the model to a folder with that code in it, and allow that folder"
        )


def _hub_config(name: str, revision: str | None) -> dict[str, Any]:
    from transformers import PretrainedConfig

    config, _ = PretrainedConfig.get_config_dict(name, revision=revision)
    return dict(config)


def _object(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}, not an object")
    return found
