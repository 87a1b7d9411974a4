"""Moving elements about: reshaping, joining, cutting and choosing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.operators.places import at_places
from oracle.proving.lowering.operators.rounding import truncated
from oracle.proving.lowering.table import handles
from oracle.proving.lowering.types import FLOATS, INTEGERS


@handles("Identity", "ZipMap")
def _identity(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return arguments[0]


@handles("Dropout")
def _dropout(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    training = arguments[2] if len(arguments) > 2 and arguments[2] is not None else np.array(False)
    if as_constant(training, "training_mode") or (builder.opset < 7 and not attributes.get("is_test", 1)):
        raise OperatorRefused("it drops values at random, as in training", "export the model for inference")
    return arguments[0]


@handles("Cast", "CastLike")
def _cast(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    wanted = builder.input_types[1] if len(arguments) > 1 else attributes["to"]
    if isinstance(wanted, bytes):  # before opset 6
        wanted = TensorProto.DataType.Value(wanted.decode())
    given = builder.input_types[0] or TensorProto.FLOAT
    # Booleans are 0 and 1 here.
    if wanted == given or given == TensorProto.BOOL or wanted in FLOATS:
        return arguments[0]
    if wanted == TensorProto.BOOL:
        return builder.nonzero(arguments[0])
    if given in INTEGERS and wanted == TensorProto.INT64:
        return arguments[0]
    value: Var = arguments[0]
    most = np.iinfo(helper.tensor_dtype_to_np_dtype(wanted))
    if value.low < most.min or value.high > most.max:
        raise OperatorRefused("it may wrap around when it casts to integers", "clip before it, or leave the cast out")
    if value.whole or given in INTEGERS:
        return value
    dividend, by = builder.quotients.get(value.name, (value, np.ones(1)))
    return truncated(builder, dividend, by)


@handles("Reshape")
def _reshape(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    wanted = [int(dim) for dim in as_constant(arguments[1], "shape")]
    keeps_zero = bool(attributes.get("allowzero"))
    shape = [value.shape[axis] if dim == 0 and not keeps_zero else dim for axis, dim in enumerate(wanted)]
    if -1 in shape:
        shape[shape.index(-1)] = math.prod(value.shape) // -math.prod(shape)
    if math.prod(shape) != math.prod(value.shape):
        raise OperatorRefused(
            f"it makes {wanted} of a window of shape {list(value.shape)}", "export it with a batch of 1"
        )
    return builder.reshape(value, shape)


@handles("Flatten")
def _flatten(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    axis = axis_of(attributes.get("axis", 1), len(arguments[0].shape))
    shape = arguments[0].shape
    return builder.reshape(arguments[0], (math.prod(shape[:axis]), math.prod(shape[axis:])))


@handles("Squeeze")
def _squeeze(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    shape = arguments[0].shape
    axes = _axes_argument(arguments, attributes)
    gone = {axis_of(a, len(shape)) for a in axes} if axes is not None else {a for a, d in enumerate(shape) if d == 1}
    return builder.reshape(arguments[0], [dim for axis, dim in enumerate(shape) if axis not in gone])


@handles("Unsqueeze")
def _unsqueeze(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    shape = list(arguments[0].shape)
    axes = _axes_argument(arguments, attributes) or []
    for axis in sorted(axis_of(axis, len(shape) + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return builder.reshape(arguments[0], shape)


def _axes_argument(arguments: list[Any], attributes: dict[str, Any]) -> list[int] | None:
    axes = attributes.get("axes")
    if len(arguments) > 1 and arguments[1] is not None:
        axes = as_constant(arguments[1], "axes")
    return None if axes is None else [int(axis) for axis in axes]


@handles("Transpose")
def _transpose(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = arguments[0]
    perm = list(attributes.get("perm", range(len(value.shape))[::-1]))
    return builder.transpose(value, perm)


@handles("Concat")
def _concat(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    axis = axis_of(attributes.get("axis", 1), len(arguments[0].shape))
    like = next(each for each in arguments if isinstance(each, Var))
    if len({(*each.shape[:axis], *each.shape[axis + 1 :], len(each.shape)) for each in arguments}) > 1:
        raise OperatorRefused("its parts have other shapes than each other", "export the model again")
    parts = [each if isinstance(each, Var) else builder.known(like, each) for each in arguments if 0 not in each.shape]
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] = sum(each.shape[axis] for each in parts)
    return builder.emit("Concat", *parts, shape=shape, axis=axis)


@handles("Slice")
def _slice(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    starts, ends = (
        [int(v) for v in (as_constant(arguments[at], "bounds") if len(arguments) > at else attributes[name])]
        for at, name in ((1, "starts"), (2, "ends"))
    )
    given = arguments[3] if len(arguments) > 3 and arguments[3] is not None else attributes.get("axes")
    axes = [int(axis) for axis in given] if given is not None else list(range(len(starts)))
    steps = [int(step) for step in arguments[4]] if len(arguments) > 4 and arguments[4] is not None else [1] * len(axes)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(axis, len(value.shape))
        size = value.shape[axis]
        chosen = range(size)[slice(start, end, step)]
        if len(chosen) == 0:
            raise OperatorRefused(f"nothing is left of axis {axis}", "export the model again")
        if chosen == range(size):
            continue
        # In a circuit a slice has a row for each number; gathered numbers stay where they are.
        value = builder.gather(value, np.array(chosen), axis)
    return value


@handles("Split")
def _split(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = arguments[0]
    axis = axis_of(attributes.get("axis", 0), len(value.shape))
    sizes = attributes.get("split")
    if len(arguments) > 1 and arguments[1] is not None:
        sizes = as_constant(arguments[1], "sizes")
    if sizes is None:
        # Opset 18 names the number, and the last part may be smaller; before, the parts are as many as the outputs.
        count = attributes.get("num_outputs") or builder.output_count
        each = -(-value.shape[axis] // count)
        if (builder.opset < 18 and value.shape[axis] % count) or each * (count - 1) >= value.shape[axis]:
            raise OperatorRefused(f"it splits {value.shape[axis]} into {count} equal parts", "export the model again")
        sizes = [min(each, value.shape[axis] - at * each) for at in range(count)]
    parts, at = [], 0
    for size in (int(size) for size in sizes):
        parts.append(builder.gather(value, range(at, at + size), axis))
        at += size
    return parts


@handles("Gather")
def _gather(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    data, index = arguments
    axis = axis_of(attributes.get("axis", 0), len(data.shape))
    if isinstance(index, Var):
        return at_places(builder, data, index, axis)
    return builder.gather(data, as_constant(index, "indices"), axis)


@handles("ArrayFeatureExtractor")
def _feature_extractor(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    data, index = arguments
    axis = len(data.shape) - 1
    if isinstance(index, Var):
        flat = builder.reshape(index, (math.prod(index.shape),))
        return at_places(builder, data if isinstance(data, Var) else np.atleast_2d(data), flat, max(axis, 1))
    return builder.gather(data, as_constant(index, "indices").ravel(), axis)
