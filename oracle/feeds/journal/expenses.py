"""The expenses of a node, in its journal's database: so only the journal's leader writes them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from oracle.core.documents import parse_json
from oracle.core.money import Expense, ExpenseKind, Settlement
from oracle.feeds.budget import Spent
from oracle.feeds.journal.schema import expenses, settlements
from oracle.feeds.journal.store import Store, naming

__all__ = ["ExpenseBook"]


class ExpenseBook:
    """Writes expenses and settlements down, and reads them; see `oracle.feeds.budget`."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        """Use a journal's database.

        Args:
            store: The database.
            now: Unix seconds.
        """
        self._store = store
        self._now = now

    def reserve(self, expense: Expense) -> None:
        """Write down that a transaction was signed.

        Raises:
            JournalError, JournalUnavailable: It can't be written.
        """
        with self._store.transaction() as connection:
            connection.execute(
                expenses.insert().values(
                    account=expense.account,
                    nonce=expense.nonce,
                    tx_hash=expense.tx_hash,
                    gas_limit=expense.gas_limit,
                    max_fee=str(expense.max_fee),
                    kind=expense.kind.value,
                    feeds=json.dumps(expense.feeds),
                    at=float(self._now()),
                )
            )

    def settle(self, settlement: Settlement) -> None:
        """Write down what a nonce did cost: all expenses that it has until now are settled.

        Raises:
            JournalError, JournalUnavailable: It can't be written.
        """
        with self._store.transaction() as connection:
            mine = (expenses.c.account == settlement.account) & (expenses.c.nonce == settlement.nonce)
            last = connection.scalar(sa.select(sa.func.max(expenses.c.id)).where(mine))
            connection.execute(
                settlements.insert().values(
                    expense=last,
                    account=settlement.account,
                    nonce=settlement.nonce,
                    tx_hash=settlement.tx_hash,
                    gas_used=settlement.gas_used,
                    paid=str(settlement.paid),
                    at=float(self._now()),
                )
            )

    def spent(self, since: float, reports: int) -> Spent:
        """Return what is open, what was settled since a time, and the gas limits of so many of the latest reports.

        Raises:
            JournalError: A row does not say what it should.
            JournalUnavailable: It can't be read.
        """
        settled = sa.exists().where(
            settlements.c.account == expenses.c.account,
            settlements.c.nonce == expenses.c.nonce,
            settlements.c.expense >= expenses.c.id,
        )
        recent = sa.select(settlements).where(settlements.c.at > since).order_by(settlements.c.id)
        with self._store.transaction(read=True) as connection, naming(self._store.name, "an expense"):
            rows = connection.execute(sa.select(expenses).where(~settled).order_by(expenses.c.id)).all()
            return Spent(
                tuple(_expense(row) for row in rows),
                tuple((row.at, _settlement(row)) for row in connection.execute(recent)),
                tuple(reversed(connection.scalars(_gas_of(reports)).all())),
            )

    def report_gas(self, reports: int) -> Sequence[int]:
        """Return the gas limits of so many of the latest reports, the latest first.

        Raises:
            JournalUnavailable: It can't be read.
        """
        with self._store.transaction(read=True) as connection:
            return connection.scalars(_gas_of(reports)).all()

    def settled(self, since: float) -> list[tuple[float, Settlement, Expense]]:
        """Return what was settled since a time: when, and with the transaction that was mined, as it was signed.

        If nobody can say which was mined, it is the nonce's latest one.

        Raises:
            JournalError: A row does not say what it should.
            JournalUnavailable: It can't be read.
        """
        signed = expenses.alias("signed")
        mined = sa.select(sa.func.max(signed.c.id)).where(
            signed.c.account == settlements.c.account,
            signed.c.nonce == settlements.c.nonce,
            signed.c.tx_hash == settlements.c.tx_hash,
        )
        query = (
            sa.select(settlements.c.at.label("settled_at"), settlements.c.paid, settlements.c.gas_used,
                      settlements.c.tx_hash.label("mined"), expenses)
            .select_from(settlements)
            .join(expenses, expenses.c.id == sa.func.coalesce(mined.scalar_subquery(), settlements.c.expense))
            .where(settlements.c.at > since)
            .order_by(settlements.c.id)
        )  # fmt: skip
        with self._store.transaction(read=True) as connection, naming(self._store.name, "an expense"):
            found = []
            for row in connection.execute(query):
                settlement = Settlement(row.account, row.nonce, row.mined, row.gas_used, int(row.paid))
                found.append((row.settled_at, settlement, _expense(row)))
        return found


def _gas_of(reports: int) -> sa.Select[Any]:
    """Select the gas limits of so many of the latest reports, the latest first."""
    is_report = expenses.c.kind == ExpenseKind.REPORT.value
    return sa.select(expenses.c.gas_limit).where(is_report).order_by(expenses.c.id.desc()).limit(reports)


def _expense(row: Any) -> Expense:
    feeds = parse_json(row.feeds)
    if not isinstance(feeds, list) or not all(isinstance(each, str) for each in feeds):
        raise ValueError("feeds is not a list of names")
    return Expense(
        row.account, row.nonce, row.tx_hash, row.gas_limit, int(row.max_fee), ExpenseKind(row.kind), tuple(feeds)
    )


def _settlement(row: Any) -> Settlement:
    return Settlement(row.account, row.nonce, row.tx_hash, row.gas_used, int(row.paid))
