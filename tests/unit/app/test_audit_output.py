"""Tests of how `oracle audit` prints a report: for people in 80 columns, as JSON, and what a hostile hub says."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.audit.report import (
    AuditedCircuit,
    AuditProblem,
    AuditReport,
    Checked,
    ComparedStorage,
    Finding,
    FindingKind,
    ProblemKind,
    ReadingsFault,
    ReadingsFinding,
    ReadingsReport,
    ReporterReadings,
)
from oracle.cli.render.audit import LATEST, MOST, print_audit
from oracle.core.types import Outcome
from oracle.core.version import __version__

HOSTILE = "[/] [bold]ETH \x1b[2J/ USD"
NOON = 1_700_000_000
FEED_ID, TX = f"0x{1:064x}", f"0x{18:064x}"
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"

FINDING = Finding(
    feed="ETH / USD",
    feed_id=FEED_ID,
    decimals=8,
    kind=FindingKind.ROUND,
    round_id=1,
    outcome=Outcome.ACCEPTED,
    confirmed=False,
    reason="",
    confirmations=0,
    answer=200_012_345_678,
    observed_at=NOON,
    block_number=9,
    block_time=NOON + 12,
    tx_hash=TX,
    check=Checked.VERIFIED,
    problem="",
)


def report(
    *findings: Finding, problems: Sequence[AuditProblem] = (), notes: Sequence[str] = (), **more: Any
) -> AuditReport:
    return AuditReport(HUB, 1, 1_234, "0x09", NOON + 60, findings, tuple(problems), tuple(notes), **more)


def said(capsys: pytest.CaptureFixture[str], of: AuditReport, *, every: bool = False) -> str:
    print_audit(of, as_json=False, every=every)
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], of: AuditReport) -> Any:
    print_audit(of, as_json=True)
    return json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


FULL = report(
    FINDING,
    replace(FINDING, round_id=2, outcome=Outcome.HELD, reason="anomalous", confirmations=1, answer=300_000_000_000),
    replace(FINDING, round_id=2, confirmed=True, answer=300_000_000_000, block_time=NOON + 86_400),
    replace(FINDING, round_id=3, check=Checked.FAILED, problem="the proof does not verify"),
    replace(FINDING, round_id=4, check=Checked.UNCHECKED, problem="no artifact here is of model 1"),
    replace(FINDING, round_id=5, outcome=Outcome.FAILED, check=Checked.FAILED, problem="the hub emitted nothing"),
    replace(FINDING, round_id=6, kind=FindingKind.SHADOW),
    replace(FINDING, feed="VIX", feed_id=f"0x{2:064x}", decimals=2, answer=-1_750),
    problems=[
        AuditProblem(ProblemKind.STORAGE, "word 0x05 is 1, but must be 2"),
        AuditProblem(ProblemKind.CODE, "the code is not this release's hub"),
        AuditProblem(ProblemKind.STORAGE, "word 0x06 is 1, but must be 2"),
    ],
    notes=["the verifier is keyed with a local SRS"],
    circuits=(AuditedCircuit(1, 4, HUB, "abc", "model", "public-ceremony", True),),
    storage=ComparedStorage(120, 2, "differs"),
    choice="rounds 1-6",
    not_proven=92,
    proofs=7,
    seconds=2.5,
    endpoints=("http://one", "http://two"),
)

PRINTED = f"""\
ETH / USD  {FEED_ID}
round  outcome              answer  observed (UTC)        in block     check
    1  accepted      2000.12345678  2023-11-14T22:13:20Z  22:13:32Z    verified
    2  held:         3000.00000000  2023-11-14T22:13:20Z  22:13:32Z    verified
       anomalous,
       confirmed 1×
    2  accepted,     3000.00000000  2023-11-14T22:13:20Z  2023-11-15   verified
       confirmed                                          22:13:20Z
       jump
    3  accepted      2000.12345678  2023-11-14T22:13:20Z  22:13:32Z    FAILED
