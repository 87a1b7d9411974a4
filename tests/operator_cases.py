"""One small model for each operator that has its own way into a circuit, and form of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx

from tests.models import model, node, weights


class Case(NamedTuple):
    """A model of one operator.

    Attributes:
        dims: Shape of a window.
        nodes: Its nodes, from x to y.
        constants: Its weights.
        opset: Version of the operators.
    """

    dims: tuple[int, ...]
    nodes: list[onnx.NodeProto]
    constants: list[onnx.TensorProto]
    opset: int = 13

    @property
    def data(self) -> bytes:
        """The model's file."""
        return model(self.nodes, ["N", *self.dims], self.constants, opset=self.opset)

    def samples(self, count: int) -> np.ndarray:
        """Return windows; some of their numbers are equal."""
        drawn = np.random.default_rng(18).integers(-24, 25, (count, *self.dims)) / 8
        return drawn.astype(np.float32)


def _at(name: str, *values: int) -> Any:
    return weights(name, values, np.int64)


def _taps(name: str, *shape: int) -> Any:
    return weights(name, np.random.default_rng(17).normal(size=shape))


BIAS = weights("b", [1, 2, 3])
WIDE = _at("widths", 0, 1, 0, 2)

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

PLACES = [node("Clip", ["x", "zero", "two"], "clipped"), node("Cast", ["clipped"], "i", to=INT64)]
PLACED = [weights("zero", np.array(0.0)), weights("two", np.array(2.0))]
"""Places between 0 and 2, of the fractions in a window."""

