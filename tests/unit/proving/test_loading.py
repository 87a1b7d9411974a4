"""Tests of what is loaded: data beside the model, attributes, defaults of each opset, types, labels."""

from __future__ import annotations

import collections
import hashlib
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from oracle.core.errors import DataError, ModelError
from oracle.proving.imported import at_scales
from oracle.proving.lowering import loading
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_file, read_model
from oracle.proving.lowering.program import Program
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.float_model import float_outputs, scored_outputs
from oracle.proving.tuning.request import Request
from tests import models
from tests.models import model, node, weights
from tests.unit.proving.test_node_cases import evaluated


def lowered(data: bytes, **options: Any) -> Program:
    program, problems = lower(read_model(data), **options)
    assert program is not None, [str(problem) for problem in problems]
    return program


def refusal(data: bytes, **options: Any) -> str:
    program, problems = lower(read_model(data), **options)
    assert program is None
    return "; ".join(str(problem) for problem in problems)


def typed(data: bytes, kind: int, **outputs: int) -> bytes:
    """Return a model whose input, and whose outputs, have other types."""
    proto = onnx.load_model_from_string(data)
    proto.graph.input[0].type.tensor_type.elem_type = kind
    for each in proto.graph.output:
        each.type.tensor_type.elem_type = outputs.get(each.name, kind)
    return bytes(proto.SerializeToString())


# --- data beside the model -----------------------------------------------------------------------------------------


def exported(folder: Path, values: Any, **entries: str) -> Path:
    """Write a model whose weights are in `model.onnx.data` beside it; entries replace those that say where."""
    folder.mkdir(parents=True, exist_ok=True)
    array = np.asarray(values, dtype=np.float32).reshape(-1, 1)
    proto = onnx.load_model_from_string(model([node("MatMul", ["x", "w"])], ["N", len(array)], [weights("w", array)]))
    tensor = proto.graph.initializer[0]
    (folder / "model.onnx.data").write_bytes(array.tobytes())
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    told = {"location": "model.onnx.data", "offset": "0", "length": str(array.nbytes)} | entries
    for key, value in told.items():
        if value:
            tensor.external_data.add(key=key, value=value)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def test_data_are_those_beside_the_model_wherever_it_is_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = exported(tmp_path / "d1", [1, 2, 3]), exported(tmp_path / "d2", [7, 8, 9])
    for here, path in ((tmp_path / "d1", Path("../d2/model.onnx")), (tmp_path, second), (tmp_path / "d2", second)):
        monkeypatch.chdir(here)
        assert evaluated(lowered(read_file(path)), np.array([[1.0, 10, 100]])) == [987]
    assert read_file(first) != read_file(second), "the same file, with other data"
    made = at_scales("m", read_file(second), 0, 8)
    assert made.description["source_sha256"] == hashlib.sha256(read_file(second)).hexdigest()
    assert made.description["source_sha256"] != at_scales("m", read_file(first), 0, 8).description["source_sha256"]


def test_a_file_without_other_data_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model([node("Relu", ["x"])], ["N", 3]))
    assert read_file(path) == path.read_bytes()
    with pytest.raises(ModelError, match="can't be read"):
        read_file(tmp_path / "none.onnx")


def test_data_in_attributes_are_read_too(tmp_path: Path) -> None:
    path = exported(tmp_path, [1, 2, 3])
    proto = onnx.load_model_from_string(path.read_bytes())
    constant = helper.make_node("Constant", [], ["w"], value=proto.graph.initializer[0])
    del proto.graph.initializer[:]
    proto.graph.node.insert(0, constant)
    path.write_bytes(proto.SerializeToString())
    assert evaluated(lowered(read_file(path)), np.array([[1.0, 1, 1]])) == [6]


