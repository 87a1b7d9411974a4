"""Attacks with files: models that ask for gigabytes or hours, and ensembles that runtimes read in their own ways."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from oracle.core.errors import ModelError
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from tests.unit.proving.test_node_cases import evaluated

node = helper.make_node


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def model(
    nodes: list[onnx.NodeProto],
    constants: dict[str, Any] | None = None,
    shape: tuple[int, ...] = (1, 4),
    *,
    opset: int = 18,
    kind: int = TensorProto.FLOAT,
    functions: list[onnx.FunctionProto] | None = None,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, [f"d{at}" for at in range(len(shape))])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("own", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions or [])
    return bytes(made.SerializeToString())


def added(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return nodes that make a constant c, and a model that adds the sum of it."""
    return [*nodes, node("ReduceSum", ["c"], ["s"], keepdims=0), node("Add", ["x", "s"], ["y"])]


def looped() -> onnx.NodeProto:
    body = helper.make_graph(
        [node("Identity", ["go"], ["goes"]), node("Identity", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [1]),
        ],
    )
    return node("Loop", ["times", "yes", "one"], ["c"], body=body)


PICTURE = (1, 1, 2, 2)
ONE = {"one": np.ones(1, np.float32)}
LARGE: dict[str, Callable[[], bytes]] = {
    "ConstantOfShape": lambda: model(added(node("ConstantOfShape", ["n"], ["c"])), {"n": whole(100_000, 100_000, 10)}),
    "Expand of a constant": lambda: model(added(node("Expand", ["one", "n"], ["c"])), ONE | {"n": whole(10**10)}),
    "Expand": lambda: model([node("Expand", ["x", "n"], ["y"])], {"n": whole(10**9, 4)}),
    "Tile": lambda: model([node("Tile", ["x", "n"], ["y"])], {"n": whole(10**5, 10**6)}),
    "Range": lambda: model(
        added(node("Range", ["a", "b", "d"], ["r"]), node("Cast", ["r"], ["c"], to=TensorProto.FLOAT)),
        {"a": np.int64(0), "b": np.int64(10**12), "d": np.int64(1)},
    ),
    "Pad": lambda: model([node("Pad", ["x", "n"], ["y"])], {"n": whole(0, 0, 0, 10**12)}),
    "Resize": lambda: model([node("Resize", ["x", "", "", "n"], ["y"])], {"n": whole(1, 1, 10**5, 10**6)}, PICTURE),
    "linear Resize": lambda: model(
        [node("Resize", ["x", "", "", "n"], ["y"], mode="linear")], {"n": whole(1, 1, 10**5, 10**6)}, PICTURE
    ),
    "Upsample": lambda: model(
        [node("Upsample", ["x", "n"], ["y"])], {"n": np.array([1, 1, 1e5, 1e5], np.float32)}, PICTURE, opset=9
    ),
    "OneHot": lambda: model(
        [node("OneHot", ["x", "n", "v"], ["y"])], {"n": whole(10**11), "v": np.array([0, 1], np.float32)}
    ),
    "an outer product": lambda: model(
        [node("Transpose", ["x"], ["t"], perm=[1, 0]), node("MatMul", ["t", "x"], ["y"])], shape=(1, 200_000)
    ),
    "an outer sum of constants": lambda: model(
        added(node("Add", ["a", "b"], ["c"])),
        {"a": np.ones((100_000, 1), np.float32), "b": np.ones((1, 100_000), np.float32)},
    ),
    "an outer sum added to the input": lambda: model(
        [node("Add", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])],
        {"a": np.ones((100_000, 1), np.float32), "b": np.ones((1, 100_000), np.float32)},
        (1, 1),
    ),
    "an input": lambda: model([node("Relu", ["x"], ["y"])], shape=(1, 10**12)),
    "a padded convolution": lambda: model(
        [node("Conv", ["x", "w"], ["y"], pads=[100_000] * 4)], {"w": np.ones((1, 1, 1, 1), np.float32)}, PICTURE
    ),
    "doubling": lambda: model(
        [node("Concat", [f"a{at}" if at else "x"] * 2, ["y" if at == 39 else f"a{at + 1}"], axis=1) for at in range(40)]
    ),
    "Hardmax": lambda: model([node("Hardmax", ["x"], ["y"])], shape=(1, 60_000)),
    "a place of many": lambda: model(
        [node("ArgMax", ["x"], ["i"], axis=1), node("Gather", ["x", "i"], ["y"], axis=1)], shape=(1, 60_000)
    ),
    "ScatterElements": lambda: model(
        [
            node("Cast", ["x"], ["i"], to=TensorProto.INT64),
            node("ScatterElements", ["x", "i", "x"], ["y"], axis=1),
        ],
        shape=(1, 4_000),
    ),
    "a loop": lambda: model(added(looped()), ONE | {"times": np.int64(10**15), "yes": np.array(True)}),
    "functions of functions": lambda: model(
        [node("f39", ["x"], ["y"], domain="own")],
        functions=[
            helper.make_function(
                "own",
                f"f{at}",
                ["a"],
                ["b"],
                [node(f"f{at - 1}", ["a"], ["m"], domain="own"), node(f"f{at - 1}", ["m"], ["b"], domain="own")]
                if at
                else [node("Relu", ["a"], ["b"])],
                [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)],
            )
            for at in range(40)
        ],
    ),
    "a tree whose branches meet again": lambda: model([meeting(150)]),
}


