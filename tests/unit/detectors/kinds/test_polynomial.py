"""Tests of the polynomial detector: wrong model files and wrong outputs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Linear, Output, Sum
from tests.fitted_detectors import fitted, load

ONE = 1 << 20


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "cubic-v1"}, "format 'cubic-v1' is none of imported-v1, polynomial-v1, quadratic-v1"),
        ({"format": 5}, "none of"),
        ({"features": 2}, "from 3 to 16"),
        ({"features": 17}, "from 3 to 16"),
        ({"features": "x"}, "not an integer"),
        ({"spread": 1}, "true or false"),
        ({"param_scale": 31}, "param_scale"),
        ({"outputs": []}, "1 to 8"),
        ({"outputs": {}}, "list"),
        ({"outputs": [{}]}, "missing key"),
        ({"training": []}, "object"),
        ({"name": "Ä"}, "lower-case"),
    ],
)
def test_wrong_model_files_are_refused(change: dict[str, Any], says: str) -> None:
    document = json.loads(fitted("cap").to_json())
    with pytest.raises(DataError, match=says):
        load(json.dumps({**document, **change}), Disclosure.SCORE)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Output("a", (), ONE), "measures nothing"),
        (Output("A", (Sum(0, 1),), ONE), "lower-case"),
        (Output("a", (Sum(0, 4),), ONE), "not among the 3"),
        (Output("a", (Sum(1, 1),), ONE), "not among"),
        (Output("a", (Linear((1, 2)),), ONE), "2 weights in a form of 3"),
        (Output("a", (Linear((0, 0, 0)),), ONE), "are 0"),
        (Output("a", (Sum(0, 1),), 0), "at least 1"),
        (Output("a", (Sum(0, 1),), (1 << 24) + 1), "24 bits"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (1, 2)),)), "2 weights for the values 0 to 2"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (1, 2, 3), summed=True),)), "3 weights"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (-1,)),)), "at least 0"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (0,)),)), "leave it out"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (ONE,)),)), "equal"),
        (Output("a", (Sum(0, 1),), 1 << 112), "bits"),
    ],
)
def test_wrong_gates_are_refused(gate: Output, says: str) -> None:
    with pytest.raises(DataError, match=says):
        PolynomialModel("m", 4, (gate,))
