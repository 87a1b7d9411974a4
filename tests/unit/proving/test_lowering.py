"""Tests of ONNX models as exact operations: refusals with reasons, and equal functions for everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from oracle.core.errors import DataError, ModelError
from oracle.proving.inspect.model import inspect_onnx, require_provable
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Program
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.request import Request
from tests import models
from tests.models import model, node, points, weights
from tests.operator_cases import CASES


def lowered(data: bytes, **options: Any) -> Program:
    program, problems = lower(read_model(data), **options)
    assert program is not None, [str(problem) for problem in problems]
    return program


def problems(data: bytes, **options: Any) -> list[str]:
    program, found = lower(read_model(data), **options)
    assert (program is None) == bool(found)
    return [str(problem) for problem in found]


def integers(data: bytes, samples: np.ndarray, *, scale: int = 10, params: int = 14, **options: Any) -> np.ndarray:
    """Return the integer model's outputs as floats."""
    circuit = instantiate(lowered(data, **options), scale, params, 32_767)
    windows = circuit.quantise(samples.reshape(len(samples), -1))
    return circuit.evaluate_exactly(windows).astype(float) / 2.0**circuit.output_scale


def session(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def floats(data: bytes, samples: np.ndarray, output: str | None = None) -> np.ndarray:
    run = session(data)
    return np.array([np.ravel(run.run(output and [output], {"x": each[None]})[0]) for each in samples])


# --- refusals ------------------------------------------------------------------------------------------------------


def test_what_is_no_onnx_file() -> None:
    with pytest.raises(ModelError, match=r"m\.onnx is not an ONNX file"):
        read_model(b"\xff\xfe something else", "m.onnx")
    with pytest.raises(ModelError, match="no nodes"):
        read_model(b"")


def test_an_operator_without_a_circuit_names_its_node_and_a_remedy() -> None:
    found = problems(model([node("Sin", ["x"])], ["N", 3]))
    assert found == [
        "node y_Sin (Sin): operator Sin can't be proven exactly; leave it to whoever reads the output, compute it as a "
        "feature before the model, or add --approximate"
    ]


def test_all_problems_are_told_at_once() -> None:
    bad = [node("Sin", ["x"], "s"), node("Add", ["s", "s"], "t"), node("Sqrt", ["x"], "q"), node("Add", ["t", "q"])]
    found = problems(model(bad, ["N", 3]))
    assert [text.split(":")[0] for text in found] == ["node s_Sin (Sin)", "node q_Sqrt (Sqrt)"]


@pytest.mark.parametrize(
    ("shape", "says"), [(["N", "M"], "axis 1 of 1×M is dynamic ('M')"), (["N", "C", 4], "axis 1 of 1×C×4 is dynamic")]
)
def test_shapes_that_are_not_fixed(shape: list[Any], says: str) -> None:
    found = problems(model([node("Relu", ["x"])], shape))
    assert len(found) == 1 and says in found[0] and "input 'x'" in found[0] and "--data" in found[0]


@pytest.mark.parametrize(
    ("shape", "sample", "taken"),
    [
        (["N", "M"], (5,), (1, 5)),
        (["N", "C", 4], (3, 4), (1, 3, 4)),
        (["N", "C", 4], (12,), (1, 3, 4)),
        (["N", "C", "D"], (3, 2), (1, 3, 2)),
        (["N", "C", "D"], (1, 3, 2), (1, 3, 2)),
        (["N"], (), (1,)),
        ([4, "M"], (4, 3), (4, 3)),
        (["N", "C", "D"], (6,), None),
        (["N", "C", 4], (3, 5), None),
        (["N", "C", 4], (13,), None),
    ],
)
def test_samples_tell_the_sizes_that_are_left_open(
    shape: list[Any], sample: tuple[int, ...], taken: tuple[int, ...] | None
) -> None:
    data = model([node("Relu", ["x"])], shape)
    if taken is None:
        assert "is dynamic" in problems(data, sample=sample)[0]
    else:
        assert lowered(data, sample=sample).inputs[0].shape == taken


@pytest.mark.parametrize("shape", [[4, 3], [3], [1], ["N"], []], ids=str)
def test_a_fixed_batch_is_part_of_a_window(shape: list[Any]) -> None:
    """A graph that mixes its rows computes of each window what it computes of all its rows."""
    data = model(
        [node("Add", ["x", "b"], "a"), node("ReduceSum", ["a", "axes"], "s", keepdims=0), node("Add", ["s", "a"])],
        shape,
        [weights("axes", [], i64), weights("b", [0.5])],
    )
    size = [1 if dim == "N" else dim for dim in shape]
    samples = points(5, int(np.prod(size)), 12).reshape(5, *size)
    program = lowered(data)
    assert program.input_shape == tuple(size)[size[:1] == [1] :]
    expected = np.array([np.ravel(session(data).run(None, {"x": np.asarray(each)})[0]) for each in samples])
    assert np.allclose(integers(data, samples), expected, atol=0.01)


def two_inputs(kinds: tuple[int, int] = (TensorProto.FLOAT, TensorProto.FLOAT)) -> bytes:
    nodes = [node("MatMul", ["x", "w"], "h"), node("Cast", ["n"], "f", to=TensorProto.FLOAT), node("Mul", ["h", "f"])]
    proto = onnx.load_model_from_string(model(nodes, ["N", 2, 3], [weights("w", [[1], [2], [-0.5]])]))
    del proto.graph.input[:]
    proto.graph.input.append(helper.make_tensor_value_info("x", kinds[0], ["N", 2, 3]))
    proto.graph.input.append(helper.make_tensor_value_info("n", kinds[1], ["N", 2, 1]))
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL])
def test_several_inputs_follow_each_other_in_a_window(kind: int) -> None:
    data = two_inputs((TensorProto.FLOAT, kind))
    program = lowered(data)
    assert [(each.name, each.shape) for each in program.inputs] == [("x", (1, 2, 3)), ("n", (1, 2, 1))]
    assert "'x' (6), 'n' (2), one input after the other" in program.notes[0]
    samples = points(6, 8, 7)
    samples[:, 6:] = np.rint(samples[:, 6:]) % 2
    expected = scored_outputs(Request("two", data, samples), program, samples)
    assert np.allclose(integers(data, samples), expected, atol=0.01) and np.ptp(expected) > 1


