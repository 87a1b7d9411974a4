"""Tests of a network's demonstration as a command: members as processes, one of them faulty, on a real chain."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from oracle.app.local_network.ways import WAYS, Way
from oracle.cli import main
from oracle.cli.render.demo import print_network_demo
from tests.integration.workspace import run_command


@pytest.mark.slow
def test_a_short_network_is_played_read_back_and_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    arguments = ["--reporters", "4", "--faulty", "1", "--rounds", "4", "--seed", "3"]
    monkeypatch.setattr(sys, "argv", ["oracle", "demo", *arguments, "--json", "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    written, log = capsys.readouterr()
    summary = json.loads(written)
    network = summary["network"]
    assert json.loads((out / "summary.json").read_text()) == summary
    assert (network["reporters"], network["quorum"], network["turns"]) == (4, 3, 4)
    # A machine that is busy with other tests may miss a turn, but nothing wrong may ever be written.
    assert [text for text in network["harm"] if "has no round" not in text] == [], log
    assert ended.value.code == (1 if network["harm"] else 0)
    assert 2 <= network["rounds"] <= 2 * sum(network["by_transmitter"].values())
    assert set(network["by_transmitter"]) <= {"alpha", "beta", "gamma", "delta"}
    assert len([Way(way) for way in network["faults"]]) > 1
    assert sum(counted["injected"] for counted in network["faults"].values()) == 4
    assert 0 < network["due_to_confirmed_s"]["p50"] <= network["due_to_confirmed_s"]["p95"]
    assert network["messages_per_round"] > 6
    assert 0 <= network["late"] < 2 * network["turns"], "each of two feeds is due once in a turn"
    audit = summary["audit"]
    assert audit["ok"] and audit["failed"] == 0 and audit["problems"] == []
    assert audit["verified"] >= network["rounds"]
    assert audit["readings"]["verified"] == audit["readings"]["signatures"] >= 3 * network["rounds"] / 2
    assert "4 members, each a process: alpha, beta, gamma, delta; 3 have to answer" in log
    shown = io.StringIO()
    print_network_demo(Console(file=shown, width=200, color_system=None), summary, out)
    assert "4 reporters, 3 have to answer" in shown.getvalue()
    assert all(WAYS[Way(way)].does in shown.getvalue() for way in network["faults"])
    for name in ("alpha", "beta", "gamma", "delta"):
        assert (out / "members" / name / "journal.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reporters", "4", "--faulty", "2"], "4 reporters bear 1 faulty at most; give --reporters 7"),
        (["--reporters", "4", "--ticks", "5"], "--ticks is not of a network's demonstration"),
        (["--reporters", "4", "--replay-only", "--workers", "2"], "--replay-only, --workers are not of a network's"),
        (["--rounds", "5"], "--rounds is not of the demonstration of one oracle: add --reporters 4"),
        (["--reporters", "4", "--start", "tomorrow"], "--start 'tomorrow' is not a date"),
        (["--reporters", "40"], "--reporters 40: this machine can play 1 to 13"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run_command(tmp_path, ["demo", *arguments], {})
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
    assert not (tmp_path / "build").exists()
