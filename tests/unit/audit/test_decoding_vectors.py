"""The auditor's reader on hostile calldata, against the verdicts of solc's decoder that are kept in tests/vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oracle.audit.calldata import read_submission
from tests.attack.hostile_calldata import calls, fields_of, verdicts


def read(data: bytes) -> dict[str, Any] | None:
    try:
        return fields_of(read_submission(data))
    except ValueError:
        return None


def test_the_reader_reads_what_solidity_read(project_root: Path) -> None:
    kept = json.loads((project_root / "tests/vectors/decoding.json").read_text())
    tried = list(calls(int(kept["count"])))
    found = [read(data) for _, data in tried]
    bits = int(kept["read"], 16)
    others = [way for number, (way, _) in enumerate(tried) if (found[number] is not None) != bool(bits >> number & 1)]
    assert others == []
    assert 200 < sum(each is not None for each in found) < 800
    assert verdicts(found) == kept
