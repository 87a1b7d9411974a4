"""Tests of the claims service's documents: they are strict, and no error repeats what is private."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oracle.claims import AtLeast, AtMost, Between, ChangeBetween, Equals, ModelSpec, OneOf
from oracle.claims.constraints import Constraints
from oracle.claims.importing import features_of
from oracle.claims.service.documents import ClaimRequest, ConstraintDocument, ModelsDocument, read_document, schema_of
from oracle.core.errors import DataError
from tests.claim_models import QUARTERS, centroids

SECRET = 771_823_645
GOOD: dict[str, Any] = {
    "model": "credit",
    "inputs": {"amount": SECRET, "home": "rents", "share": 0.5},
    "salt": [1, 2, (1 << 48) - 1],
    "constraint": {"at_least": 0.5},
    "subject": "0x" + "ab" * 20,
}


def test_a_request_is_what_it_says() -> None:
    found = read_document(ClaimRequest, GOOD)
    assert (found.inputs, found.salt_limbs()) == (GOOD["inputs"], (1, 2, (1 << 48) - 1))
    assert str(SECRET) not in repr(found) and str(1 << 48) not in repr(found)


@pytest.mark.attack
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": {"amount": [SECRET]}}, "inputs: "),
        ({"inputs": {"amount": {"is": SECRET}}}, "inputs: "),
        ({"inputs": {"amount": True}}, "inputs: "),
        ({"inputs": {"amount": None}}, "inputs: "),
        ({"inputs": {f"{SECRET}": "x" * 1_001}}, "inputs: "),
        ({"inputs": [SECRET]}, "inputs: "),
        ({"inputs": {f"x{at}": 0 for at in range(4_097)}}, "inputs: "),
        ({"salt": [SECRET, 2]}, "salt: "),
        ({"salt": [SECRET, 2, 1 << 48]}, "salt.2: "),
        ({"salt": [SECRET, 2, -1]}, "salt.2: "),
        ({"salt": [0, 0, 0]}, "salt: Value error, its numbers are all the same: draw each at random"),
        ({"salt": [SECRET, 2, 3.0]}, "salt.2: "),
        ({"salt": None}, "salt: "),
        ({"constraint": {"classes": []}}, "constraint.classes: "),
        ({"constraint": {"change": [0.5]}}, "constraint.change: "),
        ({"constraint": {"outputs": {"a": {"outputs": {}}}}}, "constraint.outputs.a.outputs: Extra"),
        ({"earlier": {"inputs": {f"{SECRET}": [1]}, "salt": [1, 2, 3]}}, "earlier.inputs: "),
        ({"earlier": {"inputs": {}, "salt": [SECRET]}}, "earlier.salt: "),
        ({"constraint": {"at_least": f"{SECRET}"}}, "constraint.at_least: "),
        ({"expires_at": 1 << 40}, "expires_at: "),
        ({"attestation": f"{SECRET}"}, "attestation: "),
        ({"subject": 5}, "subject: "),
        ({"model": SECRET}, "model: "),
        ({"weights": SECRET}, "weights: Extra inputs are not permitted"),
    ],
)
def test_a_request_of_another_form_is_refused_without_a_word_of_its_content(change: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError) as refused:
        read_document(ClaimRequest, GOOD | change)
    assert told in str(refused.value)
    assert str(SECRET) not in str(refused.value) and refused.value.__cause__ is None


@pytest.mark.parametrize("missing", ["model", "inputs", "salt", "constraint"])
def test_nothing_is_filled_in(missing: str) -> None:
    """A salt above all: the service would have to give it back."""
    with pytest.raises(DataError, match=f"{missing}: Field required"):
        read_document(ClaimRequest, {name: value for name, value in GOOD.items() if name != missing})


@pytest.mark.parametrize(
    "constraints",
    [
        Between(0.1, 0.5),
        AtLeast(-3),
        AtMost(7.25),
        (AtLeast(1), ChangeBetween(-5, 5)),
        {"a": AtLeast(1), "b": (ChangeBetween(0, 2.5))},
    ],
)
def test_constraints_travel_as_they_are(constraints: Constraints) -> None:
    document = ConstraintDocument.of(constraints).model_dump(exclude_none=True)
    assert read_document(ConstraintDocument, document).constraints(ModelSpec.packaged("credit")) == constraints


def test_classes_are_told_by_name_or_number() -> None:
    spec = centroids()
    for constraint in (Equals(2), OneOf((1, 2))):
        assert ConstraintDocument.of(constraint).constraints(spec) == constraint
    assert ConstraintDocument(classes=["high"]).constraints(spec) == Equals(QUARTERS.index("high"))
    with pytest.raises(DataError, match="there is no class 'tall'"):
        ConstraintDocument(classes=["tall"]).constraints(spec)
    documents: tuple[dict[str, Any], ...] = ({}, {"at_least": 0.5, "classes": ["low"]}, {"outputs": {"a": {}}})
    for document in documents:
        with pytest.raises(DataError):
            read_document(ConstraintDocument, document).constraints(spec)


@pytest.mark.parametrize("name", ["credit", "identity", "fair-play"])
def test_the_schema_of_features_is_one_of_which_they_are_made(name: str) -> None:
    features = ModelSpec.packaged(name).features
    assert features_of(schema_of(features)) == features
    whole = (replace(features[0], name="whole", categories=(), low=1.0, high=5.0, whole=True),)
    assert features_of(schema_of(whole)) == whole


@pytest.mark.parametrize("value", [None, [], 5, "text"])
def test_a_document_is_an_object(value: Any) -> None:
    with pytest.raises(DataError, match="not a JSON object"):
        read_document(ModelsDocument, value)
