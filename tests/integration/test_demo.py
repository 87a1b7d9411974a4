"""The demonstration, short, as its command: what it writes is what the chain says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oracle.demo.acts import SECOND_ACT_TICKS, acts
from oracle.demo.options import DemoOptions
from oracle.sources.faults import CATALOGUE


def play(out: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-c", "from oracle.cli import main; main()", "demo", "--json", "--out", str(out)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=280)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_a_short_run_is_written_held_read_back_and_audited(tmp_path: Path) -> None:
    code, summary, log = play(tmp_path / "demo", "--ticks", "20", "--public-model")
    assert code == 0, log
    assert summary["observations"] == 80 == summary["accepted"] + summary["held"]
    assert summary["audit"] == {"verified": 80, "failed": 0, "problems": []}
    assert summary["chain_agrees_with_journal"] is True and summary["disagreements"] == []
    assert summary["model"] == {"visibility": "public", "disclosure": "score"}
    injected = sum(kind["injected"] for kind in summary["faults"].values())
    assert injected >= 1
    assert all(0 <= kind["held"] <= kind["injected"] for kind in summary["faults"].values())
    assert 0 < summary["latency_s"]["p50"] <= summary["latency_s"]["p95"]
    assert summary["gas_per_submission"] > 300_000
    assert json.loads((tmp_path / "demo" / "summary.json").read_text()) == summary
    assert (tmp_path / "demo" / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert log.count("written") + log.count("HELD") >= 80


def test_the_acts_are_as_announced() -> None:
    """At least 300 observations, 2008 included, each kind of fault injected; the same for the same seed."""
    played = acts(DemoOptions())
    total = sum(len(readings) for act in played for readings in act.readings.values())
    assert total >= 300
    assert {name for act in played for name in act.readings} == {"sp500", "nasdaq", "wti", "vix"}
    assert len(played[1].readings["vix"]) == SECOND_ACT_TICKS
    kinds = {fault.kind for act in played for fault in act.injections}
    assert kinds >= {fault.kind for fault in CATALOGUE}
    assert acts(DemoOptions()) == played
    assert acts(DemoOptions(seed=1)) != played
