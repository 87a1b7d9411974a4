"""Tests of how `oracle audit` prints what a hostile hub says."""

from __future__ import annotations

import json

import pytest

from oracle.audit.report import AuditReport, Finding
from oracle.cli.render.audit import print_audit
from oracle.core.types import Outcome

HOSTILE = "[/] [bold]ETH \x1b[2J/ USD"


@pytest.mark.parametrize("text", [HOSTILE, "[red]", "a\nb"])
def test_what_a_hub_names_its_feeds_is_printed_as_text(capsys: pytest.CaptureFixture[str], text: str) -> None:
    finding = Finding(text, 1, Outcome.ACCEPTED, 1, 1, "0x", f"{text} is unknown")
    report = AuditReport("0xHub", 1, (finding,), (f"{text} has code",), (f"{text} is odd",))
    print_audit(report, as_json=False)
    said = capsys.readouterr().out
    assert "\x1b" not in said and "yes" not in said
    assert text.split("\x1b")[0].split("\n")[0].split()[0] in said
    assert "0 of 1 reports verified, 1 failed, 1 other problems" in " ".join(said.split())
    print_audit(report, as_json=True)
    assert json.loads(capsys.readouterr().out)["findings"][0]["feed"] == text
