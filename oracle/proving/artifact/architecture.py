"""The public description of a private model's architecture: its graph, with other numbers in place of the weights.

Hashed weights are witness, and in no key: a verifying key follows from the graph without them. So whoever has this
graph can make the key of an artifact again, and knows what its proofs compute, but not with which weights.

There is an exception. ezkl's reader simplifies a graph by the values in it: it leaves out a sum with zeros or a product
with ones, and takes a product with a single power of two for a change of scale. A key that depends on the weights in
this way shows them to everybody, and the graph then has these constants as they are (`shown`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from oracle.core.errors import ArtifactError

if TYPE_CHECKING:
    import numpy as np

# onnx and numpy are heavy, and only who builds or makes again reads graphs: they are imported in the functions.

_LARGEST = 8_388_593
"""A prime below 2^23: stand-ins are exact as 32-bit floats, and tensors of any size differ from each other."""


def architecture_of(graph: bytes, param_scale: int, shown: Collection[str] = ()) -> bytes:
    """Return a graph with stand-ins for its weights, and without names, texts and facts of its maker.

    Args:
        graph: The ONNX graph of a circuit.
        param_scale: Weights are multiples of 2^-param_scale.
        shown: Names of constants that are left as they are.

    Raises:
        ArtifactError: See `check_graph`.
    """
    from onnx import numpy_helper

    proto = check_graph(graph)
    structural = _scales(proto.graph)
    counter = 0
    for constant in proto.graph.initializer:
        array = numpy_helper.to_array(constant)
        if array.dtype.kind != "f":
            continue
        stands_in = _stand_in(array, counter, param_scale)
        counter += array.size
        if constant.name not in structural and constant.name not in shown:
            constant.CopyFrom(numpy_helper.from_array(stands_in, constant.name))
    _anonymise(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def check_graph(graph: bytes) -> Any:
    """Return a graph that all of its numbers and comparisons are seen in: nothing is in files, functions or subgraphs.

    Raises:
        ArtifactError: It is not such a graph.
    """
    import onnx

    try:
        proto = onnx.load_model_from_string(graph)
    except Exception as error:  # protobuf has no types
        raise ArtifactError(f"the graph is no ONNX: {error}") from error
    kinds = onnx.AttributeProto
    hidden = {kinds.TENSOR, kinds.TENSORS, kinds.GRAPH, kinds.GRAPHS, kinds.SPARSE_TENSOR, kinds.SPARSE_TENSORS}
    outside = onnx.TensorProto.EXTERNAL
    if (
        len(proto.functions)
        or len(proto.graph.sparse_initializer)
        or any(each.data_location == outside for each in proto.graph.initializer)
        or any(each.type in hidden for node in proto.graph.node for each in node.attribute)
    ):
        raise ArtifactError("the graph has constants or operators that are not written in it as such")
    return proto


def shown_constants(architecture: bytes, param_scale: int) -> list[str]:
    """Return the names of an architecture's constants that are no stand-ins: the key depends on their values."""
    from onnx import numpy_helper

    proto, again = check_graph(architecture), check_graph(architecture_of(architecture, param_scale))
    pairs = zip(proto.graph.initializer, again.graph.initializer, strict=True)
    return [
        one.name
        for one, other in pairs
        if numpy_helper.to_array(one).tobytes() != numpy_helper.to_array(other).tobytes()
    ]


def special_constants(graph: bytes) -> list[str]:
    """Return the names of constants that ezkl's reader may simplify away: zeros, and ones or another power of two."""
    from onnx import numpy_helper

    proto = check_graph(graph)
    structural = _scales(proto.graph)
    found = []
    for constant in proto.graph.initializer:
        array = numpy_helper.to_array(constant)
        if array.dtype.kind != "f" or constant.name in structural or not array.size:
            continue
        value = float(array.flat[0])
        if bool((array == value).all()) and math.frexp(abs(value))[0] in (0.0, 0.5):
            found.append(constant.name)
    return found


def _stand_in(array: np.ndarray, counter: int, param_scale: int) -> np.ndarray:
    """Return numbers that no reader simplifies: odd multiples of 2^-p from 3 on, different in each constant."""
    import numpy as np

    integers = 3 + 2 * ((counter + np.arange(array.size, dtype=np.int64)) % _LARGEST)
    return (integers / 2.0**param_scale).astype(array.dtype).reshape(array.shape)


def _scales(graph: Any) -> set[str]:
    """Return the names of constants that only change a scale: single negative powers of two, used in products alone."""
    from onnx import numpy_helper

    found = set()
    for constant in graph.initializer:
        array = numpy_helper.to_array(constant)
        if array.dtype.kind != "f" or array.size != 1:
            continue
        value = float(array.flat[0])
        users = {node.op_type for node in graph.node if constant.name in node.input}
        if 0 < value < 1 and math.frexp(value)[0] == 0.5 and users == {"Mul"}:
            found.add(constant.name)
    return found


def _anonymise(proto: Any) -> None:
    """Give everything in a graph a name of its kind and place; its inputs and outputs keep theirs."""
    graph = proto.graph
    names = {each.name: each.name for each in (*graph.input, *graph.output)}
    for place, constant in enumerate(graph.initializer):
        names[constant.name] = constant.name = f"constant_{place}"
        constant.doc_string = ""
    for place, node in enumerate(graph.node):
        node.name, node.doc_string = f"{node.op_type.lower()}_{place}", ""
        for at, output in enumerate(node.output):
            names.setdefault(output, f"{node.name}_{at}")
    for node in graph.node:
        for ends in (node.input, node.output):
            for at, name in enumerate(ends):
                ends[at] = names.get(name, name)
    graph.name, graph.doc_string = "architecture", ""
    for part in (graph, proto):
        del part.metadata_props[:]
    del graph.value_info[:]
    proto.producer_name = proto.producer_version = proto.doc_string = proto.domain = ""
