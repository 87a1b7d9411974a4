"""Models of one's own for claims: any ONNX model whose operators can be proven, and a JSON Schema of its features.

A model takes its features as it was trained on them, one column for each number, and a column of 0 and 1 for each
category. Claims encode a number as its place in its range; the graph that is registered turns it back first.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.claims.approximate import lowered
from oracle.claims.circuit import ClaimCircuit
from oracle.claims.measuring import nearest, scored_quantities
from oracle.claims.models import DRAWN, INPUT_SCALE, PARAM_SCALE, ClaimFeature, ModelSpec, drawn_rows
from oracle.claims.probabilities import free_name, join_two, margins_of, probability_of
from oracle.core.documents import parse_json
from oracle.core.errors import DataError, ModelError
from oracle.proving.exporting import ExportedModel, given, require_onnx
from oracle.proving.lowering.loading import read_file, read_model
from oracle.proving.lowering.program import told
from oracle.proving.tuning.float_model import float_outputs

SCALES = range(PARAM_SCALE, 21, 2)
"""Scales of the weights that are tried, the smallest first: small integers make fast circuits."""

EXACT_TOLERANCE = 0.001
"""The largest difference between integers and floats by default, as a share of the range of the outputs."""

BAND_TOLERANCE = 0.1
"""The widest guard band by default, as a share of the range of the outputs."""

MOST_OFF = 0.001
"""The share of the drawn rows on which the two may differ by more than the tolerance."""

_NOTES = {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated"}
"""Keywords of JSON Schema that restrict nothing."""

_FLOATS: dict[int, type[np.floating[Any]]] = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}


def features_of(schema: Mapping[str, Any] | Path | str) -> tuple[ClaimFeature, ...]:
    """Return the features that a JSON Schema describes, in the order of its properties.

    Each property is a number or an integer with a minimum and a maximum, or an enum of texts. A keyword that would not
    be enforced is refused.

    Args:
        schema: The schema, or a file with it.

    Raises:
        DataError: The file can't be read, or describes something else; the message names the property.
    """
    if isinstance(schema, str | Path):
        path = Path(schema)
        try:
            schema = parse_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}") from error
        except ValueError as error:
            raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise DataError('the schema of features is not {"type": "object", "properties": …}')
    _only(schema, {"type", "properties", "required", "additionalProperties"}, "the schema")
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise DataError("the schema has no properties: there is one for each feature, in the model's order")
    if sorted(map(str, schema.get("required", properties))) != sorted(properties):
        raise DataError("the schema has to require all of its properties: a model takes every feature")
    if schema.get("additionalProperties", False) is not False:
        raise DataError("the schema allows additional properties: a model takes none")
    return tuple(_feature(str(name), found) for name, found in properties.items())


def claim_model(
    name: str,
    model: ExportedModel | Path | str | bytes,
    schema: Mapping[str, Any] | Path | str,
    *,
    output: str | None = None,
    classes: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    changes: bool = False,
    approximate: bool = False,
    tolerance: float | None = None,
) -> ModelSpec:
    """Return a model of one's own for claims, ready for `ZkmlClient.register_model`.

    The weights get the smallest scale at which the integers give what the float model gives, on rows that are drawn
    from the features' ranges. The card says how far the two were apart. If `approximate` is true and there is no such
    exact model, functions are looked up, and claims keep a guard band away from their bounds; the card has it.

    Args:
        name: Letters, digits and hyphens.
        model: The ONNX file, its bytes, or what `from_sklearn` and `from_torch` return.
        schema: A JSON Schema of the features, or a file with it; see `features_of`.
        output: The output that claims are about, by name; None: the model has one, beside labels.
        classes: Names of the classes, if the claim is about the largest of several numbers in the output, or about an
            output that is a label. They are in the order of the numbers, or of the labels.
        names: Names of the numbers in the output, if claims are about some of several: of a classifier, the
            probabilities of its classes.
        changes: True if claims can be about how far an output has changed since earlier data.
        approximate: True if the model may be approximate. A model that can be exact is so all the same.
        tolerance: Of an exact model, the largest difference between integers and floats, as a share of the range of the
            outputs (default: 0.001). It may be larger on one row of a thousand. Of a model with classes, one row of a
            thousand may have another class. Of an approximate model, the widest guard band, as a share of the range;
            with classes, the share of rows of which no class can be claimed (default: 0.1).

    Raises:
        DataError: The schema describes no features.
        ModelError: The model can't be proven, takes other features, or no scale is within the tolerance.
    """
    features = features_of(schema)
    found = given(model, name)
    if isinstance(found, Path):
        require_onnx(found)
    proto = read_model(read_file(found) if isinstance(found, Path) else found.onnx, name)
    _keep_output(proto, output, name)
    join_two(proto)
    own = bytes(proto.SerializeToString(deterministic=True))
    program, problems = lowered(own, name, is_approximate=False)
    can_be_exact = program is not None
    if program is None and approximate:
        program, problems = lowered(own, name, is_approximate=True)
    if program is None:
        lines = "; ".join(told(problems)).replace("--approximate", "approximate=True")
        raise ModelError(f"{name} can't be proven as it is: {lines}")
    is_label = proto.graph.output[0].type.tensor_type.elem_type not in _FLOATS
    if is_label and (not classes or (program.labels and program.labels != classes)):
        which = f", which are {', '.join(program.labels)}" if program.labels else ""
        raise ModelError(f"{name}: its output is a label: name the classes in their order (classes=…){which}")
    activation = "" if classes else probability_of(proto, program, name)
    if not classes and program.outputs != (len(names) or 1):
        raise ModelError(
            f"{name} has {program.outputs} outputs, and {len(names)} names: name each (names=…) to claim bounds of "
            "some, or name the classes (classes=…) to claim which is the largest"
        )
    _take_places(proto, features, name)
    graph = bytes(proto.SerializeToString(deterministic=True))
    windows = drawn_rows(features)
    spans, lows = _ranges(features)
    samples = windows / float(1 << INPUT_SCALE) * spans + lows
    spec = ModelSpec(name, graph, features, activation, classes, outputs=names, changes=changes)
    reason = ""
    if can_be_exact:
        floats = float_outputs(own, samples[:DRAWN], program.labels)
        if is_label and not np.isin(floats, range(len(classes))).all():
            last = len(classes) - 1
            raise ModelError(f"{name}: its labels are not the numbers 0 to {last}: take the scores (output=…)")
        try:
            return _exact(spec, windows[:DRAWN], floats, EXACT_TOLERANCE if tolerance is None else tolerance)
        except ModelError as refusal:
            if not approximate:
                raise
            reason = f"{refusal}. Or, approximate: "
    try:
        return nearest(
            spec, scored_quantities(spec, own, samples), windows, BAND_TOLERANCE if tolerance is None else tolerance
        )
    except ModelError as refusal:
        raise ModelError(f"{reason}{refusal}") from refusal


def _exact(spec: ModelSpec, windows: np.ndarray, floats: np.ndarray, tolerance: float) -> ModelSpec:
    """Return the exact model with the smallest scale of its weights that is within the tolerance."""
    for scale in SCALES:
        found = replace(spec, param_scale=scale)
        card = _compared(found, found.circuit(), windows, floats, tolerance)
        if card["off"] <= MOST_OFF:
            return replace(found, card=card)
    raise ModelError(
        f"{spec.name}: with weights of {SCALES[-1]} bits, the integers differ from the float model by up to "
        f"{card['largest_difference']:.3g}, and on {card['off']:.1%} of {DRAWN:,} rows by more than the tolerance. "
        "Scale the features before the model, or allow more (tolerance=…)"
    )


def _only(found: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(map(str, found)) - known - _NOTES)
    if unknown:
        raise DataError(f"{where} has {', '.join(map(repr, unknown))}, which would not be enforced: leave it out")


def _feature(name: str, found: Any) -> ClaimFeature:
    if not isinstance(found, Mapping):
        raise DataError(f"property {name!r} is not a schema")
    where = f"property {name!r}"
    if "enum" in found:
        _only(found, {"enum", "type"}, where)
        values = found["enum"]
        texts = isinstance(values, list | tuple) and all(isinstance(each, str) for each in values)
        if not texts or found.get("type", "string") != "string" or len(set(values)) != len(values) or len(values) < 2:
            raise DataError(f"{where}: an enum is a list of two or more different texts")
        return ClaimFeature(name, categories=tuple(values))
    if found.get("type") not in ("number", "integer"):
        raise DataError(f"{where}: its type is a number or an integer, or it has an enum of texts")
    _only(found, {"type", "minimum", "maximum"}, where)
    low, high = (_number(found.get(each)) for each in ("minimum", "maximum"))
    if low is None or high is None or not low < high:
        raise DataError(f"{where}: it needs a minimum and a maximum, the range that the model was trained on")
    whole = found["type"] == "integer"
    if whole and not (low.is_integer() and high.is_integer()):
        raise DataError(f"{where}: minimum and maximum of an integer are whole numbers")
    return ClaimFeature(name, low, high, whole=whole)


def _number(value: Any) -> float | None:
    """Return a finite number as a float, or None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= sys.float_info.max else None