@pytest.mark.parametrize("location", ["../secret/model.onnx.data", "sub/../../secret/model.onnx.data", "absolute", ""])
def test_data_outside_of_the_models_folder_are_refused(tmp_path: Path, location: str) -> None:
    exported(tmp_path / "secret", [1, 2, 3])
    (tmp_path / "open" / "sub").mkdir(parents=True)
    if location == "absolute":
        location = str(tmp_path / "secret" / "model.onnx.data")
    path = exported(tmp_path / "open", [1, 2, 3], location=location)
    with pytest.raises(ModelError, match="can't be read from"):
        read_file(path)


@pytest.mark.parametrize("what", ["file", "folder", "fifo", "missing"])
def test_links_and_what_is_no_file_are_refused(tmp_path: Path, what: str) -> None:
    exported(tmp_path / "secret", [1, 2, 3])
    path = exported(tmp_path / "open", [1, 2, 3], location="sub/model.onnx.data" if what == "folder" else "other")
    if what == "file":
        (path.parent / "other").symlink_to(tmp_path / "secret" / "model.onnx.data")
    elif what == "folder":
        (path.parent / "sub").symlink_to(tmp_path / "secret")
    elif what == "fifo":
        os.mkfifo(path.parent / "other")
    with pytest.raises(ModelError, match="can't be read from"):
        read_file(path)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"length": "8"}, "other bytes"),
        ({"length": "1000000000000"}, "other bytes"),
        ({"offset": "4"}, "can't be read from"),
        ({"offset": "-4"}, "can't be read from"),
        ({"offset": "1000000000000"}, "can't be read from"),
        ({"offset": "x"}, "can't be read from"),
    ],
)
def test_places_that_are_not_in_the_file_are_refused(tmp_path: Path, entries: dict[str, str], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        read_file(exported(tmp_path, [1, 2, 3], **entries))


def test_no_more_is_read_than_the_model_can_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported(tmp_path, [1, 2, 3], length="")
    with open(tmp_path / "model.onnx.data", "ab") as file:
        file.truncate(1 << 40)  # a sparse file of a tebibyte
    assert evaluated(lowered(read_file(path)), np.array([[1.0, 1, 1]])) == [6]
    monkeypatch.setattr(loading, "LARGEST", path.stat().st_size + 11)
    with pytest.raises(ModelError, match="and its data have more than"):
        read_file(path)
    monkeypatch.setattr(loading, "LARGEST", path.stat().st_size - 1)
    with pytest.raises(ModelError, match="models have at most"):
        read_file(path)
    monkeypatch.undo()
    huge = onnx.load_model_from_string(path.read_bytes())
    huge.graph.initializer[0].dims[0] = 1 << 50
    path.write_bytes(huge.SerializeToString())
    with pytest.raises(ModelError, match="more than"):
        read_file(path)


def test_bytes_without_their_data_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported(tmp_path, [1, 2, 3])
    monkeypatch.chdir(tmp_path)  # the data would be here
    with pytest.raises(ModelError, match="name its path"):
        read_model(path.read_bytes())


# --- graphs in other forms -----------------------------------------------------------------------------------------


def test_sparse_weights_are_weights() -> None:
    proto = onnx.load_model_from_string(model([node("MatMul", ["x", "w"])], ["N", 3]))
    for indices in (np.array([0, 2]), np.array([[0, 0], [2, 0]])):
        del proto.graph.sparse_initializer[:]
        values, where = weights("w", [5.0, 7.0]), weights("w_at", indices, np.int64)
        proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [3, 1]))
        assert evaluated(lowered(proto.SerializeToString()), np.array([[1.0, 10, 100]])) == [705]


def test_functions_of_the_model_are_written_into_its_graph() -> None:
    proto = onnx.load_model_from_string(model([helper.make_node("Twice", ["x"], ["y"], domain="mine")], ["N", 2]))
    twice = helper.make_function(
        "mine", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], "b")], [helper.make_opsetid("", 13)]
    )
    proto.functions.append(twice)
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    assert list(evaluated(lowered(proto.SerializeToString()), np.array([[1.0, 2]]))) == [2, 4]


