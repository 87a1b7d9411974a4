"""Tests that the text of `oracle status` shows what is wrong."""

from __future__ import annotations

import json

import pytest

from oracle.app.status import OracleStatus
from oracle.chain.transport.interface import EndpointState
from oracle.cli.render.status import print_status

STATUS = OracleStatus(
    chain_id=1,
    hub="0x5FbDB2315678afecb367f032d93F642f64180aa3",
    head=100,
    head_at="2026-01-01T00:00:00+00:00",
    payer="0x5FbDB2315678afecb367f032d93F642f64180aa3",
    balance="0.1",
    reports_left=7,
    journal={"open": 1},
    leader="",
    feeds=(),
    is_dry=True,
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
