"""Tests of the demonstration as a short command: its report agrees with the chain."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from oracle.cli import main
from oracle.demo import acts
from oracle.demo.options import DemoOptions
from oracle.demo.rehearsal import rehearse_trained


@pytest.mark.slow
def test_a_short_run_is_written_held_read_back_and_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With few ticks and faults early and often, the recorded data and the seed decide which reports the gate holds.

    What is read back from the chain is what the replay without proofs foresees.
    """
    monkeypatch.setattr(acts, "WARM_UP", 2)
    monkeypatch.setattr(acts, "FAULT_RATE", 0.5)
    out = tmp_path / "demo"
    arguments = ["--json", "--out", str(out), "--ticks", "6"]
    monkeypatch.setattr(sys, "argv", ["oracle", "demo", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    written, log = capsys.readouterr()
    summary = json.loads(written)
    assert ended.value.code == 0, log
    # To this model a value that repeats the last answer is no anomaly. The other faults are, and no clean report is.
    assert summary["faults"] == {
        "decimal_shift": {"injected": 1, "held": 1},
        "spike_5": {"injected": 1, "held": 1},
        "stuck": {"injected": 1, "held": 0},
        "wrong_asset": {"injected": 1, "held": 1},
    }
    counts = ("observations", "accepted", "held", "false_holds", "held_after_faults", "confirmed_regime_changes")
    assert [summary[name] for name in counts] == [24, 20, 4, 0, 1, 0]
    held = re.findall(r"^(\w+)  (\S+)  .*  HELD (?:fault: )?(\w+)", log, re.MULTILINE)
    assert sorted(held) == [
        ("sp500", "2008-07-03", "spike_5"),
        ("sp500", "2008-07-08", "true"),
        ("vix", "2017-12-11", "wrong_asset"),
        ("wti", "2008-07-07", "decimal_shift"),
    ]
    foreseen = rehearse_trained(DemoOptions(ticks=6), [2008])
    assert (foreseen.mean_false_holds, foreseen.mean_after_faults) == (0, 1)
    for kind, counted in summary["faults"].items():
        every = foreseen.recall(kind, ["sp500", "nasdaq", "wti", "vix"])
        assert every == (counted["injected"], counted["held"]), kind
    # A stranger's audit of this chain finds a proof for each of the twelve transactions, and every word explained.
    audit = summary["audit"]
    assert (audit["ok"], audit["problems"], audit["proofs"]) == (True, [], 12)
    assert [audit[name] for name in ("reports", "verified", "failed", "unchecked")] == [24, 24, 0, 0]
    assert [(each["key_from"], each["tied"]) for each in audit["circuits"]] == [("architecture", True)]
    assert audit["storage"]["words"] > 100 and audit["storage"]["differing"] == 0
    assert audit["storage"]["root"] == "whole"
    assert summary["chain_agrees_with_journal"] is True and summary["disagreements"] == []
    assert summary["model"] == {"visibility": "private", "disclosure": "verdict"}
    for part in ("model: trained in", "a salt of 128 bits", "Each report publishes its features and one verdict"):
        assert part in " ".join(log.split()), part
    assert 0 < summary["latency_s"]["p50"] <= summary["latency_s"]["p95"]
    # On six days the three indices share a report; the VIX is alone on six others.
    assert summary["submissions"] == 12
    assert 450_000 < summary["gas_per_submission"] < 700_000
    assert summary["gas_per_submission"] * 12 == pytest.approx(summary["gas_per_observation"] * 24, abs=24)
    assert json.loads((out / "summary.json").read_text()) == summary
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