def test_samples_of_several_inputs_have_their_types() -> None:
    data = two_inputs((TensorProto.FLOAT, TensorProto.INT64))
    samples = np.ones((3, 8))
    samples[2, 7] = 0.5
    with pytest.raises(DataError, match=r"sample 2: the model takes int64 numbers, and 0\.5 is none"):
        scored_outputs(Request("two", data, samples), lowered(data), samples)


def test_an_input_without_a_number_is_told_beside_the_others() -> None:
    data = two_inputs((TensorProto.STRING, TensorProto.FLOAT))
    assert problems(data)[0].startswith("input 'x': it is of type string")


def test_several_outputs_need_a_choice() -> None:
    data = model([node("Relu", ["x"], "a"), node("Neg", ["a"], "b")], ["N", 3], outputs=["a", "b"])
    assert "2 outputs (a, b); choose one with --output NAME" in problems(data)[0]
    assert "no output 'c'" in problems(data, output="c")[0]
    assert lowered(data, output="a").outputs == 3


def test_a_node_beside_the_chosen_output_does_not_matter() -> None:
    data = model([node("Relu", ["x"], "a"), node("Sin", ["x"], "b")], ["N", 3], outputs=["a", "b"])
    assert [op.kind for op in lowered(data, output="a").ops] == ["Relu"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(value: float) -> None:
    data = model([node("MatMul", ["x", "w"])], ["N", 2], [weights("w", [[1], [value]])])
    assert problems(data) == [
        "weights 'w': 1 of 2 are NaN or infinite, the first at (1, 0); train or export the model again"
    ]


TOP = helper.make_node("TopK", ["wide", "many"], ["y", "places"], name="top")


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([node("Reshape", ["x", "flat"])], "a window of shape [1, 3]"),
        ([node("Div", ["x", "x"])], "divides by a value"),
        ([node("Cast", ["x"], to=TensorProto.INT8)], "may wrap around"),
        (
            [
                node("Cast", ["x"], "i", to=TensorProto.INT32),
                node("Mul", ["i", "i"], "s"),
                node("Mul", ["s", "s"], "r"),
                node("Cast", ["r"], to=TensorProto.FLOAT),
            ],
            "type int32",
        ),
        ([node("Concat", ["x"] * 22, "wide", axis=1), TOP], "2,145 comparisons, of 2,016 at most; take at most 31"),
    ],
)
def test_operations_that_round_or_do_not_fit(nodes: list[onnx.NodeProto], says: str) -> None:
    constants = [weights("flat", [2, 2], np.int64), weights("many", [40], np.int64)]
    assert says in problems(model(nodes, ["N", 3], constants))[0]


