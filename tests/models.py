"""Small models, trained or built in a moment with numpy, and written as the ONNX that frameworks export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Samples = np.ndarray


def weights(name: str, values: Any, kind: Any = np.float32) -> onnx.TensorProto:
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
    """A graph with input `x`."""
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
    return helper.make_node(kind, list(inputs), [output], name=f"{output}_{kind}", **attributes)


def points(count: int, features: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(size=(count, features)).astype(np.float32)


def linear() -> tuple[bytes, Samples]:
    """Least squares on eight features, as Keras writes a dense layer: MatMul and Add."""
    x = points(400, 8, 1)
    rng = np.random.default_rng(2)
    y = x @ rng.normal(size=8) - 0.4 + 0.1 * rng.normal(size=400)
    fitted, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(400)]), y, rcond=None)
    nodes = [node("MatMul", ["x", "w"], "xw"), node("Add", ["xw", "b"])]
    return model(nodes, ["N", 8], [weights("w", fitted[:8, None]), weights("b", fitted[8:])]), x


def logistic() -> tuple[bytes, Samples]:
    """Logistic regression, as PyTorch writes it: Gemm with transposed weights, and a final Sigmoid."""
    x = points(400, 6, 3)
    target = (x @ np.array([1.0, -2.0, 0.5, 0.0, 1.5, -0.7]) > 0.3).astype(float)
    w, b = np.zeros(6), 0.0
    for _ in range(400):
        error = 1 / (1 + np.exp(-(x @ w + b))) - target
        w -= 0.5 * (x.T @ error) / 400
        b -= 0.5 * error.mean()
    nodes = [node("Gemm", ["x", "w", "b"], "logit", transB=1), node("Sigmoid", ["logit"])]
    return model(nodes, [1, 6], [weights("w", w[None]), weights("b", [b])]), x


def _fit(x: np.ndarray, y: np.ndarray, hidden: int, seed: int, steps: int = 300) -> list[np.ndarray]:
    """A ReLU layer and a linear one, by gradient descent with momentum."""
    rng = np.random.default_rng(seed)
    layers = [
        rng.normal(size=(x.shape[1], hidden)) / np.sqrt(x.shape[1]),
        np.zeros(hidden),
        rng.normal(size=(hidden, y.shape[1])) / np.sqrt(hidden),
        np.zeros(y.shape[1]),
    ]
    speed = [np.zeros_like(each) for each in layers]
    for _ in range(steps):
        before = x @ layers[0] + layers[1]
        after = np.maximum(before, 0)
        error = (after @ layers[2] + layers[3] - y) / len(x)
        back = (error @ layers[2].T) * (before > 0)
        for at, gradient in enumerate((x.T @ back, back.sum(0), after.T @ error, error.sum(0))):
            speed[at] = 0.9 * speed[at] - 0.1 * gradient
            layers[at] = layers[at] + speed[at]
    return layers


def _two_layers(layers: Sequence[np.ndarray], last: str = "y") -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    nodes = [
        node("Gemm", ["x", "w1", "b1"], "h"),
        node("Relu", ["h"], "a"),
        node("Gemm", ["a", "w2", "b2"], last),
    ]
    return nodes, [weights(name, each) for name, each in zip(("w1", "b1", "w2", "b2"), layers, strict=True)]


def mlp() -> tuple[bytes, Samples]:
    """Three classes of six features."""
    x = points(400, 6, 4)
    y = np.eye(3)[np.argmax(np.column_stack([x[:, 0] * x[:, 1], x[:, 2], np.abs(x[:, 3]) - 0.5]), axis=1)]
    nodes, constants = _two_layers(_fit(x, y, 10, 5))
    return model(nodes, ["batch", 6], constants), x


def autoencoder() -> tuple[bytes, Samples]:
    """Eight features through three, and the squared error of the reconstruction against a threshold: above 0 is odd."""
    rng = np.random.default_rng(6)
    x = (points(400, 3, 6) @ rng.normal(size=(3, 8)) / 2).astype(np.float32)
    layers = _fit(x, x, 3, 7)
    nodes, constants = _two_layers(layers, "r")
    odd = x[:40] + 2 * points(40, 8, 8)
    nodes += [
        node("Sub", ["x", "r"], "e"),
        node("Mul", ["e", "e"], "e2"),
        node("ReduceSum", ["e2", "axis"], "total", keepdims=1),
        node("Sub", ["total", "threshold"]),
    ]
    constants += [weights("axis", [1], np.int64), weights("threshold", [3.0])]
    return model(nodes, [1, 8], constants), np.concatenate([x, odd])


def trees(count: int = 3, depth: int = 3) -> tuple[bytes, Samples]:
    """A gradient-boosted ensemble as skl2onnx writes it: one TreeEnsembleRegressor."""
    x = points(400, 5, 9)
    residual = np.where(x[:, 0] > 0.2, x[:, 1], -x[:, 2]) + 0.5 * (x[:, 3] > 1)
    names = [f"nodes_{each}" for each in ("treeids", "nodeids", "featureids", "values", "modes")]
    names += ["nodes_truenodeids", "nodes_falsenodeids"]
    names += [f"target_{each}" for each in ("treeids", "nodeids", "ids", "weights")]
    lists: dict[str, list[Any]] = {name: [] for name in names}

    def grow(tree: int, rows: np.ndarray, left: int, ids: list[int]) -> int:
        number = len(ids)
        ids.append(number)
        at = len(lists["nodes_modes"])
        for name in lists:
            if name.startswith("nodes_"):
                lists[name].append(0)
        lists["nodes_treeids"][at], lists["nodes_nodeids"][at] = tree, number
        best: tuple[float, int, float] | None = None
        for feature in range(5) if left and len(rows) > 20 else ():
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
        grow(tree, np.arange(400), depth, [])
    lists["nodes_values"] = [float(value) for value in lists["nodes_values"]]
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], name="trees", domain="ai.onnx.ml", n_targets=1, **lists
    )
    return model([ensemble], ["N", 5], ml=True), x


def cnn() -> tuple[bytes, Samples]:
    """6×6 pictures with a bar across or down: convolution, ReLU, pooling, and a dense layer with the last by hand."""
    rng = np.random.default_rng(10)
    pictures = 0.3 * rng.normal(size=(200, 1, 6, 6))
    down = rng.integers(0, 2, size=200).astype(bool)
    for at in range(200):
        place = rng.integers(1, 5)
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
    dense = np.repeat([[1.0, 0.0], [0.0, 1.0]], 9, axis=0) / 9
    constants = [weights("k", kernel), weights("kb", [-0.1, -0.1]), weights("w", dense), weights("b", [0.0, 0.01])]
    return model(nodes, [1, 1, 6, 6], constants), pictures.astype(np.float32)


ALL: dict[str, Callable[[], tuple[bytes, Samples]]] = {
    each.__name__: each for each in (linear, logistic, mlp, autoencoder, trees, cnn)
}