CASES = {
    "Conv of one axis": Case(
        (2, 5), [node("Conv", ["x", "k", "b"], strides=[2], pads=[1, 2])], [_taps("k", 3, 2, 3), BIAS]
    ),
    "Conv of one axis, dilated": Case(
        (2, 7), [node("Conv", ["x", "k"], dilations=[2], pads=[1, 1])], [_taps("k", 2, 2, 3)]
    ),
    "Conv dilated": Case((1, 5, 5), [node("Conv", ["x", "k"], dilations=[2, 1])], [_taps("k", 1, 1, 2, 2)]),
    "ConvTranspose": Case(
        (2, 3, 2),
        [node("ConvTranspose", ["x", "k", "b"], strides=[2, 1], pads=[1, 0, 0, 1], output_padding=[1, 0])],
        [_taps("k", 2, 3, 3, 2), BIAS],
    ),
    "ConvTranspose in groups, with gaps": Case(
        (4, 3), [node("ConvTranspose", ["x", "k"], strides=[3], group=2)], [_taps("k", 4, 1, 2)]
    ),
    "ConvTranspose dilated": Case(
        (1, 3), [node("ConvTranspose", ["x", "k"], strides=[2], dilations=[3])], [_taps("k", 1, 2, 3)]
    ),
    "Pad": Case(
        (1, 3, 3),
        [node("Pad", ["x", "widths", "by"])],
        [_at("widths", 0, 0, 1, -1, 0, 0, 1, 2), weights("by", np.array(1.5))],
    ),
    "Pad by zero": Case((4,), [node("Pad", ["x", "widths"])], [WIDE]),
    "Pad by the edge": Case((4,), [node("Pad", ["x", "widths"], mode="edge")], [WIDE]),
    "Pad by reflection": Case((4,), [node("Pad", ["x", "widths"], mode="reflect")], [WIDE]),
    "Pad before opset 11": Case((4,), [node("Pad", ["x"], pads=[0, 2, 0, 1], value=0.5)], [], 9),
    "Pad of named axes": Case((4,), [node("Pad", ["x", "two", "", "axis"])], [_at("two", 1, 2), _at("axis", -1)], 18),
    "MaxPool with padding": Case(
        (1, 4, 4), [node("MaxPool", ["x"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], []
    ),
    "MaxPool of one axis, up": Case((1, 6), [node("MaxPool", ["x"], kernel_shape=[3], strides=[2], ceil_mode=1)], []),
    "AveragePool with padding": Case(
        (1, 4, 4), [node("AveragePool", ["x"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], []
    ),
    "AveragePool that counts the padding": Case(
        (1, 4, 4),
        [node("AveragePool", ["x"], kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)],
        [],
    ),
    "GlobalMaxPool": Case((2, 3, 2), [node("GlobalMaxPool", ["x"])], []),
    "ReduceMax": Case((5,), [node("ReduceMax", ["x"], axes=[1])], []),
    "ReduceMin of two axes": Case((2, 3), [node("ReduceMin", ["x"], axes=[-1, 1], keepdims=0)], []),
    "ReduceL1": Case((5,), [node("ReduceL1", ["x"], axes=[1])], []),
    "ReduceSumSquare": Case((5,), [node("ReduceSumSquare", ["x"], axes=[1])], []),
    "Expand": Case((1, 3), [node("Expand", ["x", "shape"])], [_at("shape", 1, 2, 3)]),
    "Tile": Case((3,), [node("Tile", ["x", "times"])], [_at("times", 1, 2)]),
    "Resize": Case(
        (1, 2, 3),
        [node("Resize", ["x", "", "factors"], mode="nearest", coordinate_transformation_mode="asymmetric")],
        [weights("factors", [1, 1, 1.5, 2])],
    ),
    "Einsum of two values": Case((2, 3), [node("Einsum", ["x", "x"], equation="...ij,...kj->...ki")], [], 12),
    "Einsum with weights, and a sum": Case(
        (2, 3), [node("Einsum", ["k", "x"], equation="jhd, nij -> nhi")], [_taps("k", 3, 2, 2)], 12
    ),
    "Einsum without a sum": Case((2, 3), [node("Einsum", ["x", "k"], equation="nij,ki->nikj")], [_taps("k", 2, 2)], 12),
    "CumSum": Case((2, 3), [node("CumSum", ["x", "axis"])], [weights("axis", np.array(-1), np.int64)], 14),
    "CumSum of what is before, backwards": Case(
        (3, 2), [node("CumSum", ["x", "axis"], exclusive=1, reverse=1)], [weights("axis", np.array(1), np.int64)], 14
    ),
    "DepthToSpace": Case((4, 1, 2), [node("DepthToSpace", ["x"], blocksize=2)], []),
    "GatherElements": Case(
        (4,), [node("GatherElements", ["x", "at"], axis=1)], [weights("at", [[3, 0, -2]], np.int64)]
    ),
    "Trilu": Case((2, 3), [node("Trilu", ["x"], upper=0)], [], 14),
    "HardSwish": Case((4,), [node("HardSwish", ["x"])], [], 14),
    "ThresholdedRelu": Case((4,), [node("ThresholdedRelu", ["x"], alpha=0.5)], []),
    "Shrink": Case((4,), [node("Shrink", ["x"], lambd=0.5, bias=0.25)], []),
    "Sign": Case((4,), [node("Sign", ["x"])], []),
    "Mean": Case((4,), [node("Abs", ["x"], "a"), node("Mean", ["x", "a", "x"])], []),
    "Xor": Case(
        (4,),
        [
            node("Greater", ["x", "t"], "a"),
            node("Less", ["x", "u"], "c"),
            node("Xor", ["a", "c"], "d"),
            node("Cast", ["d"], "e", to=onnx.TensorProto.INT64),
            node("Cast", ["e"], to=onnx.TensorProto.FLOAT),
        ],
        [weights("t", [-0.25]), weights("u", [0.5])],
    ),
    "Axis 0 is moved, summed and joined": Case(
        (2, 3),
        [
            node("Transpose", ["x"], "t", perm=[1, 2, 0]),
            node("MatMul", ["t", "k"], "m"),
            node("ReduceSum", ["m", "first"], "s", keepdims=0),
            node("Reshape", ["x", "rows"], "r"),
            node("Concat", ["s", "r"], "c", axis=0),
            node("Relu", ["c"], "p"),
            node("Greater", ["p", "half"], "g"),
            node("Cast", ["g"], "f", to=onnx.TensorProto.FLOAT),
            node("MatMul", ["square", "f"], "q"),
            node("Sub", ["c", "q"]),
        ],
        [
            _taps("k", 2, 1, 3),
            _at("first", 0),
            _at("rows", 2, 3),
            weights("half", [0.5]),
            _taps("square", 5, 5),
        ],
    ),
    "Conv of several pictures": Case(
        (2, 1, 4),
        [node("Reshape", ["x", "pictures"], "p"), node("Conv", ["p", "k", "b"], pads=[1, 0])],
        [_at("pictures", 2, 1, 4), _taps("k", 3, 1, 2), BIAS],
    ),
    "Conv of three axes": Case(
        (2, 3, 2, 3),
        [node("Conv", ["x", "k"], strides=[2, 1, 1], pads=[0, 0, 0, 1, 0, 0])],
        [_taps("k", 2, 2, 2, 2, 2)],
    ),
    "ArgMax": Case((5,), [node("ArgMax", ["x"], "a", axis=1), node("Cast", ["a"], to=FLOAT)], []),
    "ArgMin of several, the last of equal ones": Case(
        (3, 2), [node("ArgMin", ["x"], "a", axis=1, keepdims=0, select_last_index=1), node("Cast", ["a"], to=FLOAT)], []
    ),
    "ArgMax of booleans, and a table at that place": Case(
        (3,),
        [
            node("Greater", ["x", "half"], "b"),
            node("Cast", ["b"], "f", to=FLOAT),
            node("ArgMax", ["f"], "a", axis=1),
            node("Gather", ["table", "a"], axis=0),
        ],
        [weights("half", [0.5]), weights("table", [[0.5, 2], [-1, 0.25], [3, 3]])],
    ),
    "Hardmax": Case((2, 3), [node("Hardmax", ["x"], axis=1)], []),
    "TopK": Case(
        (5,),
        [
            onnx.helper.make_node("TopK", ["x", "three"], ["values", "places"], name="top"),
            node("Cast", ["places"], "p", to=FLOAT),
            node("Concat", ["values", "p"], axis=1),
        ],
        [_at("three", 3)],
    ),
    "TopK of the smallest": Case(
        (4, 2),
        [onnx.helper.make_node("TopK", ["x", "two"], ["y", "places"], name="top", axis=1, largest=0)],
        [_at("two", 2)],
    ),
    "OneHot": Case(
        (3,),
        [node("Floor", ["x"], "f"), node("Cast", ["f"], "i", to=INT64), node("OneHot", ["i", "depth", "values"])],
        [_at("depth", 3), weights("values", [-0.5, 2])],
    ),
    "A table at computed places": Case(
        (3,), [*PLACES, node("Gather", ["table", "i"], axis=1)], [*PLACED, weights("table", [[1, 2, -0.5], [0, 4, 8]])]
    ),
    "Places of a value": Case((3,), [*PLACES, node("Gather", ["x", "i"], axis=1)], PLACED),
    "Elements at computed places": Case((3,), [*PLACES, node("GatherElements", ["x", "i"], axis=1)], PLACED),
    "Parts at computed places": Case(
        (2,),
        [*PLACES, node("Reshape", ["i", "pair"], "p"), node("GatherND", ["table", "p"])],
        [*PLACED, _at("pair", 1, 2), _taps("table", 3, 3, 2)],
    ),
    "Elements put at computed places": Case(
        (3,), [*PLACES, node("ScatterElements", ["table", "i", "x"], axis=1)], [*PLACED, _taps("table", 1, 3)]
    ),
    "Parts put at computed places": Case(
        (2,),
        [
            *PLACES,
            node("Reshape", ["i", "pair"], "p"),
            node("Reshape", ["x", "pair"], "u"),
            node("ScatterND", ["table", "p", "u"]),
        ],
        [*PLACED, _at("pair", 1, 1, 2), _taps("table", 3, 3, 2)],
    ),
    "Elements put at known places": Case(
        (4,), [node("ScatterElements", ["x", "at", "x"], axis=1)], [weights("at", [[2, 0, -1, 1]], np.int64)], 18
    ),
    "Floor, Ceil and Round": Case(
        (3,),
        [
            node("Floor", ["x"], "f"),
            node("Ceil", ["x"], "c"),
            node("Mul", ["x", "four"], "w"),
            node("Round", ["w"], "r"),
            node("Concat", ["f", "c", "r"], axis=1),
        ],
        [weights("four", [4.0])],
    ),
    "Floor of a quotient": Case(
        (3,), [node("Div", ["x", "three"], "d"), node("Floor", ["d"])], [weights("three", [0.375])]
    ),
    "Mod": Case(
        (3,),
        [node("Cast", ["x"], "i", to=INT64), node("Mod", ["i", "two"], "m"), node("Cast", ["m"], to=FLOAT)],
        [_at("two", 2)],
    ),
    "Mod of fractions": Case((3,), [node("Mod", ["x", "by"], fmod=1)], [weights("by", [0.75])]),
    "the input itself": Case((2, 2), [node("Identity", ["x"])], []),
    "the input times one": Case((3,), [node("Mul", ["x", "one"])], [weights("one", [1.0])]),
    "Div by a large number": Case((3,), [node("Div", ["x", "many"])], [weights("many", [300_000.0])]),
    "tiny weights": Case((3,), [node("MatMul", ["x", "w"])], [weights("w", [[1e-6], [-2e-6], [7e-6]])]),
    "Div of whole numbers": Case(
        (3,),
        [node("Cast", ["x"], "i", to=INT64), node("Div", ["i", "two"], "m"), node("Cast", ["m"], to=FLOAT)],
        [_at("two", 2)],
    ),
    **{
        f"Resize, {mode}, {how}": Case(
            (1, 3, 4),
            [node("Resize", ["x", "", "factors"], mode=mode, coordinate_transformation_mode=how, **more)],
            [weights("factors", [1, 1, *factors])],
        )
        for mode, how, factors, more in (
            ("linear", "half_pixel", (2, 1.5), {}),
            ("linear", "align_corners", (2, 2), {}),
            ("linear", "pytorch_half_pixel", (0.5, 2), {}),
            ("cubic", "half_pixel", (2, 1.25), {"cubic_coeff_a": -0.5}),
            ("cubic", "asymmetric", (1.5, 2), {"exclude_outside": 1}),
        )
    },
}
"""Exact ones, by what is in them."""