def test_a_model_that_is_too_large_is_told_before_anything_is_made() -> None:
    data = model([node("MatMul", ["x", "w"], "a"), node("Relu", ["a"])], ["N", 64], [weights("w", np.ones((64, 512)))])
    report = inspect_onnx(data, "big.onnx", memory=100 << 20)
    assert report.program is None and report.public is not None and report.public.k >= 15
    with pytest.raises(ModelError, match=r"big\.onnx can't be proven .* node a_MatMul .* too large: .* rows \(k = 1"):
        require_provable(report)
    assert require_provable(inspect_onnx(data, "big.onnx", memory=8 << 30)).weights == 64 * 512
    # One column takes 443 MiB, and three take 245, because k is smaller.
    assert require_provable(inspect_onnx(data, "big.onnx", memory=300 << 20)).weights == 64 * 512
    report = inspect_onnx(data, "big.onnx", memory=200 << 20)
    assert "about 0.2 GiB" in report.problems[0].what, "the least that any number of columns takes"


def test_a_deep_model_at_large_scales_is_told() -> None:
    nodes = [node("MatMul", [f"h{at}" if at else "x", "w"], f"h{at + 1}") for at in range(8)] + [node("Relu", ["h8"])]
    program = lowered(model(nodes, ["N", 4], [weights("w", np.full((4, 4), 0.9))]))
    assert instantiate(program, 4, 6, 32_767).bound < 2**126
    with pytest.raises(ModelError, match=r"node h\d_MatMul .* values can reach 2\^1\d\d.* smaller scales"):
        instantiate(program, 12, 14, 32_767)


def test_the_report_is_json_and_complete() -> None:
    data, _ = models.cnn()
    document = inspect_onnx(data, "cnn").document()
    assert document["operators"] == {"Conv": 1, "Relu": 1, "MaxPool": 1, "Flatten": 1, "Gemm": 1}
    assert (document["features"], document["outputs"], document["problems"]) == (36, 2, [])
    assert document["private"]["rows"] >= document["public"]["rows"] > 2_000


# --- the same function -------------------------------------------------------------------------------------------

i64 = np.int64
SAMPLES = points(20, 6, 11)

