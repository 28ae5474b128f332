"""An own exercise as the text of a file: YAML with numbers packed in base64. Parses and checks text; reads no files.

version: 1
title: "Calf raise"
parts: [shoulders, hips, feet]
good: {repetitions: 5, shortest_s: 1.9, longest_s: 2.4, spread: …, steps: …}
mistakes:
  heels_up: {say: Keep your heels down., words: owner, repetitions: 5, …}
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Final, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from cornerman_common.saved_settings import check_name
from cornerman_pose.body_parts import PARTS
from cornerman_pose.taught.alignment import STEPS
from cornerman_pose.taught.exercise import Prototype, TaughtExercise, TaughtMistake
from cornerman_pose.taught.names import NAMES
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.explain import explain
from cornerman_shared.settings.files import parse_settings
from cornerman_shared.settings.source import Plain, Section

VERSION: Final = 1
MAX_BYTES: Final = 64 * 1024
MAX_MISTAKES: Final = 8
MAX_SENTENCE: Final = 200

_LARGEST: Final = 50.0
_NAME: Final = 40
_NUMBERS: Final = "<f2"


class _PrototypeFields(Section):
    repetitions: Annotated[int, Field(ge=1, le=100)]
    shortest_s: Annotated[float, Field(gt=0, le=60)]
    longest_s: Annotated[float, Field(gt=0, le=60)]
    spread: Annotated[str, Field(max_length=4096)]
    steps: Annotated[str, Field(max_length=16384)]


class _MistakeFields(_PrototypeFields):
    say: Annotated[Plain, Field(pattern=r"\S", max_length=MAX_SENTENCE)]
    words: Literal["owner", "model"] = "owner"


class _ExerciseFields(Section):
    version: Literal[1]
    title: Annotated[Plain, Field(pattern=r"\S", max_length=80)]
    parts: Annotated[tuple[str, ...], Field(max_length=len(PARTS))] = ()
    praise: Annotated[Plain, Field(max_length=MAX_SENTENCE)] = ""
    good: _PrototypeFields
    mistakes: dict[str, _MistakeFields] = Field(default_factory=dict, max_length=MAX_MISTAKES)


def exercise_text(exercise: TaughtExercise) -> str:
    """The file of an exercise."""
    tree = {
        "version": VERSION,
        "title": exercise.title,
        "parts": list(exercise.parts),
        **({"praise": exercise.praise} if exercise.praise else {}),
        "good": _fields(exercise.good),
        "mistakes": {
            one.name: {"say": one.say, "words": one.words, **_fields(one.prototype)} for one in exercise.mistakes
        },
    }
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)


def parse_exercise(name: str, text: str, where: str) -> TaughtExercise:
    """The exercise in the text of a file.

    Args:
        name: of the exercise.
        text: its YAML.
        where: its file, for errors.

    Raises:
        ConfigError: one line for each wrong field: the file, the field, the value, and what is allowed.
    """
    if (size := len(text.encode())) > MAX_BYTES:
        raise ConfigError(f"{where}: {size} bytes; an exercise has at most {MAX_BYTES}")
    tree = parse_settings(text, where, aliases=False)
    version = tree.get("version")
    if isinstance(version, int) and VERSION < version < 1000:
        raise ConfigError(
            f"{where}: version = {version}: made by a newer release; this one reads version {VERSION}: update Cornerman"
        )
    try:
        fields = _ExerciseFields.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{where}: {line}" for line in explain(error).splitlines())) from None
    if unknown := set(fields.parts) - set(PARTS):
        raise ConfigError(f"{where}: parts = {sorted(unknown)}: expected some of {', '.join(PARTS)}")
    mistakes = tuple(
        TaughtMistake(check_name(key), one.say, one.words, _prototype(one, f"{where}: mistakes.{key}"))
        for key, one in fields.mistakes.items()
    )
    good = _prototype(fields.good, f"{where}: good")
    return TaughtExercise(check_name(name), fields.title, good, mistakes, fields.parts, fields.praise)


def mistake_name(sentence: str) -> str:
    """A name made from a sentence, as "heels_up" from "Heels up!".

    Raises:
        ConfigError: the sentence is empty or too long, or has no letter or digit that a name may have.
    """
    if not sentence.strip() or len(sentence) > MAX_SENTENCE:
        raise ConfigError(f"mistake {sentence[:60]!r}: give 1 to {MAX_SENTENCE} characters")
    words = sentence.casefold()
    name = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    lost = any(each.isalnum() and not each.isascii() for each in words)
    if lost or not name or len(name) > _NAME:
        # Two sentences must not come to one name, as the second would replace the first.
        name = f"{name[: _NAME - 9] or 'mistake'}_{binascii.crc32(sentence.encode(errors='replace')):08x}"
    return check_name(name)


def _fields(prototype: Prototype) -> dict[str, Any]:
    shortest, longest = prototype.seconds
    return {
        "repetitions": prototype.repetitions,
        "shortest_s": round(shortest, 3),
        "longest_s": round(longest, 3),
        "spread": _packed(prototype.spread),
        "steps": _packed(prototype.steps),
    }


def _packed(numbers: NDArray[np.float64]) -> str:
    return base64.b64encode(numbers.astype(_NUMBERS).tobytes()).decode()


def _prototype(fields: _PrototypeFields, where: str) -> Prototype:
    if fields.longest_s < fields.shortest_s:
        raise ConfigError(f"{where}.longest_s = {fields.longest_s:g}: below shortest_s = {fields.shortest_s:g}")
    steps = _unpacked(fields.steps, (STEPS, len(NAMES)), f"{where}.steps")
    spread = _unpacked(fields.spread, (len(NAMES),), f"{where}.spread")
    if float(np.ptp(steps, axis=0).max()) < 1e-3:
        raise ConfigError(f"{where}.steps: nothing moves in them; teach the exercise again")
    return Prototype(steps, np.abs(spread), (fields.shortest_s, fields.longest_s), fields.repetitions)


def _unpacked(text: str, shape: tuple[int, ...], where: str) -> NDArray[np.float64]:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{where}: not base64; take the file as `cornerman exercises show` prints it") from None
    if len(raw) != 2 * int(np.prod(shape)):
        raise ConfigError(
            f"{where}: {len(raw)} bytes; expected {2 * int(np.prod(shape))}: teach the exercise again with this release"
        )
    numbers = np.frombuffer(raw, _NUMBERS).astype(np.float64).reshape(shape)
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > _LARGEST:
        raise ConfigError(f"{where}: numbers that no pose has; teach the exercise again")
    return numbers