def _keep_output(proto: onnx.ModelProto, output: str | None, name: str) -> None:
    """Leave one output in a graph: the named one, or the only one that is not a label."""
    found = list(proto.graph.output)
    names = [str(each.name) for each in found]
    if output is None:
        scores = [each for each in found if each.type.tensor_type.elem_type in _FLOATS]
        kept = found if len(found) == 1 else scores
        if len(kept) != 1:
            raise ModelError(f"{name} has the outputs {', '.join(names)}: say which one claims are about (output=…)")
    else:
        kept = [each for each in found if each.name == output]
        if not kept:
            raise ModelError(f"{name} has no output {output!r}, only {', '.join(names)}")
    del proto.graph.output[:]
    proto.graph.output.append(kept[0])


def _take_places(proto: onnx.ModelProto, features: tuple[ClaimFeature, ...], name: str) -> None:
    """Let a graph take places in ranges: multiply them by the range and add its low end, before all else."""
    graph = proto.graph
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    width = sum(each.width for each in features)
    shape = list(inputs[0].type.tensor_type.shape.dim) if len(inputs) == 1 else []
    kind = int(inputs[0].type.tensor_type.elem_type) if inputs else 0
    if len(shape) != 2 or kind not in _FLOATS or shape[1].dim_value not in (0, width):
        raise ModelError(
            f"{name}: a model for claims takes one row of floats [N, {width}], as many as its features give: a column "
            "for each number, and for each category one"
        )
    span, low = (np.array([values], dtype=_FLOATS[kind]) for values in _ranges(features))
    taken = {each for node in graph.node for each in (*node.input, *node.output)} | constants
    place, spread, first, second = (free_name(each, taken) for each in ("places", "spread", "span", "low"))
    nodes = [
        helper.make_node("Mul", [place, first], [spread], name=spread),
        helper.make_node("Add", [spread, second], [inputs[0].name], name=inputs[0].name),
    ]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    graph.initializer.extend([numpy_helper.from_array(span, first), numpy_helper.from_array(low, second)])
    inputs[0].name = place


