"""Tests of a running node's readiness: what is asked how often, and how much gas the next report needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from oracle.app.readiness import ASK_MEMBERS_S, NodeReadiness, gas_of_reports
from oracle.chain.obstacles import NodeFacts
from oracle.chain.readiness import Readiness
from oracle.chain.tx.sender import GAS_MARGIN
from oracle.core.errors import ChainUnavailable, JournalUnavailable
from oracle.core.money import REPORT_GAS
from oracle.core.obstacles import Obstacle, ObstacleKind

PAUSED = Obstacle(ObstacleKind.PAUSED, "eth", "the feed is paused", "")
UNLINKED = Obstacle(ObstacleKind.ADAPTER, "btc", "the hub links no adapter to it", "")
SPENT = Obstacle(ObstacleKind.BUDGET, "", "the daily limit is spent", "")


class Reader:
    """Finds the same obstacles each time, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[NodeFacts] = []

    async def read(self, node: NodeFacts) -> Readiness:
        self.asked.append(node)
        return Readiness((PAUSED, UNLINKED))


class Members:
    """Members of a network, one of whom is silent."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self) -> Mapping[str, str]:
        self.asked += 1
        return {"0xB": "bob does not answer"}


def readiness(**how: Any) -> tuple[NodeReadiness, Reader]:
    made, reader = NodeReadiness(None, lambda: NodeFacts(()), **how), Reader()  # type: ignore[arg-type]
    made._reader = reader  # type: ignore[assignment]
    return made, reader


async def test_what_the_chain_does_not_know_is_added() -> None:
    async def more() -> Sequence[Obstacle]:
        return [SPENT]

    node, _ = readiness(more=more)
    assert (await node.refresh()).obstacles == await node.obstacles() == (PAUSED, UNLINKED, SPENT)


@pytest.mark.parametrize("error", [ChainUnavailable("no answer"), JournalUnavailable("it is locked")])
async def test_what_can_not_be_read_besides_takes_nothing_away(error: Exception) -> None:
    async def more() -> Sequence[Obstacle]:
        raise error

    node, _ = readiness(more=more)
    assert (await node.refresh()).obstacles == (PAUSED, UNLINKED)


async def test_members_are_asked_now_and_then_and_what_they_said_is_kept() -> None:
    now, members = 100.0, Members()
    node, reader = readiness(silent=members, ticks=lambda: now)
    await node.refresh()
    assert (members.asked, reader.asked[-1].silent) == (0, {}), "the daemon's own looks don't wait for members"
    for later, asked in ((0.0, 1), (ASK_MEMBERS_S - 1, 1), (ASK_MEMBERS_S, 2)):
        now = 100.0 + later
        await node.refresh(members=True)
        assert members.asked == asked
    await node.refresh()
    assert reader.asked[-1].silent == {"0xB": "bob does not answer"}


class Entry:
    def __init__(self, tx_hash: bytes | None, gas_used: int | None) -> None:
        self.tx_hash, self.gas_used = tx_hash, gas_used


class Journal:
    def __init__(self, *entries: Entry) -> None:
        self.entries = entries

    def rows(self, limit: int) -> Sequence[Entry]:
        if not self.entries:
            raise JournalUnavailable("it is locked")
        return self.entries[:limit]


def test_the_next_report_needs_as_much_gas_as_the_dearest_of_the_latest_transactions() -> None:
    """Observations that shared one have each their part of its gas."""
    shared = [Entry(b"a", 300_000), Entry(b"a", 300_000), Entry(b"b", 500_000), Entry(None, None)]
    assert gas_of_reports(Journal(*shared)) == int(600_000 * GAS_MARGIN)  # type: ignore[arg-type]
    assert gas_of_reports(None) == gas_of_reports(Journal(Entry(None, None))) == REPORT_GAS  # type: ignore[arg-type]
    assert gas_of_reports(Journal()) == REPORT_GAS  # type: ignore[arg-type]
