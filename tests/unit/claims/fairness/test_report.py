"""Tests of audits as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.claims.fairness import FairnessAudit
from oracle.core.errors import DataError
from oracle.proving.batches import ProvenBatch


def audit() -> FairnessAudit:
    batch = ProvenBatch(((1,), (0,)), b"\x01\x02")
    return FairnessAudit("credit", 5, "a" * 64, "f" * 64, -3, 4, 256, (batch,))


def test_an_audit_is_the_same_after_a_file(tmp_path: Path) -> None:
    audit().save(tmp_path / "audit.json")
    assert FairnessAudit.load(tmp_path / "audit.json") == audit()


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text[:-20],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace("claim-audit-v1", "claim-audit-v0"),
        lambda text: text.replace("[1, 0]", "[1, 2]"),
        lambda text: text.replace("[1, 0]", "[true, 0]"),
        lambda text: text.replace("[1, 0]", "5"),
        lambda text: text.replace("0x0102", "0x010"),
        lambda text: text.replace('"lo": -3', '"lo": -3.5'),
        lambda text: text.replace('"lo": -3', f'"lo": {-(1 << 127)}'),
        lambda text: text.replace('"unit": 256', '"units": 256'),
    ],
)
def test_files_that_are_no_audit(tmp_path: Path, edit: Callable[[str], str]) -> None:
    path = tmp_path / "audit.json"
    audit().save(path)
    path.write_text(edit(path.read_text()))
    with pytest.raises(DataError, match=r"is not a valid audit|can't be read"):
        FairnessAudit.load(path)
