"""Tests of `make network`: the command that it keeps with each part, and the tables that it writes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from oracle.bench.network.collusion import collusion
from oracle.bench.network.tables import TABLES
from scripts import network
from scripts.bench_tables import TablesError


def test_a_part_keeps_the_command_that_measures_it_again() -> None:
    usual = network._parser().parse_args([])
    assert network._command(usual, "gas") == 'make network ARGS="--only gas"'
    assert network._command(usual, "soak") == 'make network ARGS="--soak 2000"'
    given = network._parser().parse_args(["--members", "4", "7", "--rounds", "5", "--seed", "3"])
    assert network._command(given, "rounds") == 'make network ARGS="--only rounds --members 4 7 --rounds 5 --seed 3"'


def test_tables_are_written_where_their_markers_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.bench.network.run.collusion", partial(collusion, rounds=200))
    report = tmp_path / "network.json"
    assert network.main(["--only", "collusion", "--out", str(report)]) == 0
    for name in network.DOCUMENTS:
        (tmp_path / name).write_text(f"{name}\n<!-- network:collusion -->\nold\n<!-- /network:collusion -->\nend\n")
    assert network.main(["--tables", str(tmp_path), "--out", str(report)]) == 0
    for name in network.DOCUMENTS:
        text = (tmp_path / name).read_text()
        assert "| 31, 21 | 10 |" in text and "old" not in text and text.endswith("end\n")
        assert '`make network ARGS="--only collusion"`' in text


def test_a_table_whose_part_was_not_measured_stays(tmp_path: Path) -> None:
    report = tmp_path / "network.json"
    report.write_text("{}")
    text = "<!-- network:soak -->\nas it was\n<!-- /network:soak -->\n"
    for name in network.DOCUMENTS:
        (tmp_path / name).write_text(text)
    network.write_tables(report, tmp_path)
    assert (tmp_path / "reliability.md").read_text() == text


def test_a_document_without_markers_is_named(tmp_path: Path) -> None:
    report = tmp_path / "network.json"
    report.write_text(json.dumps({"gas": {}}))
    for name in network.DOCUMENTS:
        (tmp_path / name).write_text("nothing\n")
    with pytest.raises(TablesError, match=r"network\.md has no line <!-- network:NAME -->"):
        network.write_tables(report, tmp_path)


def test_every_table_has_a_place_in_the_documents(project_root: Path) -> None:
    text = "".join((project_root / "docs" / name).read_text(encoding="utf-8") for name in network.DOCUMENTS)
    for name in TABLES:
        assert text.count(f"<!-- network:{name} -->") == 1, name
