"""Removes the parts of a .tflite model that only unread outputs need. Pure.

The landmark net draws a mask of 256 x 256 pixels beside its landmarks, which takes nearly half of its time. The
operators that stay are untouched, so their results keep every bit.

The model is edited in place: vectors get shorter, nothing moves, removed parts stay unreferenced. To pack it anew would
lose the alignment of its weights.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import Any, Final

import numpy as np

_IDENTIFIER: Final = b"TFL3"

_OUTPUTS: Final = 8
_OPERATORS: Final = 10
"""Places of a graph's fields in its table; LiteRT's readers give their values only."""


def pruned(model: bytes, shapes: Collection[tuple[int, ...]]) -> bytes:
    """The model with the outputs of these shapes alone, and the operators that they need.

    Args:
        model: the content of a .tflite file with one graph.
        shapes: of the outputs that are read; shapes that no output has are ignored.

    Raises:
        ValueError: it is not such a model.
    """
    from ai_edge_litert import schema_py_generated as schema  # of an extra

    if model[4:8] != _IDENTIFIER:
        raise ValueError(f"{len(model)} bytes that begin with {model[:8]!r} are not a .tflite model")
    data = bytearray(model)
    try:
        _prune(data, schema.Model.GetRootAs(data, 0).Subgraphs(0), shapes)
    except (AttributeError, IndexError, TypeError, ValueError, struct.error) as error:
        raise ValueError(f"a .tflite model that cannot be read: {error}") from error
    return bytes(data)


def _prune(data: bytearray, graph: Any, shapes: Collection[tuple[int, ...]]) -> None:
    outputs = [int(each) for each in graph.OutputsAsNumpy()]
    read = [each for each in outputs if tuple(graph.Tensors(each).ShapeAsNumpy().tolist()) in shapes]
    needed, kept = set(read), []
    for number in reversed(range(graph.OperatorsLength())):  # a model lists them in the order in which they run
        operator = graph.Operators(number)
        if needed.intersection(operator.OutputsAsNumpy().tolist()):
            needed.update(operator.InputsAsNumpy().tolist())
            kept.append(operator._tab.Pos)
    _shorten(data, graph, _OUTPUTS, read)
    start = graph._tab.Vector(graph._tab.Offset(_OPERATORS))
    # Operators are referred to by offsets from where they are listed.
    _shorten(data, graph, _OPERATORS, [place - (start + 4 * at) for at, place in enumerate(reversed(kept))])


def _shorten(data: bytearray, graph: Any, field: int, values: list[int]) -> None:
    """Writes a vector of 32-bit numbers again, behind its length; of at most its length."""
    start = graph._tab.Vector(graph._tab.Offset(field))
    np.frombuffer(data, "<u4", 1 + len(values), start - 4)[:] = [len(values), *values]
