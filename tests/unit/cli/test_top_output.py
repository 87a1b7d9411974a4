"""Tests of the page of `oracle top`: 80 columns, obstacles aloud, and what is not there is said."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from oracle.app.daemon_pages import DaemonPages, Figures, SourceSaid
from oracle.app.status import FeedStatus, OracleStatus
from oracle.app.top import TopView
from oracle.chain.transport.interface import EndpointState
from oracle.cli.render.top import MOST_REASONS, print_top, top_page
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.privacy import privacy_of

NOON = 1_700_000_000
PAYER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"

FEED = FeedStatus("eth-usd", "HELD (paused)", "default", (), 7, "2000.12345678", "", 7_300, 3, 450, None, 1)
STATUS = OracleStatus(
    chain_id=1,
    hub=PAYER,
    head=123_456,
    head_at="2023-11-14T22:13:20Z",
    payer=PAYER,
    balance="0.5",
    reports_left=7,
    journal={"open": 1, "accepted": 12, "held": 0},
    committees=(),
    feeds=(FEED,),
    is_dry=True,
    endpoints=(EndpointState("https://a.example", "it is silent", None, False),),
    leader="host:12",
    model="the packaged one",
    privacy=privacy_of(own=False),
    ready=False,
    obstacles=(Obstacle(ObstacleKind.PAUSED, "eth-usd", "the feed is paused", "unpause it"),),
    daemon=True,
)
FIGURES = Figures(
    {
        "oracle_accepted_total": [({"feed": "eth-usd"}, 12_000.0)],
        "oracle_proofs_running": [({"feed": ""}, 1.0)],
        "oracle_prove_seconds_count": [({}, 4.0)],
        "oracle_prove_seconds_sum": [({}, 2.0)],
        "oracle_transaction_replacements_total": [({}, 3.0)],
    }
)
WHY = "suspended until 2023-11-14T22:20:00Z after 5 failures, the last: no answer within 5 s"
DAEMON = DaemonPages(
    "127.0.0.1:9464",
    "",
    False,
    ("next report of eth-usd: paused: the feed is paused; unpause it", "balance: the payer can pay for 7 more"),
    {"eth-usd": (SourceSaid("kraken", "suspended", "", WHY), SourceSaid("[b]", "agrees", "2000.1", ""))},
    FIGURES,
)
VIEW = TopView(NOON, STATUS, "", DAEMON)
ABSENT = DaemonPages("127.0.0.1:9464", "the daemon does not answer at 127.0.0.1:9464: Connection refused")


def shown(view: TopView, **more: Any) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    console.print(top_page(view, is_utc=True, **more))
    return file.getvalue().splitlines()


def test_the_page_fits_into_eighty_columns_and_says_everything() -> None:
    lines = shown(VIEW, keys="q ends")
    assert max(map(len, lines)) <= 80 and len(lines) <= 24
    flat = " ".join(" ".join(lines).split())
    for words in (
        "oracle top 2023-11-14 22:13:20 UTC NOT READY",
        "chain 1, block 123,456 of 2023-11-14T22:13:20Z",
        f"payer {PAYER} has 0.5 ether, enough for 7 reports it runs dry",
        "endpoint https://a.example is left alone: it is silent",
        "journal: 1 open, 12 accepted; written by host:12",
        "next report of eth-usd: paused: the feed is paused; unpause it",
        "balance: the payer can pay for 7 more",
        "eth-usd HELD (paused) 7 2000.12345678 2.03 h 3 0.45 σ 1",
        "provers 1 running, 4 made, 0.5 s each",
        "reports 12,000 accepted",
        "transactions 3 replaced",
        "kraken suspended",
        "[b] agrees 2000.1",
    ):
        assert words in flat, words
    assert flat.count("the feed is paused") == 1, "the chain's and the daemon's reason are one"
    assert lines[-1].strip() == "q ends"


def test_a_daemon_that_is_not_there_is_said_and_the_chain_is_shown() -> None:
    flat = " ".join(
        " ".join(shown(replace(VIEW, daemon=ABSENT, status=replace(STATUS, ready=True, obstacles=())))).split()
    )
    assert "readiness is not known" in flat and "the daemon does not answer at 127.0.0.1:9464" in flat
    assert "2000.12345678" in flat and "provers" not in flat


def test_a_chain_that_is_silent_is_said_and_the_daemon_is_shown() -> None:
    flat = " ".join(" ".join(shown(replace(VIEW, status=None, problem="http://[x]: no\x1b[2J answer"))).split())
    assert "can't be read: http://[x]: no [2J answer" in flat and "\x1b[2J" not in flat
    assert "kraken suspended" in flat and "12,000 accepted" in flat


def test_a_ready_oracle_is_called_so() -> None:
    well = replace(
        VIEW, status=replace(STATUS, ready=True, obstacles=()), daemon=replace(DAEMON, is_ready=True, faults=())
    )
    assert " READY" in shown(well)[0] and "NOT" not in shown(well)[0]


def test_many_reasons_are_counted() -> None:
    many = tuple(f"check {each}: fails" for each in range(MOST_REASONS + 5))
    flat = " ".join(" ".join(shown(replace(VIEW, daemon=replace(DAEMON, faults=many)))).split())
    assert "… and 6 more: `oracle doctor` lists them" in flat


@pytest.mark.parametrize("columns", [None, "80"])
def test_a_pipe_gets_whole_rows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    print_top(VIEW, is_utc=True, as_json=False)
    said = capsys.readouterr().out
    assert "\x1b" not in said and PAYER in said and "2000.12345678" in said
    assert (WHY in said) is (columns is None)


def test_a_script_is_told_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_top(VIEW, is_utc=True, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["at"] == NOON and document["problem"] == ""
    assert document["status"]["feeds"][0]["status"] == "HELD (paused)"
    assert document["daemon"]["sources"]["eth-usd"][0]["detail"] == WHY
    assert (document["activity"]["accepted"], document["activity"]["gas"]) == (12_000, None)
