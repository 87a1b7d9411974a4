"""The daily limit of a node: kept up to date with the chain, and told to other processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.tx.fees import FeePolicy
from oracle.chain.tx.settling import settle_used
from oracle.core.errors import ChainUnavailable, FeesTooHigh
from oracle.core.obstacles import Obstacle
from oracle.feeds.budget import Budget
from oracle.feeds.journal import Journal
from oracle.feeds.journal.expenses import ExpenseBook

__all__ = ["NodeBudget", "budget_obstacle", "price_of_next", "read_budget"]

SETTLE_S = 60.0
"""Seconds between two looks for nonces that are used up, and that nobody waits for."""


class NodeBudget(Budget):
    """The budget of a running node, which renews what it knows of the chain."""

    def __init__(
        self,
        journal: Journal,
        limit: int | None,
        rpc: Rpc,
        fees: FeePolicy,
        confirmations: int,
        clock: Callable[[], float] = time.time,
        listener: ChainListener | None = None,
    ) -> None:
        """Go on from what the journal has.

        Args:
            journal: The journal, which this node leads.
            limit: Wei in any 24 hours; None: no limit.
            rpc: The chain.
            fees: The limits of what a transaction may pay.
            confirmations: Blocks after which a transaction is final, its own included.
            clock: Unix seconds.
            listener: Notified of what is spent.

        Raises:
            JournalError, JournalUnavailable: It can't be read.
        """
        super().__init__(ExpenseBook(journal.store, clock), limit, clock)
        self._rpc = rpc
        self._fees = fees
        self._confirmations = confirmations
        self._now = clock
        self._settle_at = float("-inf")
        self._missed: dict[tuple[str, int], int] = {}
        self._listener = listener or ChainListener()
        self._listener.spent(self.spent, limit)

    async def obstacles(self) -> Sequence[Obstacle]:
        """Return the obstacle that the daily limit is for the next report, in a list; none if the report fits.

        Nonces that are used up are settled first. While the chain does not answer, the last price counts.

        Raises:
            JournalError, JournalUnavailable: It can't be written down.
        """
        with suppress(ChainUnavailable):
            await self.settle_used()
            if self.limit is not None:
                self.priced(await price_of_next(self._rpc, self._fees))
        self._listener.spent(self.spent, self.limit)
        found = self.obstacle()
        return [] if found is None else [found]

    async def settle_used(self) -> None:
        """Settle the nonces that are used up, and that no report waits for, if it is time to look.

        Raises:
            ChainUnavailable: No answer.
            JournalError, JournalUnavailable: It can't be written down.
        """
        if 0 < self._settle_at - self._now() <= SETTLE_S:  # farther away, the clock was set back
            return
        self._settle_at = self._now() + SETTLE_S
        await settle_used(self._rpc, self.open(), self, self._confirmations, self._missed)


async def price_of_next(rpc: Rpc, fees: FeePolicy) -> int:
    """Return the most that a new transaction would pay for a unit of gas now, in wei.

    Raises:
        ChainUnavailable: No answer.
    """
    market = await rpc.market()
    try:
        return fees.fresh(market).max_fee
    except FeesTooHigh:
        return fees.max_fee or 0


def read_budget(journal: Journal, limit: int | None, max_fee: int, clock: Callable[[], float] = time.time) -> Budget:
    """Return the budget as a journal has it, for a process that only reads.

    Args:
        journal: The journal.
        limit: Wei in any 24 hours; None: no limit.
        max_fee: The most that a new transaction would pay for a unit of gas now, in wei.
        clock: Unix seconds.

    Raises:
        JournalError, JournalUnavailable: It can't be read.
    """
    budget = Budget(ExpenseBook(journal.store, clock), limit, clock)
    budget.priced(max_fee)
    return budget


def budget_obstacle(
    journal: Journal, limit: int | None, max_fee: int, clock: Callable[[], float] = time.time
) -> Obstacle | None:
    """Return why the daily limit stops the next report of any feed; None: the report fits. Arguments as `read_budget`.

    Raises:
        JournalError, JournalUnavailable: It can't be read.
    """
    return None if limit is None else read_budget(journal, limit, max_fee, clock).obstacle()