EXACT: dict[str, tuple[list[onnx.NodeProto], list[onnx.TensorProto]]] = {
    "clip": ([node("Clip", ["x", "low", "high"])], [weights("low", -0.5), weights("high", 0.75)]),
    "clip below": ([node("Clip", ["x", "low"])], [weights("low", -0.5)]),
    "leaky": ([node("LeakyRelu", ["x"], alpha=0.125)], []),
    "prelu": ([node("PRelu", ["x", "slope"])], [weights("slope", [0.5, 0.25, 0.125, 1, 0, 2])]),
    "max": ([node("Neg", ["x"], "m"), node("Max", ["x", "m"])], []),
    "min": ([node("Neg", ["x"], "m"), node("Min", ["x", "m"])], []),
    "abs": ([node("Abs", ["x"])], []),
    "power": ([node("Pow", ["x", "three"])], [weights("three", 3.0)]),
    "divide": ([node("Div", ["x", "four"])], [weights("four", [4.0])]),
    "mean": ([node("ReduceMean", ["x"], axes=[1], keepdims=0)], []),
    "squares": ([node("ReduceSumSquare", ["x"], axes=[1])], []),
    "l1": ([node("ReduceL1", ["x"], axes=[1])], []),
    "where": (
        [node("Greater", ["x", "t"], "c"), node("Neg", ["x"], "m"), node("Where", ["c", "x", "m"])],
        [weights("t", [0.25])],
    ),
    "logic": (
        [
            node("Greater", ["x", "t"], "a"),
            node("Less", ["x", "u"], "b"),
            node("And", ["a", "b"], "c"),
            node("Not", ["c"], "d"),
            node("Or", ["d", "a"], "e"),
            node("Cast", ["e"], to=TensorProto.FLOAT),
        ],
        [weights("t", [-0.25]), weights("u", [0.5])],
    ),
    "split": (
        [
            helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=1),
            node("Concat", ["b", "a"], axis=1),
        ],
        [weights("sizes", [2, 4], i64)],
    ),
    "slice backwards": (
        [node("Slice", ["x", "from", "to", "axis", "step"])],
        [weights(n, [v], i64) for n, v in (("from", -1), ("to", -(2**31)), ("axis", 1), ("step", -2))],
    ),
    "slice to the end": (
        [node("Slice", ["x", "from", "to", "axis"])],
        [weights(n, [v], i64) for n, v in (("from", 2), ("to", 2**63 - 1), ("axis", 1))],
    ),
    "gather": ([node("Gather", ["x", "at"], axis=1)], [weights("at", [5, -6, 2], i64)]),
    "gather one": ([node("Gather", ["x", "at"], axis=1)], [weights("at", 3, i64)]),
    "reshape": (
        [
            node("Reshape", ["x", "shape"], "r"),
            node("Transpose", ["r"], "t", perm=[0, 2, 1]),
            node("Unsqueeze", ["t", "one"], "u"),
            node("Squeeze", ["u", "one"], "s"),
            node("Flatten", ["s"], axis=1),
        ],
        [weights("shape", [0, 2, -1], i64), weights("one", [1], i64)],
    ),
    "batch from the shape": (
        [
            node("Shape", ["x"], "size"),
            node("Gather", ["size", "zero"], "n", axis=0),
            node("Concat", ["n", "rest"], "shape", axis=0),
            node("Reshape", ["x", "shape"], "r"),
            node("Flatten", ["r"], axis=1),
        ],
        [weights("zero", [0], i64), weights("rest", [3, 2], i64)],
    ),
    "product of values": (
        [
            node("Reshape", ["x", "shape"], "a"),
            node("Transpose", ["a"], "b", perm=[0, 2, 1]),
            node("MatMul", ["a", "b"], "c"),
            node("Flatten", ["c"], axis=1),
        ],
        [weights("shape", [0, 2, 3], i64)],
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_lowered_operators_are_the_operators(name: str) -> None:
    nodes, constants = EXACT[name]
    data = model(nodes, ["N", 6], constants)
    assert np.allclose(integers(data, SAMPLES), floats(data, SAMPLES), atol=0.01), name


@pytest.mark.parametrize("name", CASES)
def test_each_form_of_an_operator_is_the_operator(name: str) -> None:
    case = CASES[name]
    samples = case.samples(12)
    expected = floats(case.data, samples)
    assert np.allclose(integers(case.data, samples), expected, atol=0.01 * min(1.0, np.abs(expected).max())), name


@pytest.mark.parametrize("params", [3, 6, 10, 16, 24])
def test_a_constant_below_all_scales_is_no_zero(params: int) -> None:
    """At coarse scales x / 10,000 rounded to 0; what parameters resolve anyway, and powers of two, stay as they are."""
    data = model([node("Div", ["x", "many"])], ["N", 3], [weights("many", [10_000.0])])
    kinds = [step.op.kind for step in instantiate(lowered(data), 10, params, 32_767).steps]
    assert kinds == (["Mul", "Halve"] if params <= 12 else ["Mul"])
    samples = np.array([[1.0, -2.0, 3.0]], dtype=np.float32)
    assert np.allclose(integers(data, samples, params=params), samples / 10_000, rtol=0.25)
    half = model([node("Mul", ["x", "h"])], ["N", 3], [weights("h", [2.0**-20])])
    assert [step.op.kind for step in instantiate(lowered(half), 10, params, 32_767).steps] == ["Halve"]


SAME = {"auto_pad": "SAME_UPPER"}


@pytest.mark.parametrize(
    ("nodes", "constants", "says"),
    [
        ([node("Resize", ["x", "", "f"])], [weights("f", [1, 1, 1, 1.25])], "runtimes may round them otherwise"),
        (
            [node("Resize", ["x", "box", "f"], mode="linear", coordinate_transformation_mode="tf_crop_and_resize")],
            [weights("f", [1, 1, 2, 2]), weights("box", [0.0] * 4 + [1.0] * 4)],
            "its coordinates are",
        ),
        (
            [node("Resize", ["x", "", "f"], coordinate_transformation_mode="align_corners")],
            [weights("f", [1, 1, 2, 2])],
            "its coordinates are 'align_corners'",
        ),
        (
            [node("Resize", ["x", "", "f"], mode="linear", coordinate_transformation_mode="asymmetric")],
            [weights("f", [1, 1, 1.125, 1])],
            "runtimes copy its input",
        ),
        (
            [node("Slice", ["x", "from", "to", "axis", "step"])],
            [weights(n, [v], i64) for n, v in (("from", -1), ("to", 2**31), ("axis", 2), ("step", -1))],
            "nothing is left of axis 2",
        ),
        ([node("MaxPool", ["x"], kernel_shape=[1, 1], pads=[1, 0, 0, 0])], [], "in the padding alone"),
        ([node("MaxPool", ["x"], kernel_shape=[1, 1], strides=[2, 1], **SAME)], [], "its padding is automatic"),
        ([node("ConvTranspose", ["x", "k"], **SAME)], [weights("k", np.ones((2, 1, 2, 2)))], "its output's shape"),
        ([node("Einsum", ["x"], equation="ncii->nci")], [], "each axis with a letter of its own"),
        ([node("Einsum", ["x"], equation="nc->n")], [], "have other axes than 'nc->n' says"),
        ([node("Concat", ["x", "k"], axis=0)], [weights("k", np.ones((1, 2, 2, 2)))], "other shapes than each other"),
        ([node("Conv", ["x", "k"])], [weights("k", np.ones((1, 3, 2, 2)))], "does not fit its input"),
        ([node("Pad", ["x", "w"])], [weights("w", [0, 0, -7, 0, 0, 0, 0, 0], i64)], "nothing is left"),
        (
            [node("GatherElements", ["x", "at"], axis=0)],
            [weights("at", np.ones((1, 2, 7, 5)), i64)],
            "indices outside",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_forms_that_are_refused(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], says: str) -> None:
    (problem,) = problems(model(nodes, ["N", 2, 7, 5], constants))
    assert says in problem


PICTURES = points(5, 2 * 7 * 5, 12).reshape(5, 2, 7, 5)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 0, 2, 1]},
        {"strides": [2, 1], "pads": [1, 1, 1, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER"},
    ],
)
def test_convolutions(attributes: dict[str, Any]) -> None:
    kernel = np.random.default_rng(13).normal(size=(3, 2, 3, 2))
    data = model(
        [node("Conv", ["x", "k", "b"], **attributes)], ["N", 2, 7, 5], [weights("k", kernel), weights("b", [1, 2, 3])]
    )
    assert np.allclose(integers(data, PICTURES), floats(data, PICTURES), atol=0.01)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("MaxPool", ["x"], kernel_shape=[3, 2], strides=[2, 2])],
        [node("AveragePool", ["x"], kernel_shape=[2, 2])],
        [node("GlobalAveragePool", ["x"])],
        [node("BatchNormalization", ["x", "s", "b", "m", "v"])],
        [node("Conv", ["x", "k"], group=2)],
    ],
    ids=lambda nodes: str(nodes[0].op_type),
)
def test_picture_operators(nodes: list[onnx.NodeProto]) -> None:
    rng = np.random.default_rng(14)
    constants = [weights(n, rng.uniform(0.5, 1.5, 2)) for n in "sbmv"] + [weights("k", rng.normal(size=(4, 1, 3, 3)))]
    used = {name for each in nodes for name in each.input}
    data = model(nodes, ["N", 2, 7, 5], [each for each in constants if each.name in used])
    assert np.allclose(integers(data, PICTURES), floats(data, PICTURES), atol=0.02)


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("Sigmoid", 0.01), ("Tanh", 0.01), ("Erf", 0.01), ("Softplus", 0.02), ("Elu", 0.02), ("Celu", 0.02)],
)
def test_smooth_activations_are_near_their_piecewise_linear_stand_ins(kind: str, tolerance: float) -> None:
    data = model([node(kind, ["x"], "a"), node("Neg", ["a"])], ["N", 6])
    samples = np.linspace(-9, 9, 120, dtype=np.float32).reshape(20, 6)
    program = lowered(data, segments=32)
    assert program.approximated == (f"node a_{kind} ({kind})",) and not program.dropped
    assert np.abs(integers(data, samples, segments=32) - floats(data, samples)).max() < tolerance