def test_an_operator_of_another_domain_is_not_the_one_of_the_same_name() -> None:
    proto = onnx.load_model_from_string(model([helper.make_node("Relu", ["x"], ["y"], domain="mine")], ["N", 2]))
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    assert "its domain is 'mine'" in refusal(proto.SerializeToString())


def test_random_constants_are_refused() -> None:
    nodes = [helper.make_node("RandomNormal", [], ["r"], shape=[1, 2]), node("Add", ["x", "r"])]
    assert "it is random" in refusal(model(nodes, ["N", 2]))


# --- attributes and defaults ---------------------------------------------------------------------------------------


SAMPLE = np.array([[-3.0, -0.5, 0.0, 0.75, 2.0, 3.0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("nodes", "opset", "near"),
    [
        ([node("Selu", ["x"], alpha=2.0, gamma=3.0)], 13, 0.1),
        ([node("Elu", ["x"], alpha=2.5)], 13, 0.1),
        ([node("Gelu", ["x"], approximate="tanh")], 20, 0.05),
        ([node("Cast", ["x"], "b", to=TensorProto.BOOL), node("Cast", ["b"], to=TensorProto.FLOAT)], 13, 0),
        ([node("Cast", ["x"], "b", to="BOOL"), node("Cast", ["b"], to="FLOAT")], 5, 0),
        ([node("Clip", ["x"], max=1.0)], 6, 0),
        ([node("Shape", ["x"], "s", start=1), node("Cast", ["s"], "f", to=1), node("Mul", ["x", "f"])], 15, 0),
        ([helper.make_node("Split", ["x"], ["y", "z"], axis=1)], 13, 0),
        ([helper.make_node("Split", ["x"], ["y", "z"], axis=1, num_outputs=2)], 18, 0),
        ([node("Concat", ["x", "x"])], 3, 0),
    ],
)
def test_attributes_and_defaults_are_honoured(nodes: list[onnx.NodeProto], opset: int, near: float) -> None:
    data = model(nodes, ["N", 6], opset=opset)
    if opset < 7:  # onnxruntime begins at 7; the sample's results are known
        expected = {
            "Cast": (SAMPLE != 0).astype(float),
            "Clip": np.minimum(SAMPLE, 1),
            "Concat": np.hstack([SAMPLE, SAMPLE]),
        }[nodes[0].op_type].ravel()
    else:
        expected = float_outputs(data, SAMPLE)[0]
    assert np.abs(evaluated(lowered(data, segments=32), SAMPLE) - expected).max() <= near


@pytest.mark.parametrize(
    ("nodes", "opset", "says"),
    [
        (
            [node("BatchNormalization", ["x", "one", "zero", "zero", "one"], training_mode=1)],
            15,
            "it has training_mode = 1, which is not honoured",
        ),
        ([node("Dropout", ["x", "ratio", "yes"])], 13, "as in training"),
        ([helper.make_node("Split", ["x"], ["y", "z", "w", "v"], axis=1, num_outputs=4)], 18, "6 into 4 equal parts"),
        ([helper.make_node("Split", ["x"], ["y", "z", "w", "v"], axis=1)], 13, "6 into 4 equal parts"),
        ([node("HardSigmoid", ["x"], alpha=-0.5)], 13, "its alpha is -0.5"),
        ([node("Reshape", ["x", "pair"], "r"), node("Softmax", ["r"], axis=-1)], 13, "compares 3 values at a time"),
    ],
)
def test_attributes_that_are_not_honoured_are_refused(nodes: list[onnx.NodeProto], opset: int, says: str) -> None:
    constants = [
        weights("one", np.ones(6)),
        weights("zero", np.zeros(6)),
        weights("ratio", 0.5),
        weights("yes", True, bool),
        weights("pair", [1, 2, 3], np.int64),
    ]
    data = model(nodes, ["N", 6], constants, opset=opset)
    assert says in refusal(data)


# --- types ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.INT32])
def test_a_sample_gets_the_type_of_the_input(kind: int) -> None:
    nodes = [node("Cast", ["x"], "f", to=TensorProto.FLOAT), node("MatMul", ["f", "w"])]
    data = typed(model(nodes, ["N", 3], [weights("w", [[1], [2], [3]])]), kind, y=TensorProto.FLOAT)
    samples = np.array([[1.0, 2, 3], [4, 5, 6]])
    program = lowered(data)
    assert scored_outputs(Request("m", data, samples), program, samples).ravel().tolist() == [14, 32]
    if kind in (TensorProto.INT32, TensorProto.INT64):
        with pytest.raises(DataError, match=r"sample 1: the model takes int\d\d numbers, and 4\.5 is none"):
            scored_outputs(Request("m", data, samples), program, samples + np.array([[0, 0, 0], [0.5, 0, 0]]))


def test_double_weights_are_run_as_they_are() -> None:
    matrix = numpy_helper.from_array(np.array([[1.0], [2], [3]]), "w")
    data = typed(model([node("MatMul", ["x", "w"], "z"), node("Sigmoid", ["z"])], ["N", 3], [matrix]), 11)
    samples = np.array([[1.0, 2, 3]])
    program = lowered(data)
    assert program.dropped == "Sigmoid"
    assert scored_outputs(Request("m", data, samples), program, samples).ravel().tolist() == [14]


@pytest.mark.parametrize(
    ("kind", "nodes", "says"),
    [
        (TensorProto.UINT8, [node("Add", ["x", "x"])], "of type uint8, and may wrap around"),
        (
            TensorProto.INT32,
            [node("Mul", ["x", "x"], "s"), node("Mul", ["s", "x"])],
            "of type int32, and may wrap around",
        ),
        (TensorProto.INT64, [node("ReduceMean", ["x"], axes=[1])], "of type int64, and rounded"),
        (TensorProto.STRING, [node("Identity", ["x"])], "it is of type string"),
    ],
)
def test_arithmetic_of_integers_that_is_not_that_of_numbers(kind: int, nodes: list[onnx.NodeProto], says: str) -> None:
    assert says in refusal(typed(model(nodes, ["N", 3], [weights("two", [2], np.int64)]), kind))


# --- labels --------------------------------------------------------------------------------------------------------


def zipped() -> bytes:
    """Return a classifier as skl2onnx exports it by default: a label, and probabilities in a list of dictionaries."""
    ml: dict[str, Any] = {"domain": "ai.onnx.ml"}
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "raw"],
            **ml,
            coefficients=[1.0, 2.0, -1.0, -2.0, 0.5, 0.5],
            intercepts=[0.0, 0.1, 0.2],
            classlabels_ints=[0, 1, 2],
            post_transform="SOFTMAX",
        ),
        helper.make_node("Normalizer", ["raw"], ["probabilities"], **ml, norm="L1"),
        helper.make_node("Cast", ["label"], ["output_label"], to=TensorProto.INT64),
        helper.make_node("ZipMap", ["probabilities"], ["output_probability"], **ml, classlabels_int64s=[0, 1, 2]),
    ]
    proto = onnx.load_model_from_string(model(nodes, ["N", 2], outputs=["output_label", "output_probability"], ml=True))
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    proto.graph.output[1].type.CopyFrom(helper.make_sequence_type_proto(kind))
    return bytes(proto.SerializeToString())