"""


def test_a_report_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    printed = said(capsys, FULL)
    assert max(map(len, printed.splitlines())) <= 80
    assert "\n".join(line.rstrip() for line in printed.splitlines()).startswith(PRINTED)
    flat = " ".join(printed.split())
    for words in (
        "no event",
        "6 shadow:",
        "-17.50 2023-11-14T22:13:20Z",
        "note: the verifier is keyed with a local SRS",
        f"failed reports (2) ETH / USD, round 3: the proof does not verify; transaction {TX}",
        f"unchecked reports (1) ETH / USD, round 4: no artifact here is of model 1; transaction {TX}",
        "problems: code (1) the code is not this release's hub",
        "problems: storage (2) word 0x05 is 1, but must be 2 word 0x06 is 1, but must be 2",
        f"model 1, 4 windows, verifier {HUB}: its key was made again from the model, and its code follows from it",
        "storage: 120 words compared, 2 differ; storage root differs",
        "chosen: rounds 1-6; 92 other reports were replayed, but not proven",
        f"hub {HUB} on chain 1, as it was at block 1,234 of 2023-11-14T22:14:20Z",
        "the block's hash is 0x",
        "read from http://one, http://two",
        "7 proofs verified; 2.5 s, 40 reports a second",
        "NOT OK: 5 of 8 reports verified, 2 failed, 1 unchecked, 3 other problems",
    ):
        assert words in flat, words


def test_a_report_without_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    printed = said(capsys, report(FINDING))
    assert printed.splitlines()[-1] == "OK: 1 of 1 reports verified, 0 failed, 0 unchecked, 0 other problems"
    assert "problem" not in printed.replace("other problems", "")


@pytest.mark.parametrize("check", [Checked.FAILED, Checked.UNCHECKED])
def test_what_is_not_verified_is_not_ok(capsys: pytest.CaptureFixture[str], check: Checked) -> None:
    printed = said(capsys, report(FINDING, replace(FINDING, check=check, problem="p")))
    assert "NOT OK: 1 of 2 reports verified" in printed


def test_a_long_history_is_shortened_but_for_what_is_special(capsys: pytest.CaptureFixture[str]) -> None:
    special = replace(FINDING, round_id=3, outcome=Outcome.HELD, reason="repeated")
    plain = [replace(FINDING, round_id=at) for at in range(10, 1_010)]
    printed = said(capsys, report(special, *plain))
    assert f"the first {1_000 - LATEST} of 1,000 that are verified and accepted: --all lists them" in printed
    rounds = [line.split()[0] for line in printed.splitlines() if "22:13:20Z" in line]
    assert rounds == ["3", *(str(at) for at in range(1_010 - LATEST, 1_010))]
    whole = said(capsys, report(special, *plain), every=True)
    assert len([line for line in whole.splitlines() if line.rstrip().endswith("verified")]) == 1_001


def test_many_problems_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    many = report(problems=[AuditProblem(ProblemKind.STORAGE, f"word {at} differs") for at in range(MOST + 7)])
    printed = said(capsys, many)
    assert f"problems: storage ({MOST + 7})" in printed
    assert f"word {MOST - 1} differs" in printed and f"word {MOST} differs" not in printed
    assert "… and 7 more: --all lists them" in printed
    assert f"word {MOST + 6} differs" in said(capsys, many, every=True)


def test_every_field_for_machines_is_documented(capsys: pytest.CaptureFixture[str], project_root: Path) -> None:
    page = (project_root / "docs" / "audit.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page.partition("## JSON")[2], re.MULTILINE)
    found = document(capsys, FULL)
    assert {name.strip("`") for row in rows for name in row.split(", ")} == found.keys()
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert list(json.loads(shown)) == list(found["findings"][0])
    for name in found["circuits"][0].keys() | found["storage"].keys() | found["block"].keys():
        assert f"`{name}`" in page or f" {name}" in page, name


def test_a_report_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, FULL)
    assert found | {"findings": [], "problems": []} == {
        "schema": 1,
        "release": __version__,
        "ok": False,
        "hub": HUB,
        "chain_id": 1,
        "block": {"number": 1_234, "hash": "0x09", "time": NOON + 60, "at": "2023-11-14T22:14:20Z"},
        "endpoints": ["http://one", "http://two"],
        "choice": "rounds 1-6",
        "not_proven": 92,
        "verified": 5,
        "failed": 2,
        "unchecked": 1,
        "proofs": 7,
        "seconds": 2.5,
        "findings": [],
        "problems": [],
        "notes": ["the verifier is keyed with a local SRS"],
        "circuits": [
            {
                "model_number": 1,
                "batch": 4,
                "verifier": HUB,
                "artifact_hash": "abc",
                "key_from": "model",
                "srs": "public-ceremony",
                "is_tied": True,
            }
        ],
        "storage": {"words": 120, "differing": 2, "root": "differs", "is_bound": False},
        "readings": None,
    }
    assert found["problems"][0] == {"kind": "storage", "text": "word 0x05 is 1, but must be 2"}
    assert found["findings"][1] == {
        "feed": "ETH / USD",
        "feed_id": FEED_ID,
        "decimals": 8,
        "kind": "round",
        "round_id": 2,
        "outcome": "held",
        "confirmed": False,
        "reason": "anomalous",
        "confirmations": 1,
        "answer": "300000000000",
        "value": "3000.00000000",
        "observed_at": NOON,
        "observed": "2023-11-14T22:13:20Z",
        "block_number": 9,
        "block_time": NOON + 12,
        "tx_hash": TX,
        "check": "verified",
        "problem": "",
    }
    assert [each["check"] for each in found["findings"][2:5]] == ["verified", "failed", "unchecked"]


@pytest.mark.parametrize("decimals", [0, 18, 255])
@pytest.mark.parametrize("answer", [-(2**127), 0, 2**127 - 1])
def test_any_number_can_be_printed(capsys: pytest.CaptureFixture[str], decimals: int, answer: int) -> None:
    """A hostile hub may have a feed of any decimals, and a chain any time."""
    of = report(replace(FINDING, decimals=decimals, answer=answer, observed_at=2**32 - 1, block_time=2**255))
    assert "verified" in said(capsys, of)
    assert document(capsys, of)["findings"][0]["answer"] == str(answer)


@pytest.mark.parametrize("text", [HOSTILE, "[red]", "a\nb"])
def test_what_a_hub_names_its_feeds_is_printed_as_text(capsys: pytest.CaptureFixture[str], text: str) -> None:
    finding = replace(FINDING, feed=text, check=Checked.FAILED, problem=f"{text} is unknown", reason=text)
    of = report(
        finding,
        replace(finding, outcome=Outcome.HELD),
        problems=[AuditProblem(ProblemKind.CODE, f"{text} has code")],
        notes=[f"{text} is odd"],
        choice=f"feed {text}",
    )
    printed = said(capsys, of)
    assert "\x1b" not in printed
    assert [line for line in printed.splitlines() if " verified" in line] == [
        "NOT OK: 0 of 2 reports verified, 2 failed, 0 unchecked, 1 other problems"
    ]
    assert printed.count(text.split("\x1b")[0].split("\n")[0]) >= 5
    assert document(capsys, of)["findings"][0]["feed"] == text


@pytest.mark.parametrize("text", [HOSTILE, "[red]", "a\nb"])
def test_what_a_reporter_s_readings_say_is_printed_as_text(capsys: pytest.CaptureFixture[str], text: str) -> None:
    figures = ReporterReadings("0xReporter", text, 3, 2, 5, 1, 2.5, 40)
    found = ReadingsFinding("0xReporter", text, "0xtx", 7, text, ReadingsFault.NOT_DERIVABLE, f"{text} says {text}")
    of = report(readings=ReadingsReport((figures,), (found,)))
    assert not of.ok
    printed = " ".join(said(capsys, of).split())
    assert "\x1b" not in printed
    assert "readings not derivable" in printed and "2 of 3 signatures have the readings behind their answers" in printed
    assert "2 of 3" in printed and "2.5 (≥ 1)" in printed and "40 s" in printed
    shown = document(capsys, of)
    assert (shown["ok"], shown["readings"]["ok"]) == (False, False)
    assert shown["readings"]["findings"][0]["fault"] == "not derivable"
