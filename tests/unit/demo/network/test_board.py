"""Tests of the table of a network's demonstration."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from oracle.app.local_network.ways import Way
from oracle.chain.hub import RoundAccepted, RoundHeld
from oracle.core.types import HoldReason
from oracle.demo.network.board import TurnBoard

FEED, OTHER = bytes([7]) * 32, bytes([8]) * 32
TURN_S = 2


def event(turn: int, feed: bytes = FEED, *, held: bool = False) -> Any:
    common: dict[str, Any] = {
        "feed_id": feed,
        "round_id": 1,
        "answer": 123_450_000_000,
        "observed_at": turn * TURN_S,
        "model_number": 1,
        "scores": (0,),
        "submitter": "0xA",
        "block_number": 1,
        "tx_hash": bytes(32),
        "log_index": 0,
    }
    if held:
        return RoundHeld(**common, reason=HoldReason.ANOMALOUS, confirmations=0)
    return RoundAccepted(**common, confirmed=False)


def board(*, terminal: bool) -> tuple[TurnBoard, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=160, color_system=None)
    turns = range(10, 13)
    holders = {10: "alpha", 11: "beta", 12: "gamma"}
    feeds = {FEED: "sp500", OTHER: "nasdaq"}
    return TurnBoard(console, feeds, turns, TURN_S, holders, {"beta": {11: Way.WITHHOLDS}}), out


def test_without_a_terminal_each_turn_is_a_line_when_the_next_one_is_over() -> None:
    shown, out = board(terminal=False)
    with shown:
        shown.take([event(10), event(10, OTHER)], 20.6)
        shown.show(23.9)
        assert out.getvalue() == ""
        shown.show(24.0)
        assert out.getvalue().split("\n")[0] == "1  alpha  1234.50  1234.50  written  0.6 s  "
        shown.take([event(12, held=True)], 25.0)
        shown.show(28.0)
        shown.show(28.2)
    lines = out.getvalue().rstrip("\n").split("\n")
    assert lines[1] == "2  beta      no round    beta collects all answers in its turn, and sends nothing"
    assert lines[2].split() == ["3", "gamma", "1234.50", "HELD", "1.0", "s"]
    assert len(lines) == 3


def test_on_a_terminal_turns_are_a_table() -> None:
    shown, out = board(terminal=True)
    with shown:
        shown.show(20.1)
        shown.take([event(10)], 20.6)
        shown.show(22.5)
    last = out.getvalue()
    assert "turn 2 of 3" in last and "sp500" in last and "written" in last and "…" in last
