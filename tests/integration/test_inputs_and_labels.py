"""Tests with proofs: a private model's label, from features with scales of their own; several inputs; a fixed batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import oracle
from oracle.core.errors import DataError
from oracle.proving.artifact.manifest import Manifest
from oracle.proving.tuning import measuring
from tests import circuits
from tests.models import model, node, weights

SIZES = np.array([2e-3, 1.0, 4e3])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for artifacts with the tests' reference strings. One candidate is proven, once."""
    srs = circuits.folder() / "srs"
    srs.mkdir(exist_ok=True)
    (tmp_path / "srs").symlink_to(srs, target_is_directory=True)
    monkeypatch.setattr(measuring, "FINALISTS", 1)
    monkeypatch.setattr(measuring, "PROOFS", 1)
    return tmp_path


def built(folder: Path, proto: Any, samples: np.ndarray, **more: Any) -> oracle.BuiltModel:
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return oracle.build_model(path, samples, out=folder / "artifacts", **more)


def test_a_private_model_publishes_its_label(folder: Path) -> None:
    """Three classes of features from 0.002 to 4,000: proven, verified by a stranger; another label is not."""
    rng = np.random.default_rng(22)
    nodes = [
        node("Mul", ["x", "by"], "s"),
        node("Gemm", ["s", "w", "b"], "p"),
        node("Softmax", ["p"], "q", axis=-1),
        node("ArgMax", ["q"], axis=1, keepdims=0),
    ]
    constants = [weights("by", [1 / SIZES]), weights("w", rng.normal(size=(3, 3))), weights("b", [0.1, -0.2, 0.0])]
    proto = onnx.load_model_from_string(model(nodes, ["N", 3], constants))
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    samples = (rng.normal(size=(200, 3)) * SIZES).astype(np.float32)
    made = built(folder, proto, samples)
    facts = made.artifact.manifest.imported
    assert facts is not None and facts["fidelity"]["flips"] == 0 and facts["verdict"] == {"rule": "label"}
    assert facts["input_shifts"][0] > 0 > facts["input_shifts"][2] and made.artifact.manifest.visibility == "private"
    scores = samples @ np.diag(1 / SIZES) @ onnx.numpy_helper.to_array(proto.graph.initializer[1]) + [0.1, -0.2, 0.0]
    row = int(np.argmax(scores[:, 2] - np.maximum(scores[:, 0], scores[:, 1])))
    proof = oracle.prove(made, samples, row=row)
    assert proof.outputs == (2 << facts["output_scale"],)
    assert oracle.verify(made, proof).verified
    assert not oracle.verify(made, replace(proof, outputs=(1 << facts["output_scale"],))).verified
    with pytest.raises(DataError, match=r"number 0 of the input is 1, and model takes numbers within ±0\.\d+ "):
        oracle.prove(made, np.array([[1.0, 0, 0]]))
    document = made.artifact.manifest.document()
    document["imported"] = facts | {"input_shifts": facts["input_shifts"][:2]}
    with pytest.raises(ValueError, match="input_shifts are of 2 features, and its windows have 3 integers"):
        Manifest.from_document(document)


def test_several_inputs_are_one_window(folder: Path) -> None:
    """A product of what two inputs give, of which one is whole numbers in a fixed batch of two."""
    nodes = [
        node("MatMul", ["x", "w"], "h"),
        node("Cast", ["n"], "f", to=TensorProto.FLOAT),
        node("ReduceSum", ["f", "first"], "t", keepdims=1),
        node("Mul", ["h", "t"]),
    ]
    constants = [weights("w", [[1], [2], [-0.5]]), weights("first", [0], np.int64)]
    proto = onnx.load_model_from_string(model(nodes, ["N", 3], constants))
    proto.graph.input.append(helper.make_tensor_value_info("n", TensorProto.INT64, [2, 1]))
    rng = np.random.default_rng(23)
    samples = np.concatenate([rng.integers(-8, 9, (120, 3)) / 8, rng.integers(-3, 4, (120, 2))], axis=1)
    made = built(folder, proto, samples, public=True, rule="tolerance", value=0.01)
    facts = made.artifact.manifest.imported
    assert facts is not None and facts["inputs"] == [[1, 3], [2, 1]] and facts["fidelity"]["flips"] == 0
    proof = oracle.prove(made, samples, row=4)
    x, n = samples[4, :3], samples[4, 3:]
    assert proof.outputs[0] / 2 ** facts["output_scale"] == (x @ [1, 2, -0.5]) * n.sum()
    assert oracle.verify(made, proof).verified
    unit = 1 << facts["input_scale"]
    other = replace(proof, inputs=(*proof.inputs[:-1], proof.inputs[-1] + unit))
    assert not oracle.verify(made, other).verified
    assert facts["input_types"] == [[3, "float"], [2, "int64"]] and unit > 1
    half = [*x, 1, 0.5]
    with pytest.raises(DataError, match=r"number 4 is 0\.5, and model takes one of type int64 there"):
        oracle.prove(made, np.array([half]))
    fraction = tuple(int(each * unit) for each in half)
    assert "takes one of type int64" in oracle.verify(made, replace(proof, inputs=fraction)).reason
