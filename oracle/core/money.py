"""Expenses: what transactions can cost, and what they did cost. All amounts are in wei.

An expense is reserved before its transaction can be sent, at the most that it can cost. Its nonce settles it: once one
of the nonce's transactions is mined, what that one paid takes the place of what was reserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["REPORT_GAS", "WEI", "Expense", "ExpenseKind", "Purse", "Settlement", "ether"]

WEI = 10**18
"""Wei of an ether."""

REPORT_GAS = 1_000_000
"""Gas of a report of one feed at most, its margin included: until one was signed, the next one counts with it."""


class ExpenseKind(StrEnum):
    """The kinds of transactions that a daemon pays for."""

    REPORT = "report"
    SHADOW = "shadow"
    """A shadow report, of the model that is proposed."""
    FILLER = "filler"
    """A transfer of nothing to oneself, which uses a nonce up."""


@dataclass(frozen=True, slots=True)
class Expense:
    """A signed transaction, at the most that it can cost.

    Attributes:
        account: Checksummed address of the account that pays.
        nonce: The transaction's nonce. Of all with one nonce, one is mined at most.
        tx_hash: The transaction's hash.
        gas_limit: The most gas that it can use.
        max_fee: The most that a unit of gas can cost.
        kind: The kind of transaction.
        feeds: The names of the feeds whose observations it carries.
    """

    account: str
    nonce: int
    tx_hash: bytes
    gas_limit: int
    max_fee: int
    kind: ExpenseKind
    feeds: tuple[str, ...] = ()

    @property
    def most(self) -> int:
        """The most that it can cost."""
        return self.gas_limit * self.max_fee


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of a nonce: what it did cost.

    Attributes:
        account: Checksummed address of the account that has paid.
        nonce: The nonce.
        tx_hash: The transaction that was mined; None if nobody can say which, and `paid` is the most that was reserved.
        gas_used: The gas that it used; 0 if `tx_hash` is None.
        paid: The amount that was paid.
    """

    account: str
    nonce: int
    tx_hash: bytes | None
    gas_used: int
    paid: int


class Purse:
    """Pays for transactions. This base class pays for all, and writes nothing down; see `oracle.feeds.budget`."""

    def reserve(self, expense: Expense) -> None:
        """Set aside the most that a transaction can cost, before it can be sent.

        Raises:
            BudgetSpent: The daily limit leaves too little for it.
            JournalError, JournalUnavailable: It can't be written down; then nothing is set aside.
        """

    def settle(self, settlement: Settlement) -> None:
        """Put what was paid for a nonce in the place of what was set aside for it.

        Raises:
            JournalError, JournalUnavailable: It can't be written down; then the reservation stays.
        """


def ether(wei: float) -> str:
    """Return an amount in ether, with four significant digits, for people."""
    value = f"{wei / WEI:.4g}"
    return f"{float(value):.18f}".rstrip("0").rstrip(".") if "e" in value else value
