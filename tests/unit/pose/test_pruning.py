"""A model without the parts that unread outputs need gives the same bits."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from cornerman_pose.errors import WeightsError
from cornerman_pose.pruning import pruned

X, DOUBLE, POINTS, MASK = range(4)
SHAPES = {X: (1, 2), DOUBLE: (1, 2), POINTS: (1, 4), MASK: (1, 6)}


def operator(kind: int, inputs: list[int], output: int) -> schema.OperatorT:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = kind, inputs, [output]
    if kind:
        made.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
        made.builtinOptions = schema.ConcatenationOptionsT()
        made.builtinOptions.axis = 1
    else:
        made.builtinOptionsType, made.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    return made


def kind(code: int) -> schema.OperatorCodeT:
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = code
    made.version = 1
    return made


def tensor(shape: tuple[int, ...]) -> schema.TensorT:
    made = schema.TensorT()
    made.shape, made.buffer = list(shape), 0
    return made


def model() -> bytes:
    """x -> 2 x -> three times 2 x; 2 x -> two times 2 x."""
    graph, made = schema.SubGraphT(), schema.ModelT()
    graph.tensors = [tensor(SHAPES[number]) for number in range(4)]
    graph.inputs, graph.outputs = [X], [MASK, POINTS]
    graph.operators = [operator(0, [X, X], DOUBLE), operator(1, [DOUBLE] * 3, MASK), operator(1, [DOUBLE] * 2, POINTS)]
    made.version, made.subgraphs, made.buffers = 3, [graph], [schema.BufferT()]
    made.operatorCodes = [kind(schema.BuiltinOperator.ADD), kind(schema.BuiltinOperator.CONCATENATION)]
    builder = flatbuffers.Builder(0)
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def graph_of(content: bytes) -> schema.SubGraphT:
    return schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]


def test_unread_output_is_not_computed() -> None:
    left = graph_of(pruned(model(), [SHAPES[POINTS]]))
    assert [list(each.outputs) for each in left.operators] == [[DOUBLE], [POINTS]]
    assert list(left.outputs) == [POINTS]


def test_rest_computes_the_same() -> None:
    net = Interpreter(model_content=pruned(model(), [SHAPES[POINTS]]))
    net.allocate_tensors()
    net.set_tensor(net.get_input_details()[0]["index"], np.array([[0.5, 3.0]], np.float32))
    net.invoke()
    (found,) = net.get_output_details()
    assert net.get_tensor(found["index"]).tolist() == [[1.0, 6.0, 1.0, 6.0]]


def test_whole_model_keeps_its_bytes() -> None:
    whole = model()
    assert pruned(whole, [SHAPES[MASK], SHAPES[POINTS]]) == whole


@pytest.mark.parametrize("content", [b"", b"a detector", model()[:60]])
def test_damaged_model_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError, match="model"):
        pruned(content, [SHAPES[POINTS]])