def test_a_final_activation_is_left_off_unless_it_is_wanted() -> None:
    data, samples = models.logistic()
    program = lowered(data)
    assert program.dropped == "Sigmoid" and not program.approximated
    assert lowered(data, keep_activation=True).approximated
    logits = integers(data, samples)[:, 0]
    assert ((logits > 0) == (floats(data, samples)[:, 0] > 0.5)).all()


@pytest.mark.parametrize("name", [name for name in models.ALL if name != "logistic"])
def test_the_six_models(name: str) -> None:
    """The model whose final activation is left off is not among them. Rounding can change a branch of the trees."""
    data, samples = models.ALL[name]()
    error = np.abs(integers(data, samples[:100]) - floats(data, samples[:100])).max(axis=1)
    assert (error < 0.02).sum() >= (97 if name == "trees" else 100)


def test_a_classifier_of_trees_by_its_scores() -> None:
    """The trees have two classes, strict and unstrict branches, a leaf beside a branch, and an average."""
    proto = onnx.load_model_from_string(models.trees()[0])
    attributes = {each.name: helper.get_attribute_value(each) for each in proto.graph.node[0].attribute}
    renamed = {name.replace("target_", "class_"): value for name, value in attributes.items() if name != "n_targets"}
    weights = renamed["class_weights"]
    renamed["class_ids"] = [at for at in (0, 1) for _ in weights]
    renamed["class_weights"] = [*weights, *(each / 2 for each in reversed(weights))]
    renamed |= {name: renamed[name] * 2 for name in ("class_treeids", "class_nodeids")}
    renamed["nodes_modes"] = [
        mode if mode == b"LEAF" else (b"BRANCH_LEQ", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_LT")[at % 4]
        for at, mode in enumerate(renamed["nodes_modes"])
    ]
    ensemble = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "scores"],
        name="trees",
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        post_transform="NONE",
        **renamed,
    )
    proto.graph.node[0].CopyFrom(ensemble)
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]))
    proto.graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2]))
    data, samples = proto.SerializeToString(), models.trees()[1][:60]
    program = lowered(data)
    assert program.source == "scores"
    assert program.notes == ("output 'scores' is published; the labels 'label' are left off",)
    _, problems = lower(read_model(data), output="label")
    assert [problem.what for problem in problems] == ["it is a label"], "of two scores, runtimes look at the second"
    error = np.abs(integers(data, samples, output="scores") - floats(data, samples, "scores")).max(axis=1)
    assert (error < 0.02).sum() >= 57, (error > 0.02).sum()