def test_labels_and_dictionaries_are_left_off() -> None:
    data = zipped()
    program = lowered(data)
    assert program.outputs == 3 and program.dropped == "Normalizer"
    assert program.notes == ("output 'output_probability' is published; the labels 'output_label' are left off",)
    samples = np.array([[1.0, -1.0], [0.0, 2.0], [-3.0, 0.5]])
    expected = scored_outputs(Request("m", data, samples), program, samples)
    computed = np.array([evaluated(program, each[None]) for each in samples])
    assert expected.shape == (3, 3) and (expected.argmax(axis=1) == computed.argmax(axis=1)).all()


# --- constants that vanish -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "constant"),
    [("Mul", [[0.01, 0.02]]), ("Mul", [[1.0, 1.0]]), ("Add", [[0.0, 0.01]]), ("Sub", [[0.0, 0.01]])],
)
@pytest.mark.parametrize("param_scale", [3, 12])
def test_a_constant_without_effect_keeps_its_shape(kind: str, constant: Any, param_scale: int) -> None:
    nodes = [node("Relu", ["x"], "r"), node(kind, ["r", "c"], "m"), node("MatMul", ["m", "w"])]
    data = model(nodes, ["N", 1], [weights("c", constant), weights("w", [[1.0], [2.0]])])
    circuit = instantiate(lowered(data), 4, param_scale, 1000)
    circuit.to_onnx(1)
    computed = circuit.evaluate([[48], [-16]]) / 2.0**circuit.output_scale
    assert np.abs(computed - float_outputs(data, np.array([[3.0], [-1.0]]))).max() <= 0.2


