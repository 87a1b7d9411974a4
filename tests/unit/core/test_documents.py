"""Tests of JSON that people pass on: what is nested so deep that parsing it could end a process is not parsed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.claims.attestation import Attested
from oracle.claims.fairness.report import FairnessAudit
from oracle.claims.issuing import read_inputs
from oracle.claims.models import ModelSpec
from oracle.claims.proof import ClaimProof
from oracle.core.documents import DEEPEST, parse_json, read_json
from oracle.core.errors import DataError
from oracle.detectors import drift, registry
from oracle.detectors.cards.card import ProvenCard
from oracle.proving.samples import load as load_samples
from oracle.proving.split.proof import read_proof


def test_the_deepest_is_read_and_one_more_is_not() -> None:
    parse_json("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(ValueError, match="nested deeper"):
        parse_json("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


@pytest.mark.parametrize(
    "read",
    [
        read_json,
        ProvenCard.load,
        FairnessAudit.load,
        ClaimProof.load,
        Attested.load,
        ModelSpec.load,
        read_inputs,
        registry.load,
        drift.load_card,
        load_samples,
        read_proof,
    ],
)
def test_no_reader_parses_what_is_nested_too_deep(read: Callable[[Path], Any], tmp_path: Path) -> None:
    """Python's own parser would recurse: where a library raised the limit on recursion, it would end the process."""
    path = tmp_path / "deep.json"
    path.write_text('{"format": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(DataError) as told:
        read(path)
    assert "\n" not in str(told.value) and str(path) in str(told.value)
