"""Tests of models of one's own for claims: schemas of features, outputs, and integers that are near the floats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.claims import ClaimFeature, ModelSpec
from oracle.claims.importing import features_of
from oracle.core.errors import DataError, ModelError
from oracle.proving.exporting import ExportedModel
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.joining import join_first_layer
from oracle.proving.lowering.loading import read_model
from tests.models import model, node, weights

AGE = {"type": "integer", "minimum": 18, "maximum": 90}
INCOME = {"type": "number", "minimum": 0, "maximum": 200_000}
HOME = {"enum": ["rents", "owns"]}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "An applicant",
    "type": "object",
    "properties": {"age": AGE | {"description": "in years"}, "income": INCOME, "home": HOME},
    "required": ["home", "income", "age"],
    "additionalProperties": False,
}
WIDTH = 4


def points(*, scaler: bool = False, sigmoid: bool = False, kind: Any = np.float32) -> bytes:
    """Return points = 0.3 age + income / 4,000 + 5 (owns) − 40, as a model that takes raw columns."""
    factors = np.array([[0.3], [1 / 4_000], [0.0], [5.0]])
    nodes, constants, last = [], [], "x"
    if scaler:
        mean, deviation = np.array([[50.0, 90_000, 0.5, 0.5]]), np.array([[20.0, 57_000, 0.5, 0.5]])
        nodes += [node("Sub", ["x", "mean"], "centred"), node("Div", ["centred", "deviation"], "scaled")]
        constants += [weights("mean", mean), weights("deviation", deviation)]
        bias, factors, last = (mean @ factors - 40).ravel(), factors * deviation.T, "scaled"
    else:
        bias = np.array([-40.0])
    constants += [weights("w", factors), weights("b", bias)]
    nodes.append(node("Gemm", [last, "w", "b"], "logit" if sigmoid else "y"))
    if sigmoid:
        nodes.append(node("Sigmoid", ["logit"], "y"))
    return model(nodes, ["N", WIDTH], constants)


def own(onnx: bytes, **more: Any) -> ModelSpec:
    return oracle.claim_model("points", ExportedModel("points", onnx), SCHEMA, **more)


@pytest.mark.parametrize("scaler", [False, True])
@pytest.mark.parametrize("sigmoid", [False, True])
def test_a_model_on_raw_data_gives_what_it_gives_in_floats(scaler: bool, sigmoid: bool) -> None:
    """Small factors of large numbers are no loss: what is done to each feature is joined with the first layer."""
    spec = own(points(scaler=scaler, sigmoid=sigmoid))
    assert spec.activation == ("Sigmoid" if sigmoid else "")
    circuit = spec.circuit()
    for age, income, home in ((18, 0, "rents"), (90, 200_000, "owns"), (41, 81_234.5, "owns"), (64, 12_000, "rents")):
        expected = 0.3 * age + income / 4_000 + 5 * (home == "owns") - 40
        if sigmoid:
            expected = 1 / (1 + np.exp(-expected))
        score = circuit.score(spec.encode({"age": age, "income": income, "home": home}))
        assert spec.value(score, circuit.score_unit) == pytest.approx(expected, abs=0.1)
    assert spec.card["off"] == 0 and spec.card["rows"] == 1_000
    assert len(circuit.circuit.program.ops) == 2, "a layer and its bias"


def test_a_schema_says_what_the_features_are(tmp_path: Path) -> None:
    expected = (
        ClaimFeature("age", 18, 90, whole=True),
        ClaimFeature("income", 0, 200_000),
        ClaimFeature("home", categories=("rents", "owns")),
    )
    assert features_of(SCHEMA) == expected
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    assert features_of(tmp_path / "schema.json") == expected
    # A model that was saved is the same model again, with its scale.
    spec = own(points())
    spec.save(tmp_path)
    assert ModelSpec.load(tmp_path / "points.json") == spec
    for scale in (0, 25, "8", True):
        document = json.loads((tmp_path / "points.json").read_text()) | {"param_scale": scale}
        (tmp_path / "points.json").write_text(json.dumps(document))
        with pytest.raises(ModelError, match="a scale of"):
            ModelSpec.load(tmp_path / "points.json")
    with pytest.raises(DataError, match="age is not a whole number") as refused:
        spec.encode({"age": 41.5, "income": 0, "home": "owns"})
    assert "41.5" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "array"}, "is not .*object"),
        ({"properties": {}}, "has no properties"),
        ({"required": ["age"]}, "require all of its properties"),
        ({"additionalProperties": True}, "allows additional properties"),
        ({"minProperties": 1}, "'minProperties', which would not be enforced"),
        ({"properties": {"age": AGE | {"multipleOf": 2}}}, "'age' has 'multipleOf', which would not be enforced"),
        ({"properties": {"age": {"type": "integer"}}}, "'age': it needs a minimum and a maximum"),
        ({"properties": {"age": AGE | {"minimum": 90}}}, "'age': it needs a minimum and a maximum"),
        ({"properties": {"age": AGE | {"minimum": True}}}, "'age': it needs a minimum and a maximum"),
        ({"properties": {"age": AGE | {"minimum": float("-inf")}}}, "'age': it needs a minimum and a maximum"),
        ({"properties": {"age": AGE | {"maximum": 10**400}}}, "'age': it needs a minimum and a maximum"),
        ({"properties": {"age": AGE | {"minimum": 0.5}}}, "whole numbers"),
        ({"properties": {"age": {"type": "boolean"}}}, "'age': its type is"),
        ({"properties": {"age": {"enum": [1, 2]}}}, "'age': an enum is a list of two or more different texts"),
        ({"properties": {"age": {"enum": ["a", "a"]}}}, "'age': an enum is a list"),
        ({"properties": {"age": 5}}, "'age' is not a schema"),
    ],
)
def test_schemas_that_are_none(change: dict[str, Any], says: str) -> None:
    changed = SCHEMA | ({"required": list(change["properties"])} if change.get("properties") else {}) | change
    with pytest.raises(DataError, match=says):
        features_of(changed)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    for name, says in (("none.json", "can't be read"), ("bad.json", "is not JSON")):
        with pytest.raises(DataError, match=says):
            features_of(tmp_path / name)
    with pytest.raises(ModelError, match="Export it first"):
        oracle.claim_model("points", tmp_path / "model.pkl", SCHEMA)


def test_models_that_can_not_be_claimed() -> None:
    constants = [weights("w", np.ones((WIDTH, 1))), weights("v", np.ones((WIDTH, 2)))]
    two = model([node("MatMul", ["x", "w"], "a"), node("MatMul", ["x", "v"], "b")], ["N", WIDTH], constants, ["a", "b"])
    with pytest.raises(ModelError, match=r"has the outputs a, b: say which one .*output="):
        own(two)
    with pytest.raises(ModelError, match="no output 'c', only a, b"):
        own(two, output="c")
    assert own(two, output="a").circuit().model.outputs == 1
    assert own(two, output="b", classes=("no", "yes")).classes == ("no", "yes")
    with pytest.raises(ModelError, match="has 2 outputs, and 0 names"):
        own(two, output="b")
    narrow = model([node("MatMul", ["x", "w"])], ["N", 3], [weights("w", np.ones((3, 1)))])
    with pytest.raises(ModelError, match=r"one row of floats \[N, 4\]"):
        own(narrow)
    softmax = model([node("MatMul", ["x", "v"], "s"), node("Softmax", ["s"])], ["N", WIDTH], constants[1:])
    with pytest.raises(ModelError, match="name the classes"):
        own(softmax)
    assert own(softmax, classes=("no", "yes")).activation == ""
    # The advice is that of Python.
    layers = [node("MatMul", ["x", "w"], "h"), node("Exp", ["h"], "e"), node("Mul", ["e", "h"])]
    with pytest.raises(ModelError, match=r"or add approximate=True$"):
        own(model(layers, ["N", WIDTH], constants[:1]))


def test_a_model_is_a_file_bytes_or_an_export(tmp_path: Path) -> None:
    data = points()
    (tmp_path / "points.onnx").write_bytes(data)
    specs = [
        oracle.claim_model("points", each, SCHEMA)
        for each in (ExportedModel("points", data), data, tmp_path / "points.onnx", str(tmp_path / "points.onnx"))
    ]
    assert len({spec.onnx for spec in specs}) == 1
    with pytest.raises(ModelError, match=r"a builtins\.object is no ONNX model: .*oracle\.from_sklearn"):
        oracle.claim_model("points", object(), SCHEMA)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"a builtins\.object is no ONNX model"):
        oracle.build_model(object(), np.zeros((2, 4)))  # type: ignore[arg-type]


def test_weights_that_no_scale_holds_are_refused() -> None:
    """Weights of very different sizes behind a layer: the small ones would be lost, and the model another one."""
    layers = [node("MatMul", ["x", "w"], "h"), node("Relu", ["h"], "r"), node("MatMul", ["r", "v"])]
    tiny = model(layers, ["N", WIDTH], [weights("w", np.full((WIDTH, 2), 1.0)), weights("v", [[3e-8], [-1e-8]])])
    with pytest.raises(ModelError, match="the integers differ from the float model"):
        own(tiny)


def test_joining_changes_no_output() -> None:
    """The weights of the joined layer are those that a layer without a scaler has."""
    plain, scaled = (lower(read_model(points(scaler=scaler)))[0] for scaler in (False, True))
    assert plain is not None and scaled is not None
    assert join_first_layer(plain) is plain
    joined = join_first_layer(scaled)
    assert [op.kind for op in joined.ops] == [op.kind for op in plain.ops] == ["MatMul", "Add"]
    for mine, others in zip(joined.ops, plain.ops, strict=True):
        assert np.allclose(joined.constants[mine.inputs[1]], plain.constants[others.inputs[1]], rtol=1e-6)
    # A value that is used again is no scaler's alone.
    twice = [node("Mul", ["x", "c"], "d"), node("Mul", ["d", "d"], "s"), node("MatMul", ["s", "w"])]
    program, _ = lower(read_model(model(twice, ["N", 2], [weights("c", [[3, 4]]), weights("w", [[1], [1]])])))
    assert program is not None
    assert join_first_layer(program) is program
