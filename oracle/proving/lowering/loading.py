"""ONNX files: read with the data that lie beside them, checked, and brought into one form.

A model may keep its weights in other files. They are looked for in the folder of the model, wherever the command was
called from, and nowhere else. What is read becomes part of the model's bytes, so that whatever hashes the model hashes
its weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper, inliner, numpy_helper

from oracle.core.errors import ModelError

LARGEST = 1 << 30
"""The most bytes of a model with all its data. Models that can be proven have less than a hundredth of it."""

LARGEST_CONSTANT = 1 << 26
"""The most numbers of a constant that is computed from others."""

MOST_NODES = 1 << 17
"""The most nodes of a model, its functions written out."""

_TERM = rb"[A-Za-z ]*(?:\.\.\.[A-Za-z ]*)?"
_EQUATION = re.compile(rb"%b(?:,%b)*(?:->%b)?" % (_TERM, _TERM, _TERM))

MOST_NESTED = 64
"""The most levels of functions and graphs in each other."""


def read_file(path: Path) -> bytes:
    """Return an ONNX file with all data that lie beside it, as one self-contained file.

    A file without external data is returned as it is.

    Raises:
        ModelError: The file or its data can't be read, are too large, or lie outside of the model's folder.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ModelError(f"{path} has {size:,} bytes; models have at most {LARGEST:,}")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    model = _parsed(data, str(path))
    external = [each for each in _tensors(model) if external_data_helper.uses_external_data(each)]
    if not external:
        return data
    total = len(data)
    for tensor in external:
        total += _claimed(tensor, path)
        if total > LARGEST:
            raise ModelError(f"{path} and its data have more than {LARGEST:,} bytes, the most that a model may have")
    # onnx opens the files: it takes no absolute path, no "..", no symbolic link, and nothing but regular files.
    for tensor in external:
        where = _location(tensor)
        try:
            external_data_helper.load_external_data_for_tensor(tensor, str(path.absolute().parent))
        except (onnx.checker.ValidationError, OSError, ValueError) as error:
            words = " ".join(str(error).split())[:200]
            raise ModelError(
                f"{path}: the data of {tensor.name!r} can't be read from {where!r} beside the model: {words}. Keep "
                "the files of an export together in one folder, without links, or export into one file"
            ) from error
    return bytes(model.SerializeToString(deterministic=True))


def read_model(data: bytes, name: str = "the model") -> onnx.ModelProto:
    """Parse an ONNX file, check it, and write the functions that it defines into its graph.

    Raises:
        ModelError: It is not a valid ONNX file, or has data in other files.
    """
    model = _parsed(data, name)
    if any(external_data_helper.uses_external_data(each) for each in _tensors(model)):
        raise ModelError(f"{name} has weights in other files: name its path, so that they are found beside it")
    try:
        if not model.graph.node:
            raise ModelError(f"{name} has no nodes: is it an ONNX file?")
        _require_few_nodes(model)
        onnx.checker.check_model(model)
        if model.functions:
            model = inliner.inline_local_functions(model)
        _require_equations(model.graph)
        _make_dense(model.graph)
    except (onnx.checker.ValidationError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())[:300]
        raise ModelError(f"{name} is not a valid ONNX model: {words}. Export it again") from error
    return model


def _require_few_nodes(model: onnx.ModelProto) -> None:
    """Count the nodes of a model with its functions written out: a function of functions may have any number.

    Raises:
        ValueError: They are too many.
    """
    functions = {(each.domain, each.name): each for each in model.functions}
    counts: dict[tuple[str, str], int] = {}

    def counted(nodes: Iterable[onnx.NodeProto], level: int) -> int:
        if level > MOST_NESTED:
            raise ValueError(f"its functions or graphs are nested more than {MOST_NESTED} times")
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in functions and key not in counts:
                counts[key] = 0  # one that calls itself is refused by the checker
                counts[key] = counted(functions[key].node, level + 1)
            total += counts.get(key, 1)
            for attribute in node.attribute:
                graphs = [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs
                total += sum(counted(graph.node, level + 1) for graph in graphs)
            if total > MOST_NODES:
                raise ValueError(f"it has more than {MOST_NODES:,} nodes with its functions written out")
        return total

    counted(model.graph.node, 0)


def _require_equations(graph: onnx.GraphProto) -> None:
    """Make sure that onnx can read the equation of each Einsum: at four dots in a row, its inference never ends.

    Raises:
        ValueError: One of them is none.
    """
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Einsum" and attribute.name == "equation" and not _EQUATION.fullmatch(attribute.s):
                raise ValueError(f"node {node.name or node.output[0]} (Einsum): its equation is none")
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                _require_equations(inner)


def _parsed(data: bytes, name: str) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own classes, which differ between its releases
        raise ModelError(
            f"{name} is not an ONNX file: {' '.join(str(error).split())[:200]}. Export it again"
        ) from error


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor of a model: initialisers and attributes, also those of subgraphs and functions."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _of_node(node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _of_node(node)


def _of_node(node: onnx.NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in (
            *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else ()),
            *attribute.sparse_tensors,
        ):
            yield from (sparse.values, sparse.indices)
        for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
            yield from _of_graph(graph)


def _location(tensor: TensorProto) -> str:
    return next((str(each.value) for each in tensor.external_data if each.key == "location"), "")


def _claimed(tensor: TensorProto, path: Path) -> int:
    """Return the bytes that a tensor must have in its file. No more of the file will be read.

    Raises:
        ModelError: The model says that it has another number of bytes.
    """
    try:
        needed: int = math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        needed = -1
    lengths = [str(each.value) for each in tensor.external_data if each.key == "length"]
    if needed < 0 or min(tensor.dims, default=0) < 0 or any(length != str(needed) for length in lengths):
        raise ModelError(
            f"{path}: {tensor.name!r} has the shape {list(tensor.dims)}, and other bytes than that in "
            f"{_location(tensor)!r} ({', '.join(lengths) or 'none'}). Export it again"
        )
    if not lengths:
        tensor.external_data.add(key="length", value=str(needed))
    return needed


def _make_dense(graph: onnx.GraphProto) -> None:
    """Write initialisers that list their non-zero elements as ones that list all."""
    for sparse in graph.sparse_initializer:
        if math.prod(sparse.dims) > LARGEST // 8:
            raise ValueError(f"{sparse.values.name!r} has the shape {list(sparse.dims)}")
        values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
        array = np.zeros(sparse.dims, values.dtype)
        if indices.ndim == 1:
            array.ravel()[indices] = values
        else:
            array[tuple(indices.T)] = values
        graph.initializer.append(numpy_helper.from_array(array, sparse.values.name))
    graph.ClearField("sparse_initializer")
