"""Nonces of one key: which are handed out, and what was signed for each.

The node does not decide which nonce is next: what it calls "pending" is its own pool, and a node forgets its pool. The
next nonce is the latest block's, and on top of it what this program signed and kept.

A nonce can have several transactions: one that is stuck is signed again on purpose, with higher fees and otherwise as
it was. At most one of them is ever mined, any of them may be, and so all of them are watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx import transactions
from oracle.core.backoff import Backoff
from oracle.core.types import SignedTransaction

KEPT_BELOW = 256
"""So many nonces below the chain's are still recorded: a reorganisation may give them back."""

_REORGANISED = 32
"""So many nonces below the chain's are read from the journal for the same reason."""


@dataclass(eq=False)
class NonceRecord:
    """All transactions that were signed for one nonce.

    Attributes:
        transactions: The best paid last.
        hashes: The hashes of these, and of others of which only the hash is known.
        fillers: Hashes of those `transactions` that are transfers to oneself.
        kept: Hashes of those `transactions` that may be sent, because the caller has them in its journal.
        is_due: True if the node calls the fees too low: then the replacement comes sooner.
        is_capped: True if it was said already that the caps allow no replacement.
        watchers: The number of callers that wait for the nonce.
        since: The time from which it could be mined, or of its last replacement; None while earlier nonces are open.
        first_watched: The time at which the present wait began.
        resend_at: The time at which the best paid one is sent again.
        resend: The pauses between attempts to send it; None if this process has not sent it.
        seen: A receipt that was found, and may still be taken back.
        lock: Held while a replacement is made.
    """

    nonce: int
    transactions: list[SignedTransaction] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    fillers: set[bytes] = field(default_factory=set)
    kept: set[bytes] = field(default_factory=set)
    is_due: bool = False
    is_capped: bool = False
    watchers: int = 0
    since: float | None = None
    first_watched: float | None = None
    resend_at: float = 0.0
    resend: Backoff | None = None
    seen: Receipt | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, transaction: SignedTransaction, *, filler: bool = False) -> None:
        """Record a transaction.

        Args:
            filler: It is a transfer to oneself, which needs no journal: it may be sent at once.
        """
        if transaction.tx_hash not in self.hashes:
            self.hashes.append(transaction.tx_hash)
        if all(each.tx_hash != transaction.tx_hash for each in self.transactions):
            self.transactions.append(transaction)
            self.transactions.sort(key=lambda each: transactions.read(each.raw)[1].max_fee)
        if filler:
            self.fillers.add(transaction.tx_hash)
            self.kept.add(transaction.tx_hash)

    @property
    def best_kept(self) -> SignedTransaction | None:
        """The best paid transaction that may be sent; None if there is none."""
        return next((each for each in reversed(self.transactions) if each.tx_hash in self.kept), None)

    @property
    def best(self) -> SignedTransaction:
        """The best paid transaction."""
        return self.transactions[-1]


class Nonces:
    """The nonces of one key.

    Args:
        known: Returns all that the journal has of this key and is not long mined; it is read before a nonce is chosen.
            None: there is no journal, so what the node says is pending is avoided too.

    Attributes:
        records: Records, by nonce.
        lock: Held by whoever chooses a nonce, until the transaction is recorded.
    """

    def __init__(self, rpc: Rpc, address: str, known: Callable[[], Iterable[SignedTransaction]] | None) -> None:
        self._rpc = rpc
        self._address = address
        self._known = known
        self._is_read = False
        self._foreign: set[bytes] = set()
        self.records: dict[int, NonceRecord] = {}
        self.lock = asyncio.Lock()

    async def free(self) -> int:
        """Return the next nonce that nothing was signed for, and forget records that are long mined."""
        nonce = latest = await self.latest(anew=True)
        if self._known is None:
            nonce = max(nonce, await self._rpc.nonce(self._address, "pending"))
        while nonce in self.records:
            nonce += 1
        for old in [each for each in self.records if each < latest - KEPT_BELOW]:
            del self.records[old]
        return nonce

    def of(self, tx_hash: bytes) -> NonceRecord | None:
        """Return the record that has a hash; None if there is none."""
        return next((each for each in self.records.values() if tx_hash in each.hashes), None)

    async def latest(self, *, anew: bool = False) -> int:
        """Return the nonce of the latest block, and record what the journal has above it.

        Args:
            anew: Read the journal again: another daemon may have written to it since.
        """
        latest = await self._rpc.nonce(self._address)
        if self._known is not None and (anew or not self._is_read):
            for transaction in self._known():
                record = self.records.get(transaction.nonce)
                if transaction.nonce < latest - _REORGANISED or transaction.tx_hash in self._foreign:
                    continue
                if record is not None and transaction.tx_hash in record.kept:
                    continue
                # A journal may also have transactions of an earlier key.
                if transactions.signer_of(transaction.raw) == self._address:
                    self.adopt(transaction, ()).kept.add(transaction.tx_hash)
                else:
                    self._foreign.add(transaction.tx_hash)
            self._is_read = True
        return latest

    def record(self, nonce: int) -> NonceRecord:
        """Return the record of a nonce, a new one if need be."""
        return self.records.setdefault(nonce, NonceRecord(nonce))

    def adopt(self, transaction: SignedTransaction, replaced: Sequence[bytes]) -> NonceRecord:
        """Return the record of a transaction that was signed here, or by this process's predecessor.

        Args:
            replaced: Hashes of the transactions whose place it took.
        """
        transactions.read(transaction.raw)
        record = self.record(transaction.nonce)
        for tx_hash in replaced:
            if tx_hash not in record.hashes:
                record.hashes.insert(0, tx_hash)
        record.add(transaction)
        return record
