"""The daily limit: what the daemon's transactions may cost in any 24 hours.

A day is the last 24 hours, not a date: with dates, twice the limit could be spent around midnight, and whatever spends
too much at noon would stop all reports until midnight.

    reserve   Before a transaction can be sent, the most that it can cost is set aside: its gas limit at its highest
              fee. It has to fit beside all that was paid in the last 24 hours, and all that is set aside.
    settle    Once one of a nonce's transactions is mined for good, what it paid takes the place of what was set aside,
              and counts for 24 hours from then.

So the sum of what is paid in any 24 hours is never above the limit: of all payments in them, the one that was reserved
last had to fit beside all others. Both steps are in the journal before they count, so a restart changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from oracle.core.errors import BudgetSpent
from oracle.core.money import REPORT_GAS, Expense, ExpenseKind, Purse, Settlement, ether
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.types import SECONDS_A_DAY

__all__ = ["Bookkeeping", "Budget", "SpendingWindow", "Spent"]

LATEST_REPORTS = 16
"""So many of the latest reports say how much gas the next one can use."""

_SET_BACK_S = 60.0
"""Seconds by which a clock is set back that makes the journal be read again."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The expenses, as the journal has them.

    Attributes:
        open: The expenses of nonces that are not settled.
        settled: The payments for nonces, and when each was written down, unix seconds; of the last 24 hours at least.
        report_gas: The gas limits of the latest reports.
    """

    open: Sequence[Expense] = ()
    settled: Sequence[tuple[float, Settlement]] = ()
    report_gas: Sequence[int] = ()


class Bookkeeping(Protocol):
    """Writes expenses down."""

    def spent(self, since: float, reports: int) -> Spent:
        """Return what is open, what was settled since a time, and the gas limits of so many of the latest reports."""
        ...

    def reserve(self, expense: Expense) -> None:
        """Write down that a transaction was signed."""

    def settle(self, settlement: Settlement) -> None:
        """Write down what a nonce did cost."""


@dataclass
class SpendingWindow:
    """Adds up what was paid in the last 24 hours, and what is set aside. Pure: the caller has the clock."""

    reserved: dict[tuple[str, int], int] = field(default_factory=dict)
    paid: list[tuple[float, int]] = field(default_factory=list)

    def reserve(self, account: str, nonce: int, most: int) -> None:
        """Set aside what a nonce can cost: the most of all its transactions, as one of them is mined at most."""
        slot = (account, nonce)
        self.reserved[slot] = max(most, self.reserved.get(slot, 0))

    def settle(self, account: str, nonce: int, paid: int, at: float) -> None:
        """Put what was paid at a time in the place of what was set aside."""
        self.reserved.pop((account, nonce), None)
        self.paid.append((at, paid))

    def forget(self, until: float) -> None:
        """Drop what was paid until a time."""
        self.paid = [each for each in self.paid if each[0] > until]

    def spent(self, now: float) -> int:
        """Return what counts at a time."""
        return sum(self.reserved.values()) + sum(paid for at, paid in self.paid if at > now - SECONDS_A_DAY)

    def with_expense(self, account: str, nonce: int, most: int, now: float) -> int:
        """Return what would count at a time if a transaction were added."""
        before = self.reserved.get((account, nonce), 0)
        return self.spent(now) - before + max(most, before)

    def frees(self, amount: int, now: float) -> float | None:
        """Return the time from which at most an amount counts; None: not before what is set aside is settled."""
        left = self.spent(now)
        if left <= amount:
            return now
        for at, paid in sorted(self.paid):
            if at > now - SECONDS_A_DAY:
                left -= paid
                if left <= amount:
                    return at + SECONDS_A_DAY
        return None


class Budget(Purse):
    """Pays for the transactions of one node, from all its accounts, as far as the daily limit goes.

    It is used from one event loop.
    """

    def __init__(self, book: Bookkeeping, limit: int | None = None, clock: Callable[[], float] = time.time) -> None:
        """Go on from what the journal has.

        Args:
            book: The journal's expenses.
            limit: Wei in any 24 hours; None: no limit.
            clock: Unix seconds.

        Raises:
            JournalError, JournalUnavailable: It can't be read.
        """
        self.limit = limit
        self._book = book
        self._clock = clock
        self._price: int | None = None
        self._latest = clock()
        self._begin(self._latest)

    def _begin(self, now: float) -> None:
        """Take what counts from the journal."""
        self._window = SpendingWindow()
        found = self._book.spent(now - SECONDS_A_DAY, LATEST_REPORTS)
        for at, settled in found.settled:
            self._window.settle(settled.account, settled.nonce, settled.paid, at)
        for each in found.open:
            self._window.reserve(each.account, each.nonce, each.most)
        self._open = {(each.account, each.nonce, each.tx_hash): each for each in found.open}
        self._gas = list(found.report_gas)

    def _time(self) -> float:
        """Return the time. A clock that was ahead may have let payments grow old: they count again when it is set."""
        now = self._clock()
        if now < self._latest - _SET_BACK_S:
            self._begin(now)
        self._latest = now
        return now

    # --- paying ---

    def reserve(self, expense: Expense) -> None:
        """See `Purse`."""
        now = self._time()
        if not expense.feeds and expense.kind is not ExpenseKind.FILLER:
            # A replacement carries what the nonce's first transaction does.
            before = [each for each in self.open() if (each.account, each.nonce) == (expense.account, expense.nonce)]
            expense = replace(expense, feeds=next((each.feeds for each in before if each.feeds), ()))
        total = self._window.with_expense(expense.account, expense.nonce, expense.most, now)
        if self.limit is not None and total > self.limit:
            others = total - expense.most
            raise BudgetSpent(
                f"the transaction may cost {ether(expense.most)} ether, and of the {ether(self.limit)} of a day "
                f"{ether(others)} are spent or set aside: it waits, or raise [budget] ether_per_day"
            )
        self._book.reserve(expense)
        self._window.reserve(expense.account, expense.nonce, expense.most)
        self._open[expense.account, expense.nonce, expense.tx_hash] = expense
        if expense.kind is ExpenseKind.REPORT:
            self._gas = [*self._gas[1 - LATEST_REPORTS :], expense.gas_limit]

    def settle(self, settlement: Settlement) -> None:
        """See `Purse`. A nonce for which nothing is set aside was settled before."""
        now = self._time()
        slot = (settlement.account, settlement.nonce)
        if slot not in self._window.reserved:
            return
        self._book.settle(settlement)
        self._window.settle(*slot, settlement.paid, now)
        self._window.forget(now - 2 * SECONDS_A_DAY)
        self._open = {key: each for key, each in self._open.items() if key[:2] != slot}

    def open(self) -> Sequence[Expense]:
        """Return the expenses of nonces that are not settled, in the order in which they were signed."""
        return tuple(self._open.values())

    # --- what is left ---

    @property
    def spent(self) -> int:
        """The amount that counts now: paid in the last 24 hours, and set aside."""
        now = self._time()
        return self._window.spent(now)

    @property
    def set_aside(self) -> int:
        """The amount that is set aside for transactions under way."""
        return sum(self._window.reserved.values())

    @property
    def next_most(self) -> int:
        """The most that the next report may cost at the present price; 0 before the first price."""
        return max(self._gas, default=REPORT_GAS) * (self._price or 0)

    def priced(self, max_fee: int) -> None:
        """Take note of the most that a new transaction would pay for a unit of gas now."""
        self._price = max_fee

    def has_room_for(self, reports: int) -> bool:
        """Return whether so many reports could be paid for now."""
        return self.limit is None or self.spent + reports * self.next_most <= self.limit

    def obstacle(self) -> Obstacle | None:
        """Return why the daily limit stops the next report of any feed; None: the report fits."""
        if self.limit is None or self.has_room_for(1):
            return None
        need, now = self.next_most, self._time()
        free_at = self._window.frees(self.limit - need, now)
        if need > self.limit:
            remedy = "raise [budget] ether_per_day: it is less than one report may cost"
        elif free_at is None:
            remedy = "it goes on when the transactions that are under way are mined, or raise [budget] ether_per_day"
        else:
            at = datetime.fromtimestamp(free_at, UTC)
            remedy = f"it goes on at {at:%Y-%m-%d %H:%M} UTC by itself, or raise [budget] ether_per_day"
        detail = (
            f"{ether(self.spent)} of the {ether(self.limit)} ether that 24 hours may cost are spent or set aside, "
            f"and the next report may cost {ether(need)}"
        )
        return Obstacle(ObstacleKind.BUDGET, "", detail, remedy)
