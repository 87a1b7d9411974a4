"""Limits on the size of values: a node that makes a larger one is refused before anything is allocated for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper, shape_inference

from oracle.proving.lowering.builder import LARGEST_VALUE, OperatorRefused, Var
from oracle.proving.lowering.loading import LARGEST_CONSTANT

_SHAPE = 1024
"""Constants of up to this many numbers may be shapes, widths or factors, which sizes follow from."""


def refuse_large(
    node: onnx.NodeProto, arguments: Sequence[Any], types: Sequence[int], opset: int, version: int
) -> None:
    """Make sure that no result of a node is too large, as far as its sizes follow from those of its arguments.

    Args:
        node: The node.
        arguments: Values and arrays, or None for those that are left out.
        types: The ONNX types of its inputs; 0: unknown.
        opset: The version of its domain's operators.
        version: The version of the file's format.

    Raises:
        OperatorRefused: A result has more numbers than a value or a constant may have.
    """
    most = LARGEST_VALUE if any(isinstance(each, Var) for each in arguments) else LARGEST_CONSTANT
    for shape in _shapes(node, arguments, types, opset, version):
        if math.prod(shape) > most:
            raise OperatorRefused(
                f"it makes {'×'.join(map(str, shape))} numbers, and at most {most:,} can be dealt with",
                "make its result smaller",
            )


def _shapes(
    node: onnx.NodeProto, arguments: Sequence[Any], types: Sequence[int], opset: int, version: int
) -> Iterable[list[int]]:
    """Yield the shapes of a node's results that are known."""
    given: dict[str, onnx.TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        for name, argument, kind in zip(node.input, arguments, types, strict=True):
            if isinstance(argument, Var):
                given[name] = helper.make_tensor_type_proto(kind or TensorProto.FLOAT, argument.shape)
            elif argument is not None:
                array = np.asarray(argument)
                given[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                if array.size <= _SHAPE:
                    data[name] = numpy_helper.from_array(array, name)
        schema = defs.get_schema(node.op_type, opset, domain)
        imports = [helper.make_opsetid(domain, opset)]
        found = shape_inference.infer_node_outputs(
            schema, node, given, data, opset_imports=imports, ir_version=version or 1
        )
    except Exception:  # the inference of a single operator may fail, and raises classes of its own
        return
    for result in found.values():
        dims = result.tensor_type.shape.dim
        if all(each.HasField("dim_value") for each in dims):
            yield [int(each.dim_value) for each in dims]
