"""Tests that the text of `oracle status` shows what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from oracle.app.daemon_pages import SourceSaid
from oracle.app.status import CommitteeStatus, FeedStatus, OracleStatus, age_of
from oracle.chain.overview import HoldProgress
from oracle.chain.transport.interface import EndpointState
from oracle.cli.render.status import print_status
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.privacy import privacy_of

STATUS = OracleStatus(
    chain_id=1,
    hub="0x5FbDB2315678afecb367f032d93F642f64180aa3",
    head=100,
    head_at="2026-01-01T00:00:00Z",
    payer="0x5FbDB2315678afecb367f032d93F642f64180aa3",
    balance="0.1",
    reports_left=7,
    journal={"open": 1},
    leader="",
    committees=(),
    feeds=(),
    is_dry=True,
    model="the packaged one",
    privacy=privacy_of(own=False),
    endpoints=(
        EndpointState("https://a.example/…", "its head, block 90, is 10 blocks behind the others", 90, False),
        EndpointState("https://b.example/…", "", 100, True),
    ),
)


def test_a_payer_that_runs_dry_and_an_endpoint_that_lags_are_seen(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(STATUS, as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "enough for 7 reports at the present price – it runs dry" in said
    assert "endpoint https://a.example/…: left alone, block 90" in said and "10 blocks behind" in said
    assert "endpoint https://b.example/…: well, in use, block 100" in said


def test_a_script_is_told_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(STATUS, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["is_dry"], shown["endpoints"][1]["in_use"], shown["reports_left"]) == (True, True, 7)


COMMITTEE = CommitteeStatus("default", 1, 2, 1, ("0xA", "0xB"), "", "", "", "", "")
FEED = FeedStatus("eth", "OK", "default", (), 7, "2000.00", "2026-01-01T00:00:00Z", 12, 2, 450, None, 0)


def said(capsys: pytest.CaptureFixture[str], status: OracleStatus) -> str:
    print_status(status, as_json=False)
    return " ".join(capsys.readouterr().out.split())


def test_a_committee_is_shown_with_quorum_and_epoch_and_a_feed_with_its_reporters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = said(capsys, replace(STATUS, committees=(COMMITTEE,), feeds=(FEED,)))
    assert "committee default (number 1, epoch 2): 1 of 0xA, 0xB" in shown
    assert "eth OK 7 2000.00 12 s 2 0.45 σ 0" in shown
    assert "a daemon with [web] listen tells what each said" in shown
    assert "no report from here" not in shown and "proposed" not in shown and "holds" not in shown


def test_reporters_who_are_proposed_are_seen(capsys: pytest.CaptureFixture[str]) -> None:
    committee = replace(COMMITTEE, later="the quorum is 3", proposed="3 of 0xA, …")
    shown = said(capsys, replace(STATUS, committees=(committee,)))
    assert "no report from here: once the proposed reporters are active, the quorum is 3" in shown
    assert "proposed: 3 of 0xA, …" in shown


def test_whether_the_chain_would_take_the_next_reports_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    assert "next reports: the chain would take them" in said(capsys, STATUS)
    found = [Obstacle(ObstacleKind.PAUSED, each, "the feed is paused", "unpause it") for each in ("eth", "btc")]
    found.append(Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "send it ether"))
    stuck = replace(STATUS, ready=False, obstacles=found)
    shown = said(capsys, stuck)
    assert "would take them" not in shown
    assert "next report of eth, btc: paused: the feed is paused; unpause it" in shown
    assert "next report of every feed: funds: the payer has 0 ether; send it ether" in shown
    print_status(stuck, as_json=True)
    script = json.loads(capsys.readouterr().out)
    assert not script["ready"]
    assert script["obstacles"][2] == {
        "kind": "funds", "feed": "", "detail": "the payer has 0 ether", "remedy": "send it ether"
    }  # fmt: skip


def test_a_hold_and_peers_are_shown_below_the_feeds(capsys: pytest.CaptureFixture[str]) -> None:
    hold = HoldProgress("anomalous", "2900", "2910", 1, 3, 40, 20, 60)
    shown = said(capsys, replace(STATUS, feeds=(replace(FEED, peers=("btc",), held=hold),)))
    assert "eth: signed with btc" in shown
    assert "eth holds 2900, confirmed by 1 of 3 reports near 2910" in shown
    print_status(replace(STATUS, feeds=(replace(FEED, held=hold),)), as_json=True)
    assert json.loads(capsys.readouterr().out)["feeds"][0]["held"]["seen_s"] == 20


def test_what_the_model_hides_is_said_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    packaged = said(capsys, STATUS)
    assert "configured model: the packaged one, public, publishes scores: the model ships with the package" in packaged
    own = said(capsys, replace(STATUS, model="mine.json", privacy=privacy_of(own=True)))
    assert "configured model: mine.json, private, publishes verdicts: the model is your own" in own
    print_status(STATUS, as_json=True)
    shown = json.loads(capsys.readouterr().out)["privacy"]
    assert (shown["visibility"], shown["disclosure"]) == ("public", "score")


@pytest.mark.parametrize(
    ("status", "coloured"),
    [
        ("OK", "OK"),
        ("HELD", "\x1b[1;33mHELD\x1b[0m"),
        ("OK (paused)", "OK \x1b[1;31m(paused)\x1b[0m"),
        ("HELD (stale)", "\x1b[1;33mHELD\x1b[0m \x1b[1;33m(stale)\x1b[0m"),
    ],
)
def test_held_paused_and_stale_have_a_colour_in_a_terminal_and_none_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: str, coloured: str
) -> None:
    shown = replace(STATUS, feeds=(replace(FEED, status=status),))
    assert f"eth {status} 7" in said(capsys, shown)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert coloured in said(capsys, shown)


def test_a_suspended_source_shows_its_reason_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    why = "suspended until 2026-01-01T00:05:00Z after 5 failures, the last: no answer within 5 s"
    feed = replace(FEED, sources=(SourceSaid("kraken", "suspended", "", why), SourceSaid("b", "agrees", "1", "")))
    shown = said(capsys, replace(STATUS, feeds=(feed,), daemon=True))
    assert f"eth kraken suspended {why}" in shown and "eth b agrees 1" in shown


def test_what_the_daemon_says_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    feed = replace(FEED, sources=(SourceSaid("[/a]", "[/b]", "[/c]", "[/d]"),))
    assert "eth [/a] [/b] [/c] [/d]" in said(capsys, replace(STATUS, feeds=(feed,), daemon=True))


def test_a_chain_that_stands_still_keeps_no_answer_young() -> None:
    assert age_of(1_000, 1_001, 1_500.9) == 500
    assert age_of(1_000, 1_600, 1_500.0) == 600, "a chain that is ahead"
    assert age_of(1_000, 900, 999.0) == 0
