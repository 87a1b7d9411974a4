"""What the benchmark computes and writes, without a proof."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from oracle import bench
from oracle.bench import batched, circuits, estimates, zoo
from oracle.config import load
from oracle.core.errors import ConfigError, Fatal
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry, StageName
from oracle.proving.tuning import Rule, Verdict, flips
from scripts import bench_tables

COST = {"rows": 100, "k": 7, "proof_bytes": 1_856, "gas": 400_000, "seconds": 0.05, "memory": 40_000_000}


def case(**more: Any) -> dict[str, Any]:
    measured = {
        "k": 7,
        "rows": 100,
        "prove_s": 0.09,
        "total_s": 0.1,
        "prove_s_all": [0.09],
        "verify_gas": 400_000,
        "gas": 400_000,
        "proof_bytes": 1_856,
        "rss_mb": 40.0,
        "setup_s": 3.0,
        "flips_per_10k": 0.0,
        "flips_samples": 10_000,
        "unprovable_per_10k": 0.0,
        "refused": [],
    }
    return measured | more


@pytest.fixture
def report() -> dict[str, Any]:
    """Of two models; the second of ours took twice as long, and twice the gas, as its estimate says."""
    estimated = {"graph": COST | {"rows": 110}, "settings": COST}
    run_args = {
        "input_scale": 13,
        "param_scale": 13,
        "scale_rebase_multiplier": 1,
        "decomp_base": 16_384,
        "decomp_legs": 2,
        "num_inner_cols": 2,
    }
    chosen = {"input_scale": 11, "param_scale": 10, "base": 128, "legs": 4, "columns": 2, "k": 9}
    return {
        "measured_at": "2026-01-02T03:04:05+00:00",
        "repeat": 3,
        "seconds": 600,
        "machine": {"cpu": "A", "cores": 2, "memory_gb": 8, "system": "Linux", "load_before": 0.1},
        "versions": {"python": "3.11", "ezkl": "23.0.5", "anvil": "1", "solc": "0.8.20", "commit": "abc"},
        "cli_help_s": 0.2,
        "quadratic-public-b1": case(estimated=copy.deepcopy(estimated), default_over_prove=60.0),
        "tuned-cnn": case(
            estimated=copy.deepcopy(estimated), settings=chosen, total_s=0.2, verify_gas=800_000, default_over_prove=4.5
        ),
        "ezkl-default-cnn": case(
            k=15, run_args=run_args, flips_per_10k=30.0, flips_samples=1_000, unprovable_per_10k=10.0
        ),
        "throughput-private-b16": {
            "proofs_per_s": 2.5,
            "windows_per_s": 40.0,
            "processes": 2,
            "rss_mb": 90.0,
            "proofs": 25,
            "seconds": 10.0,
        },
        "claim-credit": {
            "inputs": 18,
            "weights": 18,
            "k": 11,
            "prove_s": 0.5,
            "claim_s": 2.25,
            "gas": 700_000,
            "verify_gas": 600_000,
            "proof_bytes": 3_000,
            "rss_mb": 70.0,
            "verify_s": 0.02,
            "setup_s": 5.0,
        },
    }


def test_errors_of_the_estimates(report: dict[str, Any]) -> None:
    estimates.compare(report)
    # One of two took 2 times its estimate, the other 4 times: the machine's factor is 3.
    assert report["estimator"]["machine_factor"] == 3
    errors = report["tuned-cnn"]["estimate_error"]
    assert errors["settings"] == {
        "k": 0,
        "rows": 0,
        "proof_bytes": 0,
        "gas": -0.5,
        "memory": 0,
        "seconds": pytest.approx(-0.25),
    }
    assert errors["graph"]["rows"] == pytest.approx(0.1)
    assert report["estimator"]["settings"]["gas"] == {"max": 0.5, "median": 0.25, "of": "tuned-cnn"}
    without: dict[str, Any] = {"quadratic-verdict-b1": case()}
    estimates.compare(without)
    assert "estimator" not in without


def test_tables_are_written_between_their_markers(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    estimates.compare(report)
    document, source = tmp_path / "doc.md", tmp_path / "bench.json"
    source.write_text(json.dumps(report))
    marked = "".join(f"<!-- bench:{name} -->\nold\n<!-- /bench:{name} -->\n\n" for name in bench_tables.TABLES)
    document.write_text(f"# Title\n\n{marked}The end.\n")
    assert bench_tables.main([str(source), str(document)]) == 0
    text = document.read_text()
    assert "old" not in text and text.startswith("# Title\n\n") and text.endswith("The end.\n")
    proving = text.split("<!-- bench:proving -->\n")[1].split("\n<!-- /")[0].splitlines()
    # Ours of a model, then ezkl's of it.
    assert [line.split("`")[1] for line in proving[2:]] == ["quadratic-public-b1", "tuned-cnn", "ezkl-default-cnn"]
    assert "| 1/4.5 |" in proving[3] and proving[4].endswith("| 30 (of 1,000); 10 without a proof |")
    assert {line.count("|") for line in proving} == {10}
    assert "| `throughput-private-b16` | 2.5 | 40 | 2 | 90 MB each |" in text
    assert "| `tuned-cnn` | 100 | 7 | 11 | 10 | 4 of base 128 | 2 | no |" in text
    assert "| `tuned-cnn` | 7 7 | +10% | +0% | -50% | +0% | -25% |" in text
    assert "10 minutes. Nothing else was running." in text
    assert "| `claim-credit` | 18 | 18 | 11 | 0.500 s | 2.25 s | 700,000 | 600,000 | 3,000 B | 70 MB |" in text
    assert "ARGS=\"--cases 'claim-*' --repeat 3\"" in text
    # Again, and nothing changes.
    assert bench_tables.main([str(source), str(document)]) == 0 and document.read_text() == text
    # One table alone, of another run.
    marked = "<!-- bench:{0} -->\nold {0}\n<!-- /bench:{0} -->\n"
    document.write_text(marked.format("proving") + marked.format("private_claims"))
    assert bench_tables.main(["--table", "private_claims", str(source), str(document)]) == 0
    assert "old proving" in document.read_text() and "old private_claims" not in document.read_text()
    document.write_text(text)
    printed = bench.table(report)
    assert "4.5× less" in printed and "40.0 windows a second" in printed and "50% (25%)" in printed
    assert "700,000" in printed

    for wrong, why in (
        ("nothing", "has no line"),
        ("<!-- bench:x -->\n<!-- /bench:x -->", "no table 'x'"),
        ("<!-- bench:proving -->\n", "has no <!-- /bench:proving -->"),
    ):
        with pytest.raises(bench_tables.TablesError, match=why):
            bench_tables.fill(wrong, report)
    del report["estimator"]
    source.write_text(json.dumps(report))
    assert bench_tables.main([str(source), str(document)]) == 2
    assert "error: the report lacks 'estimator'" in capsys.readouterr().err
    assert document.read_text() == text


def entry(feed: int, round_id: int, at: float, gas: int, tx_hash: bytes) -> Entry:
    return Entry(
        f"{feed}@{round_id}", f"series-{feed}", b"", 1, round_id, StageName.CONFIRMED, 1, at, Outcome.ACCEPTED, "",
        at + 1, round_id, (), 0.1, tx_hash, 1, gas,
    )  # fmt: skip


def test_feeds_that_share_a_proof_are_held_against_those_that_do_not() -> None:
    first = [entry(feed, 1, 0, 900, b"first") for feed in range(4)]  # on cold storage, and not counted
    together = [entry(feed, at, at, 200, bytes([at])) for at in (4, 5) for feed in range(4)]
    assert batched._figures([*first, *together]) == {
        "observations_per_s": 4.0, "gas_per_feed": 200, "feeds_per_transaction": 4.0,
    }  # fmt: skip
    with pytest.raises(Fatal, match="no report on a warm feed"):
        batched._figures(first)


async def test_the_daemons_of_the_batched_case_are_configured_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(folder: Path, size: int, *more: Any) -> dict[str, Any]:
        chain: Any = SimpleNamespace(rpc_url="http://127.0.0.1:1", chain_id=31337)
        (folder / "oracle.toml").write_text(batched._config(chain, size))
        config = load(folder / "oracle.toml", {})
        assert len(config.feeds) == 4 and config.prover.batch_sizes == ((1, 4) if size == 4 else (1,))
        return {"observations_per_s": float(size), "gas_per_feed": 400 // size, "feeds_per_transaction": float(size)}

    monkeypatch.setattr(batched, "_measure", measure)
    found = await batched.run(tmp_path, [], lambda path, config: None, lambda line: None)
    assert (found["rate_over_singly"], found["singly_gas_over_gas"]) == (4.0, 4.0)


def test_cases_are_named_or_matched() -> None:
    assert bench.matching(["tuned-mlp"]) == ["tuned-mlp"]
    assert bench.matching(["throughput-*, tuned-mlp*"]) == ["tuned-mlp", *bench.THROUGHPUT]
    assert bench.matching(["*"]) == list(bench.CASES)
    with pytest.raises(ConfigError, match=r"--cases tuned-x matches none of: quadratic-private-b1, "):
        bench.matching(["tuned-mlp,tuned-x"])


def test_each_of_ours_is_beside_one_of_ezkls() -> None:
    assert set(bench.BESIDE) == {*bench.QUADRATIC, *bench.TUNED} - {"quadratic-private-b4", "quadratic-public-b4"}
    assert set(bench.BESIDE.values()) == set(bench.DEFAULTS)
    assert all(bench.GROUPS[ours] == bench.GROUPS[theirs] for ours, theirs in bench.BESIDE.items())
    assert list(circuits.MODELS) == list(zoo.BENCHED)


def test_verdicts_that_flip() -> None:
    computed, expected = np.array([[0.1], [-0.1], [0.5]]), np.array([[0.2], [0.1], [0.4]])
    assert flips(Verdict(Rule.THRESHOLD), computed, expected).tolist() == [False, True, False]
    assert flips(Verdict(Rule.THRESHOLD, 0.45), computed, expected).tolist() == [False, False, True]
    assert flips(Verdict(Rule.TOLERANCE, 0.15), computed, expected).tolist() == [False, True, False]
    both = np.hstack([computed, 1 - computed])
    assert flips(Verdict(Rule.ARGMAX), both, both[:, ::-1]).tolist() == [True, True, False]


def test_samples_that_are_held_out_are_new() -> None:
    """The model is fitted to the first samples, whatever comes after them."""
    data, samples = zoo.linear(4, 50)
    more, further = zoo.linear(4, 50, 30)
    assert data == more and (further[:50] == samples).all() and len(further) == 80
    assert zoo.autoencoder(8, 3, None, 100, 22)[1].shape == (132, 8)
