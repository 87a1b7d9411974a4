"""Models of every kind that people import, trained or built in seconds with numpy, written as frameworks export them.

The benchmark measures them in the sizes of `BENCHED`; the tests take smaller ones of the same builders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Samples = np.ndarray
Built = tuple[bytes, Samples]
"""An ONNX file, and samples of its inputs: those that it was fitted to, then as many further ones as were asked for."""


def weights(name: str, values: Any, kind: Any = np.float32) -> onnx.TensorProto:
    """Return a constant tensor of a graph."""
    return numpy_helper.from_array(np.asarray(values, dtype=kind), name)


def model(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    constants: Sequence[onnx.TensorProto] = (),
    outputs: Sequence[str] = ("y",),
    *,
    opset: int = 13,
    ml: bool = False,
) -> bytes:
    """Return an ONNX file of one graph with the input `x`.

    Args:
        nodes: The nodes of the graph, in order.
        shape: The shape of the input.
        constants: The graph's weights.
        outputs: Names of the outputs.
        opset: Version of the operators.
        ml: The graph has operators of the domain ai.onnx.ml.
    """
    graph = helper.make_graph(
        list(nodes),
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "M"]) for name in outputs],
        list(constants),
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def node(kind: str, inputs: Sequence[str], output: str = "y", **attributes: Any) -> onnx.NodeProto:
    """Return a node with one output."""
    return helper.make_node(kind, list(inputs), [output], name=f"{output}_{kind}", **attributes)


def points(count: int, features: int, seed: int = 0) -> Samples:
    """Return normally distributed samples [count, features]."""
    return np.random.default_rng(seed).normal(size=(count, features)).astype(np.float32)


def linear(features: int = 8, samples: int = 400, more: int = 0) -> Built:
    """Fit a linear model by least squares, written as Keras writes a dense layer: MatMul and Add."""
    x = points(samples + more, features, 1)
    rng = np.random.default_rng(2)
    fitted_to = x[:samples]
    y = fitted_to @ rng.normal(size=features) - 0.4 + 0.1 * rng.normal(size=samples)
    fitted, *_ = np.linalg.lstsq(np.column_stack([fitted_to, np.ones(samples)]), y, rcond=None)
    nodes = [node("MatMul", ["x", "w"], "xw"), node("Add", ["xw", "b"])]
    return model(nodes, ["N", features], [weights("w", fitted[:features, None]), weights("b", fitted[features:])]), x


def logistic(features: int = 6, samples: int = 400, more: int = 0) -> Built:
    """Fit a logistic regression, written as PyTorch does: Gemm with transposed weights, and a final Sigmoid."""
    x = points(samples + more, features, 3)
    fitted_to = x[:samples]
    target = (fitted_to @ np.resize([1.0, -2.0, 0.5, 0.0, 1.5, -0.7], features) > 0.3).astype(float)
    w, b = np.zeros(features), 0.0
    for _ in range(400):
        error = 1 / (1 + np.exp(-(fitted_to @ w + b))) - target
        w -= 0.5 * (fitted_to.T @ error) / samples
        b -= 0.5 * error.mean()
    nodes = [node("Gemm", ["x", "w", "b"], "logit", transB=1), node("Sigmoid", ["logit"])]
    return model(nodes, [1, features], [weights("w", w[None]), weights("b", [b])]), x


def _fit(x: np.ndarray, y: np.ndarray, hidden: Sequence[int], seed: int, steps: int = 300) -> list[np.ndarray]:
    """Fit ReLU layers and a linear one by gradient descent with momentum; return weights and biases in turn."""
    rng = np.random.default_rng(seed)
    sizes = [x.shape[1], *hidden, y.shape[1]]
    layers: list[np.ndarray] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in), np.zeros(fan_out)]
    speed = [np.zeros_like(each) for each in layers]
    for _ in range(steps):
        values = [x]
        for at in range(0, len(layers), 2):
            before = values[-1] @ layers[at] + layers[at + 1]
            values.append(np.maximum(before, 0) if at < len(layers) - 2 else before)
        back = (values[-1] - y) / len(x)
        for at in range(len(layers) - 2, -1, -2):
            entered = values[at // 2]
            gradients = (entered.T @ back, back.sum(0))
            back = (back @ layers[at].T) * (entered > 0)
            for place, gradient in zip((at, at + 1), gradients, strict=True):
                speed[place] = 0.9 * speed[place] - 0.1 * gradient
                layers[place] = layers[place] + speed[place]
    return layers


def _dense(layers: Sequence[np.ndarray], last: str = "y") -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    value, count = "x", len(layers) // 2
    for at in range(count):
        names = (f"w{at + 1}", f"b{at + 1}")
        constants += [weights(name, each) for name, each in zip(names, layers[2 * at : 2 * at + 2], strict=True)]
        nodes.append(node("Gemm", [value, *names], last if at == count - 1 else f"h{at + 1}"))
        if at < count - 1:
            nodes.append(node("Relu", [f"h{at + 1}"], f"a{at + 1}"))
            value = f"a{at + 1}"
    return nodes, constants


def mlp(features: int = 6, hidden: Sequence[int] = (10,), classes: int = 3, samples: int = 400, more: int = 0) -> Built:
    """Fit a perceptron that tells which of several curves is the highest."""
    x = points(samples + more, features, 4)
    fitted_to = x[:samples]
    curves = [fitted_to[:, 0] * fitted_to[:, 1], fitted_to[:, 2], np.abs(fitted_to[:, 3]) - 0.5]
    curves += [fitted_to[:, at + 1] + 0.5 * fitted_to[:, at + 2] for at in range(3, classes)]
    y = np.eye(classes)[np.argmax(np.column_stack(curves), axis=1)]
    nodes, constants = _dense(_fit(fitted_to, y, hidden, 5))
    return model(nodes, ["batch", features], constants), x


def autoencoder(
    features: int = 8, hidden: int = 3, threshold: float | None = 3.0, samples: int = 400, more: int = 0
) -> Built:
    """Fit an autoencoder; its output is the squared error of the reconstruction less a threshold: above 0 is odd.

    Args:
        features: Number of features, which are made of `hidden` ones.
        hidden: Width of the layer in the middle.
        threshold: None: the one that 1 % of the samples it is fitted to exceed.
        samples: Number of samples to fit to; a tenth as many odd ones come after them.
        more: Number of further samples, one in eleven of them odd.
    """
    rng = np.random.default_rng(6)
    factors = rng.normal(size=(hidden, features)) * np.sqrt(3 / hidden) / 2
    x = (points(samples, hidden, 6) @ factors).astype(np.float32)
    layers = _fit(x, x, [hidden], 7)
    nodes, constants = _dense(layers, "r")
    odd = x[: samples // 10] + 2 * points(samples // 10, features, 8)
    if threshold is None:
        rebuilt = np.maximum(x @ layers[0] + layers[1], 0) @ layers[2] + layers[3]
        threshold = float(np.quantile(((x - rebuilt) ** 2).sum(1), 0.99))
    nodes += [
        node("Sub", ["x", "r"], "e"),
        node("Mul", ["e", "e"], "e2"),
        node("ReduceSum", ["e2", "axis"], "total", keepdims=1),
        node("Sub", ["total", "threshold"]),
    ]
    constants += [weights("axis", [1], np.int64), weights("threshold", [threshold])]
    further = (points(more, hidden, 16) @ factors).astype(np.float32)
    further[::11] += 2 * points(len(further[::11]), features, 18)
    return model(nodes, [1, features], constants), np.concatenate([x, odd, further])


def trees(count: int = 3, depth: int = 3, samples: int = 400, more: int = 0) -> Built:
    """Fit a gradient-boosted ensemble to five features."""
    everything = points(samples + more, 5, 9)
    x = everything[:samples]
    target = np.where(x[:, 0] > 0.2, x[:, 1], -x[:, 2]) + 0.5 * (x[:, 3] > 1)
    return model([boosted(x, target, count, depth)], ["N", 5], ml=True), everything


def boosted(x: Samples, target: np.ndarray, count: int, depth: int, output: str = "y") -> onnx.NodeProto:
    """Return trees that are fitted one after the other to what is left of a target, as skl2onnx writes them.

    Args:
        x: Samples of the inputs.
        target: What to fit, for each sample.
        count: The number of trees.
        depth: Comparisons on the way to a leaf, at most.
        output: The node's output; its input is `x`.
    """
    residual = np.array(target, dtype=float)
    names = [f"nodes_{each}" for each in ("treeids", "nodeids", "featureids", "values", "modes")]
    names += ["nodes_truenodeids", "nodes_falsenodeids"]
    names += [f"target_{each}" for each in ("treeids", "nodeids", "ids", "weights")]
    lists: dict[str, Any] = {name: [] for name in names}

    def grow(tree: int, rows: np.ndarray, left: int, ids: list[int]) -> int:
        number = len(ids)
        ids.append(number)
        at = len(lists["nodes_modes"])
        for name in lists:
            if name.startswith("nodes_"):
                lists[name].append(0)
        lists["nodes_treeids"][at], lists["nodes_nodeids"][at] = tree, number
        best: tuple[float, int, float] | None = None
        for feature in range(x.shape[1]) if left and len(rows) > 20 else ():
            ordered = np.sort(x[rows, feature])
            for at_share in (0.25, 0.5, 0.75):
                # Midway between two samples, as every library does it.
                cut = int(at_share * len(rows))
                threshold = (ordered[cut - 1] + ordered[cut]) / 2
                below = x[rows, feature] <= threshold
                if 5 < below.sum() < len(rows) - 5:
                    loss = sum(residual[rows[side]].var() * side.sum() for side in (below, ~below))
                    if best is None or loss < best[0]:
                        best = (loss, feature, float(np.float32(threshold)))
        if best is None:
            value = 0.7 * float(residual[rows].mean())
            lists["nodes_modes"][at] = "LEAF"
            lists["nodes_values"][at] = 0.0
            for name, each in zip(("treeids", "nodeids", "ids", "weights"), (tree, number, 0, value), strict=True):
                lists[f"target_{name}"].append(each)
            residual[rows] -= value
            return number
        _, feature, threshold = best
        below = x[rows, feature] <= threshold
        lists["nodes_modes"][at], lists["nodes_values"][at] = "BRANCH_LEQ", threshold
        lists["nodes_featureids"][at] = feature
        lists["nodes_truenodeids"][at] = grow(tree, rows[below], left - 1, ids)
        lists["nodes_falsenodeids"][at] = grow(tree, rows[~below], left - 1, ids)
        return number

    for tree in range(count):
        grow(tree, np.arange(len(x)), depth, [])
    lists["nodes_values"] = [float(value) for value in lists["nodes_values"]]
    return helper.make_node(
        "TreeEnsembleRegressor", ["x"], [output], name="trees", domain="ai.onnx.ml", n_targets=1, **lists
    )


def cnn(size: int = 6, samples: int = 200, more: int = 0) -> Built:
    """Build a network that tells a bar across from a bar down: convolution, ReLU, pooling, a dense layer, set by hand.

    Args:
        size: Height and width of a picture; even.
        samples: Number of pictures.
        more: Number of further pictures.
    """
    count = samples + more
    rng = np.random.default_rng(10)
    pictures = 0.3 * rng.normal(size=(count, 1, size, size))
    down = rng.integers(0, 2, size=count).astype(bool)
    for at in range(count):
        place = rng.integers(1, size - 1)
        pictures[at, 0, :, place] += down[at]
        pictures[at, 0, place, :] += ~down[at]
    kernel = np.array([[[[-1, 2, -1]] * 3], [[[-1] * 3, [2] * 3, [-1] * 3]]], dtype=float) / 5
    nodes = [
        node("Conv", ["x", "k", "kb"], "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]),
        node("Relu", ["c"], "a"),
        node("MaxPool", ["a"], "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], "f", axis=1),
        node("Gemm", ["f", "w", "b"]),
    ]
    places = (size // 2) ** 2
    dense = np.repeat([[1.0, 0.0], [0.0, 1.0]], places, axis=0) / places
    constants = [weights("k", kernel), weights("kb", [-0.1, -0.1]), weights("w", dense), weights("b", [0.0, 0.01])]
    return model(nodes, [1, 1, size, size], constants), pictures.astype(np.float32)


FITTED, HELD_OUT = 2_000, 10_000
"""Numbers of samples that a benchmarked model is fitted and tuned to, and that its verdicts are counted on."""


@dataclass(frozen=True)
class Benched:
    """A model in the size that is benchmarked.

    Attributes:
        title: Its title in tables.
        build: Returns the file and its samples; the last `HELD_OUT` of them are new to the model.
    """

    title: str
    build: Callable[[], Built]

    def load(self) -> tuple[bytes, Samples, Samples]:
        """Return the file, the samples to tune on, and those to judge by."""
        data, samples = self.build()
        return data, samples[:-HELD_OUT], samples[-HELD_OUT:]


BENCHED: dict[str, Benched] = {
    "linear": Benched("linear regression, 16 features", lambda: linear(16, FITTED, HELD_OUT)),
    "logistic": Benched("logistic regression, 16 features", lambda: logistic(16, FITTED, HELD_OUT)),
    "trees": Benched("10 boosted trees of depth 3, 5 features", lambda: trees(10, 3, FITTED, HELD_OUT)),
    "autoencoder": Benched(
        "autoencoder 16-8-16 with its anomaly score", lambda: autoencoder(16, 8, None, FITTED, HELD_OUT)
    ),
    "cnn": Benched("convolution, pooling and dense layer, 8×8 pictures", lambda: cnn(8, FITTED, HELD_OUT)),
    "mlp": Benched("MLP 32-64-64-8", lambda: mlp(32, (64, 64), 8, FITTED, HELD_OUT)),
}


def without_last(data: bytes, kind: str) -> bytes:
    """Return the graph without its last node, if that is of this kind; else the graph itself."""
    proto = onnx.load_model_from_string(data)
    last = proto.graph.node[-1]
    if last.op_type == kind:
        proto.graph.output[0].name = last.input[0]
        del proto.graph.node[-1]
    return bytes(proto.SerializeToString())


def with_batch(data: bytes, batch: int) -> bytes:
    """Return the graph for exactly this many samples: ezkl takes no open dimension by another name than its own."""
    proto = onnx.load_model_from_string(data)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return bytes(proto.SerializeToString())
