"""Removes the parts of a .tflite model that only unread outputs need. Pure.

The landmark net draws a mask of 256 x 256 pixels beside its landmarks, which takes nearly half of its time. The
operators that stay are untouched, so their results keep every bit.

A model is a FlatBuffer. It is edited in place: vectors get shorter, nothing moves, what is left out stays unreferenced.
Field numbers are those of TensorFlow's `schema.fbs`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.errors import WeightsError

_IDENTIFIER: Final = b"TFL3"

_MODEL_SUBGRAPHS: Final = 2
_GRAPH_TENSORS: Final = 0
_GRAPH_OUTPUTS: Final = 2
_GRAPH_OPERATORS: Final = 3
_TENSOR_SHAPE: Final = 0
_OPERATOR_INPUTS: Final = 1
_OPERATOR_OUTPUTS: Final = 2


def pruned(model: bytes, shapes: Collection[tuple[int, ...]]) -> bytes:
    """The model with the outputs of these shapes alone, and the operators that they need.

    Args:
        model: the content of a .tflite file with one graph.
        shapes: of the outputs that are read; shapes that no output has are ignored.

    Raises:
        WeightsError: it is not such a model.
    """
    if model[4:8] != _IDENTIFIER:
        raise WeightsError(f"{len(model)} bytes that begin with {model[:8]!r} are not a .tflite model")
    file = _FlatBuffer(model)
    try:
        (graph,) = file.tables(file.reference(0), _MODEL_SUBGRAPHS)
        _prune(file, graph, shapes)
    except (IndexError, ValueError) as error:
        raise WeightsError(f"a .tflite model that cannot be read: {error}") from error
    return bytes(file.data)


def _prune(file: _FlatBuffer, graph: int, shapes: Collection[tuple[int, ...]]) -> None:
    tensors, operators = file.tables(graph, _GRAPH_TENSORS), file.tables(graph, _GRAPH_OPERATORS)
    outputs = file.vector(graph, _GRAPH_OUTPUTS)
    read = [int(each) for each in outputs if tuple(file.vector(tensors[each], _TENSOR_SHAPE).tolist()) in shapes]
    needed, kept = set(read), []
    for operator in reversed(operators):  # a model lists them in the order in which they run
        if needed.intersection(file.vector(operator, _OPERATOR_OUTPUTS).tolist()):
            needed.update(file.vector(operator, _OPERATOR_INPUTS).tolist())
            kept.append(operator)
    file.shorten(graph, _GRAPH_OUTPUTS, read)
    file.shorten(graph, _GRAPH_OPERATORS, kept[::-1], are_tables=True)


class _FlatBuffer:
    """Tables and vectors of 32-bit numbers in a FlatBuffer; a table is the place where it begins."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def reference(self, at: int) -> int:
        """The place that the offset at `at` refers to."""
        return at + int(self._numbers(at, 1, "<u4")[0])

    def vector(self, table: int, field: int) -> NDArray[np.int32]:
        """The numbers of a field; writable."""
        start = self._start(table, field)
        return self._numbers(start + 4, int(self._numbers(start, 1, "<u4")[0]), "<i4")

    def tables(self, table: int, field: int) -> list[int]:
        """The tables of a field."""
        start = self._start(table, field) + 4
        return [self.reference(start + 4 * number) for number in range(len(self.vector(table, field)))]

    def shorten(self, table: int, field: int, values: list[int], *, are_tables: bool = False) -> None:
        """Writes a field's vector again, of at most its length: numbers, or tables as offsets from their own places."""
        start, vector = self._start(table, field), self.vector(table, field)
        for number, value in enumerate(values):
            vector[number] = value - (start + 4 + 4 * number) if are_tables else value
        self._numbers(start, 1, "<u4")[0] = len(values)

    def _start(self, table: int, field: int) -> int:
        layout = table - int(self._numbers(table, 1, "<i4")[0])
        size = int(self._numbers(layout, 1, "<u2")[0])
        slot = 4 + 2 * field
        offset = int(self._numbers(layout + slot, 1, "<u2")[0]) if slot < size else 0
        if not offset:
            raise ValueError(f"the table at {table} has no field {field}")
        return self.reference(table + offset)

    def _numbers(self, at: int, count: int, kind: str) -> NDArray[np.int32]:
        return np.frombuffer(self.data, kind, count, at)
