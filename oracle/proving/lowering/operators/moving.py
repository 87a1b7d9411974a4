"""Operators that put elements elsewhere, as ONNX's own evaluator does it with their numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.table import handles, handles_each


@handles_each("DepthToSpace", "SpaceToDepth", "Tile", "Expand", "Trilu")
def moved(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    """Lower an operator that puts elements elsewhere."""
    value = as_var(arguments[0], "input")
    if operator in ("GatherElements", "GatherND"):
        index = as_constant(arguments[1], "indices")
        if operator == "GatherElements":
            sizes: Any = value.shape[axis_of(attributes.get("axis", 0), len(value.shape))]
        else:
            batch = attributes.get("batch_dims", 0)
            sizes = np.array(value.shape[batch:][: index.shape[-1]])
            if index.shape[:batch] != value.shape[:batch]:
                raise OperatorRefused(f"its indices are not those of {value.shape[:batch]}", "export the model again")
        if ((index < -sizes) | (index >= sizes)).any():
            raise OperatorRefused(f"indices outside of a value of shape {list(value.shape)}", "export the model again")
    return move(builder, value, _places(operator, builder, value, arguments[1:], attributes), 0.0)


@handles("Pad")
def _pad(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value, rank = as_var(arguments[0], "input"), len(arguments[0].shape)
    given = as_constant(arguments[1], "widths") if len(arguments) > 1 else attributes["pads"]
    axes = arguments[3] if len(arguments) > 3 and arguments[3] is not None else range(rank)
    filler: Any = arguments[2] if len(arguments) > 2 and arguments[2] is not None else attributes.get("value", 0.0)
    widths = [(0, 0)] * rank
    for at, axis in enumerate(as_constant(axes, "axes")):
        widths[int(axis)] = int(given[at]), int(given[at + len(axes)])
    grid = numbered(value)
    grid = grid[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(value.shape, widths, strict=True))]
    around = [(max(a, 0), max(b, 0)) for a, b in widths]
    mode = attributes.get("mode", b"constant").decode()
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise OperatorRefused(f"its mode is {mode!r}", "pad with a constant")
    if not grid.size:
        raise OperatorRefused("nothing is left of its input", "export the model again")
    return move(builder, value, np.pad(grid, around, mode), float(np.ravel(as_constant(filler, "value"))[0]))


def numbered(value: Var) -> np.ndarray:
    """Return an array of a value's shape, which numbers its elements from 1 on."""
    return np.arange(1, math.prod(value.shape) + 1).reshape(value.shape)


def _places(
    operator: str, builder: ProgramBuilder, value: Var, others: list[Any], attributes: dict[str, Any]
) -> np.ndarray:
    """Return which element of a value stands where in the result, as numbers from 1 on; 0: a zero."""
    names = ["x", *(f"a{at}" if other is not None else "" for at, other in enumerate(others))]
    node = helper.make_node(operator, names, ["y"], **{name: attributes[name] for name in tuple(attributes)})
    feeds = {"x": numbered(value)}
    feeds |= {f"a{at}": as_constant(other, "parameter") for at, other in enumerate(others) if other is not None}
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    output = helper.make_value_info("y", helper.make_tensor_type_proto(1, None))
    opset = [helper.make_opsetid("", builder.opset)]
    model = helper.make_model(helper.make_graph([node], "moved", inputs, [output]), opset_imports=opset)
    (result,) = iter(ReferenceEvaluator(model).run(None, feeds))
    return np.asarray(result).astype(np.int64)


def move(builder: ProgramBuilder, value: Var, places: np.ndarray, filler: float) -> Var:
    """Append a choice of a value's elements.

    Args:
        builder: The builder.
        value: The elements, numbered from 1 on.
        places: Which of them stands where in the result; 0: the filler.
        filler: A number.
    """
    if not places.size:
        raise OperatorRefused("nothing is left of its input", "export the model again")
    size = math.prod(value.shape)
    flat = builder.reshape(value, (1, size))
    if not places.all():
        first = builder.gather(flat, [0], 1)
        # A constant zero would be hashed with the weights.
        filling = builder.binary("Sub", first, first)
        if filler:
            filling = builder.binary("Add", filling, np.array([[filler]]))
        flat = builder.emit("Concat", filling, flat, shape=(1, size + 1), axis=1)
        places = places + 1
    chosen = (places - 1).ravel()
    if len(chosen) == flat.shape[1] and np.array_equal(chosen, np.arange(len(chosen))):
        return builder.reshape(flat, places.shape)
    return builder.reshape(builder.gather(flat, chosen, 1), places.shape)