def _ranges(features: tuple[ClaimFeature, ...]) -> tuple[list[float], list[float]]:
    """Return range and low end of each column; a category's is 1 and 0."""
    spans: list[float] = []
    lows: list[float] = []
    for each in features:
        spans += [1.0] * each.width if each.categories else [each.high - each.low]
        lows += [0.0] * each.width if each.categories else [each.low]
    return spans, lows


def _compared(
    spec: ModelSpec, found: ClaimCircuit, windows: np.ndarray, floats: np.ndarray, tolerance: float
) -> dict[str, Any]:
    scores = np.asarray(found.model.circuit.evaluate(windows), dtype=object) / found.score_unit
    integers = scores.astype(float)
    if spec.classes:
        # A label is the class; of scores, the largest one is.
        classes = floats[:, 0] if floats.shape[1] == 1 else np.argmax(floats, axis=1)
        expected: np.ndarray = classes.astype(float)[:, None]
        allowed: Any = 0.5
    else:
        if spec.activation == "Sigmoid":
            integers = 1 / (1 + np.exp(-integers))
        expected = margins_of(floats) if spec.activation == "Softmax" else floats.astype(float)
        known = ~np.isnan(expected).any(axis=1)
        if not known.any():
            raise ModelError(f"{spec.name}: its probabilities are all 0 or 1, and can't be compared")
        integers, expected = integers[known], expected[known]
        allowed = tolerance * np.ptp(expected, axis=0)
    apart = np.abs(integers - expected)
    return {
        "rows": len(apart),
        "rows_from": "drawn from the features' ranges, as commitments round them",
        "largest_difference": float(apart.max()),
        "off": float((apart > allowed).any(axis=1).mean()),
    }