def meeting(count: int) -> onnx.NodeProto:
    """Return a tree in which both sides of each branch are the next one: it has 2^count paths."""
    after = [*range(1, count), 0]
    return trees(
        nodes_nodeids=list(range(count)),
        nodes_modes=["BRANCH_LEQ"] * (count - 1) + ["LEAF"],
        nodes_truenodeids=after,
        nodes_falsenodeids=after,
        target_nodeids=[count - 1],
    )


def trees(**given: Any) -> onnx.NodeProto:
    """Return an ensemble; what is not given is a stump of one target with leaves of 1 and 2."""
    nodes: dict[str, Any] = {"nodes_nodeids": [0, 1, 2], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"]}
    nodes |= {"nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "target_nodeids": [1, 2]}
    given = nodes | given
    count, ends = len(given["nodes_nodeids"]), len(given["target_nodeids"])
    every: dict[str, Any] = {
        **({} if "classlabels_int64s" in given else {"n_targets": 1}),
        "nodes_treeids": [0] * count,
        "nodes_featureids": [0] * count,
        "nodes_values": [0.0] * count,
        "target_treeids": [0] * ends,
        "target_ids": [0] * ends,
        "target_weights": [float(at + 1) for at in range(ends)],
        **given,
    }
    if "classlabels_int64s" in every:
        renamed = {name.replace("target_", "class_"): value for name, value in every.items()}
        return node("TreeEnsembleClassifier", ["x"], ["label", "y"], domain="ai.onnx.ml", **renamed)
    return node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **every)


@pytest.mark.parametrize("name", LARGE)
def test_a_file_that_asks_for_too_much_is_refused_before_anything_is_allocated(name: str) -> None:
    data = LARGE[name]()
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name == "functions of functions":
        with pytest.raises(ModelError, match="nodes with its functions written out"):
            read_model(data)
    else:
        program, problems = lower(read_model(data))
        assert program is None
        assert not [each for each in problems if "do not fit" in each.what], [str(each) for each in problems]
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


@pytest.mark.parametrize(
    "equation", ["....", "i...." * 2_000, "......", "...i...,i", "i" * 1_000_000 + ".", "i->j->k", "é"]
)
def test_an_equation_that_onnx_never_ends_to_read_is_refused(equation: str) -> None:
    """Its inference loops for ever at the fourth dot, and a name of a function's attribute may hide the equation."""
    began = time.process_time()
    with pytest.raises(ModelError, match=r"\(Einsum\): its equation is none"):
        read_model(model([node("Einsum", ["x"], ["y"], equation=equation)]))
    inner = node("Einsum", ["a"], ["b"])
    inner.attribute.append(onnx.AttributeProto(name="equation", ref_attr_name="how", type=onnx.AttributeProto.STRING))
    own = helper.make_function("own", "f", ["a"], ["b"], [inner], [helper.make_opsetid("", 18)], ["how"])
    with pytest.raises(ModelError, match=r"\(Einsum\): its equation is none"):
        read_model(model([node("f", ["x"], ["y"], domain="own", how=equation)], functions=[own]))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("equation", ["ij,jk->ik", "...ij, ...jk -> ...ik", "ii", "i,j", "...", ""])
def test_equations_are_read(equation: str) -> None:
    assert read_model(model([node("Einsum", ["x"], ["y"], equation=equation)]))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {
                "nodes_nodeids": [1, 2, 0],
                "nodes_modes": ["LEAF", "LEAF", "BRANCH_LEQ"],
                "nodes_truenodeids": [0, 0, 1],
                "nodes_falsenodeids": [0, 0, 2],
            },
            "not listed tree after tree from node 0 on",
        ),
        ({"n_targets": 2, "base_values": [0.5, 1.0]}, "no number for a score"),
        ({"n_targets": 1, "base_values": [0.5, 1.0]}, "2 base values for 1 scores"),
        ({"classlabels_int64s": [0, 1], "target_ids": [0, 1]}, "no number for a score"),
        (
            {"nodes_nodeids": [0, 1, 2, 3], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"]}
            | {"nodes_truenodeids": [1, 0, 0, 0], "nodes_falsenodeids": [2, 0, 0, 0]},
            "belong to no tree",
        ),
    ],
)
def test_an_ensemble_that_runtimes_read_in_a_way_of_their_own_is_refused(given: dict[str, Any], reason: str) -> None:
    """onnxruntime starts at another node, or leaves a base out where no leaf has a number for the score."""
    program, problems = lower(read_model(model([trees(**given)])), output="y")
    assert program is None and reason in problems[0].what


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_the_label_of_one_score_that_is_never_negative_is_told_at_a_half(post: str) -> None:
    """onnxruntime takes it for a probability whatever the transform: 0.25 is the first class."""
    proto = onnx.load_model_from_string(
        model([trees(classlabels_int64s=[7, 3], target_weights=[0.25, 0.75], post_transform=post)])
    )
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]))
    program, problems = lower(read_model(proto.SerializeToString()))
    assert program is not None, problems
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for first in (-1.0, 1.0):
        sample = np.array([[first, 0, 0, 0]], dtype=np.float32)
        assert evaluated(program, sample) == session.run(None, {"x": sample})[0]


