"""The submissions of one transaction, for whoever does not audit: nothing else of the audit is loaded for it."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.audit.calls import JudgedEvent, TransactionCalls, lasting_calls
from oracle.chain.hub import Submission
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Transaction
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import to_hex

NOT_FOUND = "its submission is not in the transaction's input"
"""Why a report can't be checked whose transaction does not show what was submitted."""


async def submissions_of(rpc: Rpc, hub: str, tx_hash: bytes, events: Sequence[JudgedEvent]) -> list[Submission]:
    """Return the submissions that may be behind the first of a transaction's events. Their signatures are not checked.

    Raises:
        ChainUnavailable: The endpoint does not answer, lacks the transaction, or can't trace a nested call.
        ValueError: The transaction calls the hub, but its input can't be read.
    """
    transaction = await rpc.transaction(tx_hash)
    if transaction is None:
        raise ChainUnavailable(f"{rpc.name} does not have transaction {to_hex(tx_hash)}: use an archive node")
    found = calls_in(transaction, hub).candidates(events)
    if not found:
        if (trace := await rpc.trace(tx_hash)) is None:
            raise ChainUnavailable(f"{rpc.name} can't trace transaction {to_hex(tx_hash)}: {NOT_FOUND}")
        found = TransactionCalls(traced=lasting_calls(trace, hub)).candidates(events)
    return [each.submission for each in found]


def calls_in(transaction: Transaction, hub: str) -> TransactionCalls:
    """Return where a transaction's submissions are, as far as the transaction itself shows them."""
    if transaction.to == hub:
        return TransactionCalls(direct=transaction.data)
    return TransactionCalls(inputs=transaction.data, missing=NOT_FOUND)
