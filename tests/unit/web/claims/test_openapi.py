"""Tests of the OpenAPI document of the claims service, and of its page."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest

from oracle.claims import ModelSpec
from oracle.claims.service.documents import ModelDocument, ModelsDocument, schema_of
from oracle.web.claims.openapi import PAGE_POLICY, openapi_document, openapi_page
from oracle.web.claims.operations import OPERATIONS

HOSTILE = "<script>alert('x')</script>"


def model(name: str) -> ModelDocument:
    features = ModelSpec.packaged("credit").features
    return ModelDocument(
        name=name,
        model_id="0x1",
        model_hash="0x2",
        classes=[HOSTILE],
        outputs=[],
        changes=False,
        is_probability=True,
        inputs=schema_of(features),
    )


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi_document(ModelsDocument(models=[model("credit")]))


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return found + [each for item in value.values() for each in references(item)]
    return [each for item in value for each in references(item)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert len(found) > 15
    for each in found:
        at: Any = document
        for part in each.removeprefix("#/").split("/"):
            at = at[part]
    assert "inputs.credit" in document["components"]["schemas"]


def test_every_operation_is_told_with_its_answers(document: dict[str, Any]) -> None:
    for each in OPERATIONS:
        told = document["paths"][each.path][each.method.lower()]
        assert set(told["responses"]) == {str(status) for status in each.answers}
        named = {parameter["name"] for parameter in told.get("parameters", [])}
        assert named == set(re.findall(r"\{(\w+)\}", each.path))
        assert ("requestBody" in told) == (each.method == "POST")
    names = [each.name for each in OPERATIONS]
    assert len(set(names)) == len(names)
    assert document["paths"]["/v1/claims"]["post"]["security"] == [{"bearer": []}, {}]


def test_private_parts_are_described_and_have_no_example(document: dict[str, Any]) -> None:
    request = document["components"]["schemas"]["ClaimRequest"]
    assert set(request["required"]) == {"model", "inputs", "salt", "constraint"}
    assert request["additionalProperties"] is False
    assert "The service never draws one" in request["properties"]["salt"]["description"]
    assert "example" not in str(document)


@pytest.mark.attack
def test_a_page_of_hostile_names_runs_nothing() -> None:
    page = openapi_page(openapi_document(ModelsDocument(models=[model(HOSTILE)])))
    assert "<script" not in page and "&lt;script" not in page.split("<style>")[0]
    assert "unsafe" not in PAGE_POLICY and PAGE_POLICY.startswith("default-src 'none'")
    style = page.split("<style>")[1].split("</style>")[0].encode()
    assert base64.b64encode(hashlib.sha256(style).digest()).decode() in PAGE_POLICY
    assert re.findall(r"(?:src|href)=\"([^\"#][^\"]*)\"", page) == ["openapi.json"], "it loads nothing"


def test_the_page_has_every_operation_and_document(document: dict[str, Any]) -> None:
    page = openapi_page(document)
    for each in OPERATIONS:
        assert f"<code>{each.method} {each.path}</code>" in page
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page