def classifier(**changes: Any) -> bytes:
    """Return a forest's probability of the second of two classes, as skl2onnx writes it: one id, positive weights."""
    proto = onnx.load_model_from_string(models.trees()[0])
    attributes = {each.name: helper.get_attribute_value(each) for each in proto.graph.node[0].attribute}
    renamed = {name.replace("target_", "class_"): value for name, value in attributes.items() if name != "n_targets"}
    renamed |= {"class_ids": [0] * len(renamed["class_ids"]), "classlabels_int64s": [0, 1], "post_transform": "NONE"}
    renamed["class_weights"] = np.random.default_rng(16).uniform(0, 1 / 3, len(renamed["class_ids"])).tolist()
    ensemble = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "p"], name="forest", domain="ai.onnx.ml", **(renamed | changes)
    )
    proto.graph.node[0].CopyFrom(ensemble)
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", 2]))
    return bytes(proto.SerializeToString())


def test_one_probability_for_two_classes() -> None:
    data, samples = classifier(), models.trees()[1][:100]
    error = np.abs(integers(data, samples) - floats(data, samples)).max(axis=1)
    assert (error < 0.01).sum() >= 97
    assert not lowered(data).order_only


def test_one_logit_for_two_classes_keeps_their_order_only() -> None:
    data, samples = classifier(post_transform="LOGISTIC"), models.trees()[1][:100]
    assert "LOGISTIC" in lowered(data).order_only
    agree = integers(data, samples).argmax(axis=1) == floats(data, samples).argmax(axis=1)
    assert agree.sum() >= 97