def test_a_chain_of_thousands_of_operators_ends_in_no_recursion() -> None:
    names = [f"a{at}" for at in range(1_100)]
    ends = ["x", *names, "y"]
    chain = [node("Add", [before, "one"], [after]) for before, after in itertools.pairwise(ends)]
    program, problems = lower(read_model(model(chain, ONE)))
    assert program is not None and len(program.ops) == len(chain), problems
    folded = [node("Add", ["one" if at == 0 else f"b{at - 1}", "one"], [f"b{at}"]) for at in range(450)]
    program, problems = lower(read_model(model([*folded, node("Mul", ["x", "b449"], ["y"])], ONE)))
    assert program is not None and next(iter(program.constants.values())) == 451, problems


@pytest.mark.parametrize("operator", ["Log", "Sqrt"])
@pytest.mark.parametrize("before", [None, "Softmax", "Abs"])
def test_the_largest_is_looked_for_before_a_function_that_each_number_has(operator: str, before: str | None) -> None:
    """There is no logarithm of a negative number, and onnxruntime takes what is none for the largest."""
    nodes = [node(operator, ["z" if before else "x"], ["t"]), node("ArgMax", ["t"], ["y"], axis=1)]
    if before:
        nodes.insert(0, node(before, ["x"], ["z"]))
    program, problems = lower(read_model(model(nodes)))
    assert (program is not None) is (before is not None), problems
    assert before or f"operator {operator} can't be proven exactly" in problems[0].what


@pytest.mark.parametrize(("kind", "is_safe"), [(TensorProto.UINT8, False), (TensorProto.UINT32, True)])
def test_a_shift_that_loses_ones_is_refused(kind: int, is_safe: bool) -> None:
    """In 8 bits, 200 shifted by one is 144, and not 400."""
    by = np.array([1], dtype=helper.tensor_dtype_to_np_dtype(kind))
    program, problems = lower(
        read_model(model([node("BitShift", ["x", "by"], ["y"], direction="LEFT")], {"by": by}, kind=kind))
    )
    assert (program is not None) is is_safe
    assert is_safe or "shift ones out" in problems[0].what
