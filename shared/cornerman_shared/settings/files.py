"""Reads a settings file as nested values. Knows YAML and encodings, not the names of settings."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any, Final, cast

import yaml

from cornerman_shared.errors import ConfigError

DEFAULT_FILE: Final = Path("cornerman.yaml")

MAX_BYTES: Final = 1 << 20
"""A larger file holds no settings."""

MAX_DEPTH: Final = 50
"""Brackets within brackets; PyYAML's time for more grows with their square."""

_WIDE: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which makes plain values only, with faults that it leaves to the caller as YAML errors.

    It keeps the last of two equal keys without a word, and raises whatever a tag's conversion does: `!!bool x` is a
    `KeyError`.
    """

    def fetch_flow_collection_start(self, token_class: type[yaml.Token]) -> None:
        if self.flow_level >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_DEPTH} brackets deep", problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token_class)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            kind = node.tag.rpartition(":")[2]
            shown = f" {node.value[:60]!r}" if isinstance(node, yaml.ScalarNode) else ""
            problem = f"the value{shown} is not of its type {kind!r}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _value in node.value:
            name = str(key.value)
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge" and name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name!r} is given twice; keep one", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


class _NoAliasLoader(_PlainLoader):
    """For files of other people: a few lines of aliases can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = cast(Any, self).peek_event().start_mark  # PyYAML's stubs do not type it
            raise yaml.MarkedYAMLError(problem="aliases (*) are not read here; write the value out", problem_mark=mark)
        return super().compose_node(parent, index)


def load_plain(text: str, aliases: bool = True) -> Any:
    """The plain value of YAML text.

    Args:
        text: the YAML.
        aliases: whether it may have some.

    Raises:
        yaml.YAMLError: it cannot be read.
        RecursionError: it is nested too deep.
    """
    try:
        return yaml.load(text, Loader=_PlainLoader if aliases else _NoAliasLoader)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Collections are filled after `construct_object` has returned.
        raise yaml.YAMLError(f"a value is not of its type: {error}") from None


def settings_file() -> Path | None:
    """The file that `CORNERMAN_CONFIG` names, or `cornerman.yaml` of this folder; None = neither.

    Raises:
        ConfigError: the named file is missing.
    """
    named = os.environ.get("CORNERMAN_CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            raise ConfigError(f"CORNERMAN_CONFIG={named!r}: file not found; give the path of a YAML file")
        return path
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def read_settings_file(path: Path) -> dict[str, Any]:
    """Nested values of a YAML file; an empty file has none.

    Raises:
        ConfigError: one sentence with the file, the line and the remedy.
    """
    return parse_settings(read_text(path), str(path))


def parse_settings(text: str, where: str, aliases: bool = True) -> dict[str, Any]:
    """Nested values of YAML text; empty text has none.

    Args:
        text: the YAML.
        where: its file, for errors.
        aliases: whether it may have some; False for files of other people.

    Raises:
        ConfigError: as `read_settings_file`.
    """
    try:
        tree = load_plain(text, aliases)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{where}{_line(error)}: {_problem(error, text)}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{where}: not YAML ({_one_line(str(error))}); see cornerman.yaml for the form") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{where}: a {type(tree).__name__}, not sections with settings; see cornerman.yaml for the form"
        )
    for name, section in tree.items():
        if not isinstance(name, str):
            raise ConfigError(
                f"{where}: {name!r} is not the name of a section; put names with other meanings in quotes"
            )
        if section is None:
            raise ConfigError(f"{where}: section {name!r} is empty; give a setting in it, or remove it")
    return tree


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """A file's text.

    Raises:
        ConfigError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if (size := path.stat().st_size) > max_bytes:
            raise ConfigError(f"{path}: {size} bytes are no settings file; give a YAML file of at most {max_bytes}")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); let this user read it") from None
    if data.startswith(_WIDE) or b"\0" in data[:4]:
        raise ConfigError(f"{path}: not UTF-8 but UTF-16 or UTF-32; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8; save it as UTF-8"
        ) from None


def _line(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}" if mark else ""


def _problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or (error.problem and "'\\t'" in error.problem):
        return "a tab; indent with spaces"
    problem = _one_line(error.problem or error.context or "unknown problem")
    return problem if ";" in problem else f"not YAML ({problem}); see cornerman.yaml for the form"


def _one_line(text: str) -> str:
    return " ".join(text.split())
