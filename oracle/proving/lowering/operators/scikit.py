"""Linear models and scalers, as skl2onnx writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import UNKNOWN, OperatorRefused, ProgramBuilder, Var
from oracle.proving.lowering.operators.choosing import labels
from oracle.proving.lowering.operators.linear import matmul
from oracle.proving.lowering.table import handles


@handles("Scaler")
def _scaler(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = arguments[0]
    if attributes.get("offset"):
        value = builder.binary("Sub", value, np.array(attributes["offset"], dtype=float).reshape(1, -1))
    return builder.binary("Mul", value, np.array(attributes.get("scale", [1.0]), dtype=float).reshape(1, -1))


@handles("LinearRegressor", "LinearClassifier")
def _linear(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    note_transform(builder, attributes)
    classifier = "targets" not in attributes and any(name.startswith("classlabels") for name in attributes)
    coefficients = np.array(attributes["coefficients"], dtype=float).reshape(-1, arguments[0].shape[-1])
    result = matmul(builder, [arguments[0], coefficients.T], {})
    if attributes.get("intercepts"):
        result = builder.binary("Add", result, np.array(attributes["intercepts"], dtype=float).reshape(1, -1))
    names = attributes.get("classlabels_ints") or attributes.get("classlabels_strings") or ()
    if classifier and len(names) == 2 and result.shape[1] == 1:
        result = two_classes(builder, result, probability=False)
    return [label_of(builder, result, names), result] if classifier else result


def label_of(builder: ProgramBuilder, scores: Var, names: Sequence[Any]) -> Any:
    """Return a classifier's first output, the label of the largest score; unknown if its labels are not told."""
    if len(names) != scores.shape[-1] or len(names) < 2:
        return UNKNOWN
    return labels(builder, scores, names)


def note_transform(builder: ProgramBuilder, attributes: dict[str, Any]) -> None:
    """Note that a transform of the scores is left off; refuse transforms that change which score is the largest."""
    transform = attributes.get("post_transform", b"NONE").decode()
    if transform not in ("NONE", "LOGISTIC", "SOFTMAX"):
        raise OperatorRefused(f"its post_transform is {transform}", "export it with NONE")
    if transform != "NONE":
        builder.order_only = f"the {transform} of {builder.node} is left off"


def two_classes(builder: ProgramBuilder, score: Var, *, probability: bool) -> Var:
    """Return the scores of two classes, for a model that computes only the second class's score."""
    if not builder.order_only:
        if not probability:
            raise OperatorRefused("it has one score for two classes, and no post_transform", "export it with LOGISTIC")
        first = builder.binary("Sub", np.ones(1), score)
        return builder.emit("Concat", first, score, shape=(1, 2), axis=1)
    zero = builder.binary("Sub", score, score)
    opposite = builder.binary("Sub", zero, score)
    return builder.emit("Concat", opposite, score, shape=(1, 2), axis=1)