def test_a_linear_classifier_of_three_classes() -> None:
    rng = np.random.default_rng(17)
    linear = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "raw"],
        name="linear",
        domain="ai.onnx.ml",
        coefficients=rng.normal(size=18).tolist(),
        intercepts=rng.normal(size=3).tolist(),
        classlabels_ints=[0, 1, 2],
        post_transform="SOFTMAX",
    )
    data = model(
        [linear, helper.make_node("Normalizer", ["raw"], ["y"], domain="ai.onnx.ml", norm="L1")], ["N", 6], ml=True
    )
    program = lowered(data)
    assert program.dropped == "Normalizer" and "SOFTMAX" in program.order_only
    assert (integers(data, SAMPLES).argmax(axis=1) == floats(data, SAMPLES).argmax(axis=1)).all()


def test_a_graph_whose_windows_are_finer_than_its_weights_is_read_again_as_it_was() -> None:
    """The unit of a window's integers is a power of two that the parameters' scale can't hold."""
    data, samples = models.mlp()
    circuit = instantiate(lowered(data), 12, 6, 32_767)
    again = instantiate(lowered(circuit.to_onnx(1)), 0, 6, 32_767)
    windows = circuit.quantise(samples[:5])
    assert again.evaluate(windows).tolist() == circuit.evaluate(windows).tolist()


def test_a_constant_of_a_type_that_there_is_not_is_told() -> None:
    tensor = weights("one", [1.0])
    tensor.data_type = 80
    nodes = [helper.make_node("Constant", [], ["c"], name="constant", value=tensor), node("Abs", ["x"], "a")]
    nodes += [node("Add", ["a", "c"], "d"), node("Div", ["x", "d"])]
    assert "node constant (Constant)" in problems(model(nodes, ["N", 3]))[0]
