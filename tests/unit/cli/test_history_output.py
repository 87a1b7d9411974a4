"""Tests of how `oracle history` prints entries: for people, as JSON and as CSV; piped, and with what is hostile."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from oracle.app.history.entries import HoldEnd, Journalled, PastAttempt, PastEntry, PastHold, PastReport, PastRound
from oracle.app.history.opening import FeedHistory
from oracle.cli.render import history as rendered
from oracle.cli.render.history import COLUMNS, printer_of
from oracle.core.formats import one_line

NOON = 1_700_000_000
HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TX = f"0x{18:064x}"

REPORT = PastReport(
    "2000.12345678", 200_012_345_678, NOON, NOON + 12, 9, TX, OTHER, "", False, 1, 0, 480_123, 2,
    Journalled("accepted", "", 1, 0.35, 14.0),
)  # fmt: skip
FAILURE = PastAttempt(
    "failed",
    "the hub refused: NotReporter [/] \x1b[2J",
    "1999.00",
    199_900_000_000,
    NOON + 60,
    NOON + 61,
    8,
    "proven",
    2,
    "",
)
ENTRIES: Sequence[PastEntry] = (
    replace(FAILURE, outcome="lost"),
    FAILURE,
    PastHold(8, "anomalous", HoldEnd.OPEN, None, (REPORT, replace(REPORT, observed_at=NOON - 120, gas=None))),
    PastHold(8, "not_positive", HoldEnd.REPLACED, NOON, (replace(REPORT, own=True),)),
    PastRound(7, True, REPORT),
    PastRound(6, False, replace(REPORT, own=True, published_at=None, gas=None, journal=None)),
)


def printed(
    capsys: pytest.CaptureFixture[str], form: str, entries: Sequence[PastEntry] = ENTRIES, *, more: bool = False
) -> str:
    history = FeedHistory("ETH / USD", f"0x{1:064x}", 8, HUB, 1, ["blocks 0 to 8 can't be read: gone"], ["a note"])
    printer = printer_of(form, history, is_utc=True)
    for each in entries:
        printer.add(each)
    printer.end(has_more=more)
    return capsys.readouterr().out


def test_a_history_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = printed(capsys, "text", more=True)
    assert max(map(len, said.splitlines())) <= 80
    flat = " ".join(said.split())
    assert said.splitlines()[0] == f"ETH / USD of hub {HUB} on chain 1"
    for words in ("observed (UTC)", "2023-11-14 22:13:20", "480,123", f"1: {OTHER}", "note: a note",
                  "not read: blocks 0 to 8 can't be read: gone", "the latest 6; there may be more"):  # fmt: skip
        assert words in flat, words


def test_each_row_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    rows = [" ".join(line.split()) for line in printed(capsys, "text").splitlines()][2:8]
    assert rows == [
        "2023-11-14 22:14:20 8 1999.00 LOST: the hub refused: NotReporter [/] [2J; came to: proven, signed 2 times",
        "2023-11-14 22:14:20 8 1999.00 FAILED: the hub refused: NotReporter [/] [2J; came to: proven, signed 2 times",
        "2023-11-14 22:13:20 8 2000.12345678 1 480,123 HELD: anomalous; 2 reports in 2 min, first "
        "2000.12345678; not ended",
        "2023-11-14 22:13:20 8 2000.12345678 me 480,123 HELD: not positive; 1 report; held for another reason at "
        "22:13:20",
        "2023-11-14 22:13:20 7 2000.12345678 1 480,123 accepted, confirmed jump, mined 12 s later",
        "2023-11-14 22:13:20 6 2000.12345678 me accepted",
    ]  # fmt: skip


def test_what_a_node_here_made_of_a_round_of_others_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    offered = replace(REPORT, journal=Journalled("superseded", "another came first", 1, None, 3.0))
    assert "here: superseded (another came first)" in printed(capsys, "text", [PastRound(1, False, offered)])


def test_trouble_has_a_colour_and_a_pipe_has_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    said = printed(capsys, "text")
    for text, code in (("FAILED", "1;31"), ("LOST", "1;31"), ("HELD", "1;33"), ("not ended", "1;31")):
        assert f"\x1b[{code}m{text}\x1b[0m" in said, text
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", printed(capsys, "text"))
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.delenv("FORCE_COLOR")
    assert "\x1b" not in printed(capsys, "text")


def test_a_long_history_is_printed_in_parts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendered, "_ROWS_AT_ONCE", 2)
    said = printed(capsys, "text", [PastRound(each, False, REPORT) for each in range(7, 0, -1)])
    assert said.count("what became of it") == 1
    assert [int(line.split()[2]) for line in said.splitlines() if "accepted" in line] == list(range(7, 0, -1))


def test_nothing_is_said_to_be_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is nothing of it" in printed(capsys, "text", [])
    document = json.loads(printed(capsys, "json", []))
    assert document["entries"] == [] and document["unread"] == ["blocks 0 to 8 can't be read: gone"]


def test_a_history_for_machines_has_raw_numbers_and_readable_ones(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed(capsys, "json", more=True))
    assert {name: document[name] for name in ("feed", "decimals", "hub", "chain_id", "has_more", "notes")} == {
        "feed": "ETH / USD",
        "decimals": 8,
        "hub": HUB,
        "chain_id": 1,
        "has_more": True,
        "notes": ["a note"],
    }
    assert [each["kind"] for each in document["entries"]] == ["failure", "failure", "hold", "hold", "round", "round"]
    hold, newest = document["entries"][2], document["entries"][4]
    assert (hold["ended"], hold["ended_at"], hold["ended_utc"], len(hold["reports"])) == ("open", None, None, 2)
    report: dict[str, Any] = newest["report"]
    assert (report["answer"], report["raw"]) == ("2000.12345678", "200012345678")
    assert (report["observed_at"], report["observed_utc"]) == (NOON, "2023-11-14T22:13:20Z")
    assert report["journal"]["prove_seconds"] == 0.35
    assert document["entries"][1]["reason"] == FAILURE.reason


def test_csv_has_a_line_for_each_report_and_each_failure(capsys: pytest.CaptureFixture[str]) -> None:
    lines = list(csv.DictReader(io.StringIO(printed(capsys, "csv"))))
    assert tuple(lines[0]) == COLUMNS
    assert [(each["kind"], each["outcome"], each["ended"]) for each in lines] == [
        ("failure", "lost", ""),
        ("failure", "failed", ""),
        ("hold", "held", "open"),
        ("hold", "held", "open"),
        ("hold", "held", "replaced"),
        ("round", "accepted", ""),
        ("round", "accepted", ""),
    ]
    assert lines[1]["reason"] == one_line(FAILURE.reason, 1_000), "CSV, too, is printed on terminals"
    assert (lines[5]["observed"], lines[5]["observed_at"], lines[5]["tx_hash"]) == (
        "2023-11-14T22:13:20Z",
        str(NOON),
        TX,
    )
    assert (lines[5]["gas"], lines[6]["gas"], lines[5]["confirmed"]) == ("480123", "", "True")


@pytest.mark.parametrize("reason", ["=1+1", "@x", "+1", "-1", " =1", "\uff1d1"])
def test_a_spreadsheet_takes_no_reason_for_a_formula(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    (line,) = csv.DictReader(io.StringIO(printed(capsys, "csv", [replace(FAILURE, reason=reason, answer="-1.5")])))
    assert line["reason"] == f"'{reason}"
    assert line["answer"] == "-1.5"


@pytest.mark.parametrize("reason", ["\t=1", "\r=1", "\x1b[2J=1", "\n=1"])
def test_a_reason_is_one_line_of_csv_that_does_nothing(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    (line,) = csv.DictReader(io.StringIO(printed(capsys, "csv", [replace(FAILURE, reason=reason)])))
    assert line["reason"].isprintable() and line["reason"][:1] in ("'", " ") and not line["reason"].startswith(" =")


def test_a_member_of_the_network_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, "text", [PastRound(2, False, replace(REPORT, member="beta")), PastRound(1, False, REPORT)])
    assert "2000.12345678  beta  480,123" in said and f"beta: {OTHER}" in said and f"1: {OTHER}" in said
    (line, _) = csv.DictReader(
        io.StringIO(printed(capsys, "csv", [PastRound(2, False, replace(REPORT, member="beta"))] * 2))
    )
    assert (line["member"], line["transmitter"]) == ("beta", OTHER)


def test_a_narrow_terminal_loses_no_column(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown = printed(capsys, "text", ENTRIES[-2:])
    assert "what became of" in shown and shown.count("accepted") == 2
    assert shown.count("2000.12345678") == 2 and "480,123" in shown, "numbers stay whole"
