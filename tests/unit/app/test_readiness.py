"""Tests of a running node's readiness: what is asked how often, and how much gas the next report needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from oracle.app.readiness import ASK_MEMBERS_S, NodeReadiness, gas_of_reports
from oracle.chain.obstacles import NodeFacts
from oracle.chain.readiness import Readiness
from oracle.core.errors import ChainUnavailable, JournalUnavailable
from oracle.core.money import REPORT_GAS, Expense, ExpenseKind
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.feeds.budget import LATEST_REPORTS, Budget
from oracle.feeds.journal import Journal
from oracle.feeds.journal.expenses import ExpenseBook

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


def test_the_next_report_needs_as_much_gas_as_the_dearest_of_the_latest_transactions(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert gas_of_reports(journal) == gas_of_reports(None) == REPORT_GAS
        book = ExpenseBook(journal.store)
        for nonce, gas in enumerate([900_000, *[500_000] * (LATEST_REPORTS - 1), 700_000]):
            book.reserve(Expense("0xA", nonce, bytes([nonce]) * 32, gas, 1, ExpenseKind.REPORT))
        book.reserve(Expense("0xA", 99, b"f" * 32, 2_000_000, 1, ExpenseKind.SHADOW))
        assert gas_of_reports(journal) == 700_000, "the first one is too long ago"
        budget = Budget(book, None)
        budget.priced(1)
        assert budget.next_most == 700_000, "the daily limit counts with the same"


def test_a_journal_that_can_not_be_read_says_nothing_of_gas(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.close()
    assert gas_of_reports(journal) == REPORT_GAS
