"""Tests of how `oracle audit` prints what a hostile hub says."""

from __future__ import annotations

import json

import pytest

from oracle.audit.report import (
    AuditReport,
    Check,
    Finding,
    FindingKind,
    Problem,
    ProblemKind,
    ReadingsFault,
    ReadingsFinding,
    ReadingsReport,
    ReporterReadings,
)
from oracle.cli.render.audit import print_audit
from oracle.core.types import Outcome

HOSTILE = "[/] [bold]ETH \x1b[2J/ USD"


@pytest.mark.parametrize("text", [HOSTILE, "[red]", "a\nb"])
def test_what_a_hub_names_its_feeds_is_printed_as_text(capsys: pytest.CaptureFixture[str], text: str) -> None:
    of = (text, 0, FindingKind.ROUND, 1, Outcome.ACCEPTED, False, 1, 1, 9, 1)
    finding = Finding(*of, "0x", Check.FAILED, f"{text} is unknown")
    problem = Problem(ProblemKind.CODE, f"{text} has code")
    report = AuditReport("0xHub", 1, 9, "0x09", 1, (finding,), (problem,), (f"{text} is odd",))
    print_audit(report, as_json=False)
    said = capsys.readouterr().out
    assert "\x1b" not in said and "yes" not in said
    assert text.split("\x1b")[0].split("\n")[0].split()[0] in said
    assert "0 of 1 reports verified, 1 failed, 0 unchecked, 1 other problems" in " ".join(said.split())
    print_audit(report, as_json=True)
    assert json.loads(capsys.readouterr().out)["findings"][0]["feed"] == text


@pytest.mark.parametrize("text", [HOSTILE, "[red]", "a\nb"])
def test_what_a_reporter_s_readings_say_is_printed_as_text(capsys: pytest.CaptureFixture[str], text: str) -> None:
    figures = ReporterReadings("0xReporter", text, 3, 2, 5, 1, 2.5, 40)
    found = ReadingsFinding("0xReporter", text, "0xtx", 7, text, ReadingsFault.NOT_DERIVABLE, f"{text} says {text}")
    report = AuditReport("0xHub", 1, 9, "0x09", 1, (), (), (), ReadingsReport((figures,), (found,)))
    assert not report.ok
    print_audit(report, as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "\x1b" not in said
    assert "readings not derivable" in said and "2 of 3 signatures have the readings behind their answers" in said
    assert "2 of 3" in said and "2.5 (≥ 1)" in said and "40 s" in said
    print_audit(report, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["readings"]["ok"]) == (False, False)
    assert document["readings"]["findings"][0]["fault"] == "not derivable"