def one_hot(matrix: Any) -> bytes:
    """Return a model that multiplies answers of comparisons by integers of 8 bits, as some exporters write trees."""
    nodes = [
        node("Greater", ["x", "limits"], "b"),
        node("Cast", ["b"], "i", to=TensorProto.INT8),
        node("MatMul", ["i", "paths"], "m"),
        node("Cast", ["m"], to=TensorProto.FLOAT),
    ]
    return model(nodes, ["N", 3], [weights("limits", [[0.0, 1, 2]]), weights("paths", matrix, np.int8)])


def test_narrow_integers_are_taken_where_they_can_not_wrap_around() -> None:
    data = one_hot([[1, -1], [100, -1], [26, -1]])
    assert evaluated(lowered(data), np.array([[1.0, 2, 3]])).tolist() == [127, -3]
    assert "may wrap around" in refusal(one_hot([[1, -1], [100, -1], [27, -1]]))


def test_wide_integers_are_taken_as_far_as_inputs_reach() -> None:
    data = typed(model([node("Mul", ["x", "x"], "s"), node("Mul", ["s", "x"])], ["N", 2]), TensorProto.INT64)
    assert evaluated(lowered(data), np.array([[3, -2]])).tolist() == [27, -8]


def test_an_activation_that_is_the_model_is_kept() -> None:
    program = lowered(model([node("Sigmoid", ["x"])], ["N", 3]), segments=32)
    assert program.approximated and not program.dropped


def test_damaged_files_are_refused_in_words() -> None:
    """Whatever bytes are changed: the file is refused, its graph is refused with reasons, or it is another model."""
    draw, outcomes = random.Random(19), collections.Counter[str]()
    files = [models.cnn()[0], models.trees()[0], zipped(), one_hot([[1, -1], [100, -1], [26, -1]])]
    for _ in range(3_000):
        data = bytearray(draw.choice(files))
        for _ in range(draw.choice((1, 1, 2, 4))):
            at = draw.randrange(len(data))
            match draw.randrange(3):
                case 0:
                    data[at] = draw.randrange(256)
                case 1:
                    del data[at : at + 2]
                case 2:
                    data[at:at] = bytes([draw.randrange(256)])
        try:
            program, problems = lower(read_model(bytes(data), "damaged.onnx"))
        except ModelError:
            outcomes["no model"] += 1
            continue
        assert (program is None) == bool(problems)
        outcomes["refused" if problems else "another model"] += 1
    assert min(outcomes.values()) > 10 and len(outcomes) == 3, outcomes


@pytest.mark.parametrize("change", ["type", "size"])
def test_types_and_sizes_that_are_none(change: str) -> None:
    proto = onnx.load_model_from_string(model([node("MatMul", ["x", "w"])], ["N", 3], [weights("w", [[1], [2], [3]])]))
    if change == "type":
        proto.graph.input[0].type.tensor_type.elem_type = 99
        assert "it is of an unknown type, 99" in refusal(proto.SerializeToString())
    else:
        proto.graph.initializer[0].raw_data += b"\0"
        assert "they can't be read" in refusal(proto.SerializeToString())
