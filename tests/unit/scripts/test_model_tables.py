"""Tests that what became of a folder of models is written into documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import model_tables


@pytest.fixture
def report() -> dict[str, Any]:
    exact: dict[str, Any] = {
        "k": 6,
        "prove_s": 0.5,
        "build_s": 2.0,
        "build_cpu_s": 3.0,
        "memory_mb": 50.0,
        "proof_bytes": 1856,
    }
    exact |= {"error": 0.1, "limit": 0.2, "rule": "tolerance"}
    rows = {
        "a": {"name": "a", "result": "exact", "why": "", **exact},
        "b": {"name": "b", "result": "refused", "why": "node n (Foo): no"},
    }
    return {
        "measured_at": "2026-11-30T10:00:00+00:00",
        "seconds": 120,
        "machine": {"cpu": "AMD", "cores": 2, "memory_gb": 23.5, "load_before": 0.1},
        "versions": {"python": "3.11", "ezkl": "23.0.5", "commit": "abc"},
        "options": {"defaults": False, "prove": True, "seconds": 300.0, "memory": 8 << 30},
        "models": rows,
    }


def test_a_table_is_written_between_its_markers(tmp_path: Path, report: dict[str, Any]) -> None:
    source, document = tmp_path / "r.json", tmp_path / "d.md"
    source.write_text(json.dumps(report))
    other = "<!-- models:peer -->\nkept\n<!-- /models:peer -->\n"
    document.write_text(f"# T\n{other}<!-- models:exports -->\nold\n<!-- /models:exports -->\nend\n")
    assert model_tables.main(["exports", str(source), str(document)]) == 0
    text = document.read_text()
    assert other in text and "old" not in text and text.endswith("<!-- /models:exports -->\nend\n")
    assert "- 2 models: 1 exact, 1 refused\n" in text and "| `b` | refused: node n (Foo): no |" in text
    assert "commit abc, 2026-11-30, `make bench-models --no-defaults`, 2 minutes; at most 300 s and 8 GiB" in text
    assert "Nothing else was running." in text
    report["machine"]["load_before"] = 4
    assert "too long" in model_tables.table(report, "x")


def test_a_report_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, document = tmp_path / "r.json", tmp_path / "d.md"
    source.write_text("{}")
    document.write_text("<!-- models:peer -->\n<!-- /models:peer -->\n")
    assert model_tables.main(["peer", str(source), str(document)]) == 2
    assert "the report lacks 'models'" in capsys.readouterr().err
    document.write_text("nothing")
    assert model_tables.main(["peer", str(source), str(document)]) == 2
