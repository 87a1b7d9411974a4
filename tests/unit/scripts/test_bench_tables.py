"""Tests of the benchmark's tables in documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.bench import estimates
from scripts import bench_tables
from tests.benchmark_report import example_report


def test_tables_are_written_between_their_markers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = example_report()
    estimates.compare(report)
    document, source = tmp_path / "doc.md", tmp_path / "bench.json"
    source.write_text(json.dumps(report))
    summary = tmp_path / "summary.json"
    seen = {"recall": {"spike": {"3": 0.66}}, "cap_recall": {"spike": {"3": 0.014}}}
    summary.write_text(json.dumps({"sp500": {"peers": seen, "trees": {"recall": {"spike": {"3": 0.7}}}}}))
    arguments = ["--detectors", str(summary), str(source), str(document)]
    marked = "".join(f"<!-- bench:{name} -->\nold\n<!-- /bench:{name} -->\n\n" for name in bench_tables.TABLES)
    document.write_text(f"# Title\n\n{marked}The end.\n")
    assert bench_tables.main(arguments) == 0
    text = document.read_text()
    assert "old" not in text and text.startswith("# Title\n\n") and text.endswith("The end.\n")
    proving = text.split("<!-- bench:proving -->\n")[1].split("\n<!-- /")[0].splitlines()
    # Our row of a model comes first, then ezkl's.
    assert [line.split("`")[1] for line in proving[2:]] == [
        "default-private-b1", "default-public-b1", "ezkl-default-peers", "tuned-cnn", "ezkl-default-cnn",
    ]  # fmt: skip
    assert "| 1/4.5 |" in proving[5] and proving[6].endswith("| 30 (of 1,000); 10 without a proof |")
    assert {line.count("|") for line in proving} == {10}
    assert "| `tuned-cnn` | 3.0 s | 2.0 s | 12.0 s | 0.25 |" in text
    assert "| `split-public-million` | 1,012,352 | 4 GiB | 18, 17 | 10 min | 4.0 GB | 90 s | 100 s | 3.9 GB |" in text
    assert "| `throughput-default-private-b16` | 2.5 | 40 | 2 | 90 MB each |" in text
    assert "| `tuned-cnn` | 100 | 7 | 11 | 10 | 4 of base 128 | 2 | no |" in text
    assert "| `tuned-cnn` | 7 7 | +10% | +0% | -50% | +0% | -25% |" in text
    assert "| `onchain-quadratic` | – | 2,500 | 24,000 |\n| `groth16-quadratic` | 0.210 s | 300,000 | 330,000 |" in text
    assert (
        "| `submit-default-private-b16-q5` | 1,560,000 | 97,500 | 100,000 | 500,000 | 960,000 | 600,000 | 60,000 | – |"
        in text
    )
    assert "| 96,000: missed by 1,500 |" in text and "The hub has 22,000 bytes of code." in text
    assert "10 minutes. Nothing else was running." in text
    assert "proven faster than `ezkl-default-peers-verdict` | at least 18× | 17.5× | missed |" in text
    assert "proven faster than `groth16-peers` | at least 1.3× | 1.31× | met |" in text
    assert "over the quadratic's with scores | at least 1.3× | 1.25× | missed |" in text
    assert "| `submit-default-private-b1-q1`, gas per feed | at most 600,000 | 640,000 | missed |" in text
    assert "2 provers of one thread | p50 0.5 s, p95 0.7 s: 1.25 × the proof's own p50 |" in text
    assert "| where that goes, mean of each step | sign 10 ms, prove 450 ms, confirm 20 ms |" in text
    assert "| 160 MB (the daemon alone has 110 MB) |" in text
    assert "| `audit-default-public-b1-q1` | 2,000 | 2,000 | 400 | 401 | 402 | 403 | 404 | 500 |" in text
    assert "| storage written | 27,900 | 27,900 |" in text and "| **75,000** | **75,000** |" in text
    refused = "| `ezkl-default-peers` | 2 | too large for n 2 |\n| `ezkl-default-peers` | 2 | taken: `input_scale = 13`"
    assert refused in text
    assert "| `sp500`, 3 % | 1 % | 66 % | – | 70 % | – |" in text
    # The check's price, then the whole submission's.
    assert "| 20 boosted trees of depth 3, public | – | – | – | 18,750 | 3,450 | – |" in text
    assert "| the default, 6 weights, one peer, private | 600,000 | – | 37,500 | – | 900 | 280,000 |" in text
    assert "| 20 boosted trees of depth 3, public | – | – | – | 80,000 |\n" in text
    # 600,000 gas is the price of 30,000 weights at 20 gas each.
    assert "| 20.0 | 30,000 | 7,500 | 1,900 | 900 |" in text
    assert "| `claim-credit` | 18 | 18 | 11 | 0.500 s | 2.25 s | 700,000 | 600,000 | 3,000 B | 70 MB |" in text
    assert "ARGS=\"--cases 'claim-*' --repeat 3\"" in text
    # A second run changes nothing.
    assert bench_tables.main(arguments) == 0 and document.read_text() == text
    # Only one table, from another run.
    marked = "<!-- bench:{0} -->\nold {0}\n<!-- /bench:{0} -->\n"
    document.write_text(marked.format("proving") + marked.format("private_claims"))
    assert bench_tables.main(["--table", "private_claims", str(source), str(document)]) == 0
    assert "old proving" in document.read_text() and "old private_claims" not in document.read_text()
    document.write_text(text)
    for wrong, why in (
        ("nothing", "has no line"),
        ("<!-- bench:x -->\n<!-- /bench:x -->", "no table 'x'"),
        ("<!-- bench:proving -->\n", "has no <!-- /bench:proving -->"),
    ):
        with pytest.raises(bench_tables.TablesError, match=why):
            bench_tables.fill(wrong, report)
    assert bench_tables.main([str(source), str(document)]) == 2
    assert "error: the report lacks 'detectors'" in capsys.readouterr().err
    del report["estimator"]
    source.write_text(json.dumps(report))
    assert bench_tables.main([str(source), str(document)]) == 2
    assert "error: the report lacks 'estimator'" in capsys.readouterr().err
    assert document.read_text() == text
