"""Care for transactions that are not mined: send them again, replace them, and fill gaps between nonces.

Later nonces wait for earlier ones. So the lowest is cared for first, and one that nobody waits for any more is sent
again, or filled by a transfer of nothing to oneself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from oracle.chain.keys.signer import Key
from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Sent
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.chain.tx import transactions
from oracle.chain.tx.fees import Fees
from oracle.chain.tx.nonces import KEPT_BELOW, NonceRecord, Nonces
from oracle.chain.tx.policy import SendPolicy
from oracle.chain.tx.transactions import Content
from oracle.core.backoff import Backoff
from oracle.core.errors import (
    BudgetSpent,
    ChainUnavailable,
    ContractRejected,
    FeesTooHigh,
    PayerEmpty,
    TransactionRejected,
)
from oracle.core.formats import from_hex, to_hex
from oracle.core.money import Expense, ExpenseKind, Purse
from oracle.core.types import SignedTransaction

log = structlog.get_logger(__name__)

_TRANSFER_GAS = 21_000


@dataclass(frozen=True, slots=True)
class Replaceable:
    """A transaction that may be replaced, and how its errors are read; see `Sender.watch`."""

    transaction: SignedTransaction
    decode: ErrorDecoder | None
    passing: frozenset[str]


class Care:
    """Cares for the transactions of one key.

    Args:
        listener: Notified of what is sent again, replaced, and filled.
        clock: Monotonic seconds.
        purse: Pays for replacements and fillers.
        pays_for: The kind of transactions that are replaced.
    """

    def __init__(
        self,
        rpc: Rpc,
        key: Key,
        policy: SendPolicy,
        nonces: Nonces,
        listener: ChainListener,
        clock: Callable[[], float],
        purse: Purse,
        pays_for: ExpenseKind,
    ) -> None:
        self._rpc = rpc
        self._key = key
        self._policy = policy
        self._nonces = nonces
        self._listener = listener
        self._clock = clock
        self._purse = purse
        self._pays_for = pays_for
        self._mending = asyncio.Lock()
        self._gaps: dict[int, float] = {}

    def schedule(self, record: NonceRecord) -> None:
        """Plan when a transaction that is sent now is sent again."""
        record.resend = Backoff(self._policy.resend_s, self._policy.resend_last_s)
        record.resend_at = self._clock() + record.resend.pause()

    async def look_after(
        self, record: NonceRecord, latest: int, replaceable: Replaceable | None
    ) -> SignedTransaction | None:
        """Do what it takes for a transaction to get mined.

        Args:
            latest: The account's nonce in the latest block.
            replaceable: What may be replaced; None if nothing may.

        Returns:
            A replacement, which has to be kept before it is sent; None if there is none.
        """
        await self._send_again(record)
        if latest < record.nonce:
            record.since = None
            await self._mend(latest, record.nonce)
            return None
        now = self._clock()
        if record.since is None:
            record.since = now
        # A node that calls everything too cheap does not make this process bid up to its caps at once.
        patience = self._policy.resend_s if record.is_due else self._policy.replace_after_s
        if replaceable is not None and now - record.since >= patience:
            return await self._replace(record, replaceable)
        return None

    async def _send_again(self, record: NonceRecord) -> None:
        """Send the best paid one again, at growing intervals: nodes forget."""
        best = record.best_kept
        if best is None or self._clock() < record.resend_at:
            return
        if record.resend is None:  # this process has not sent it, or a reorganisation took it back
            self.schedule(record)
        else:
            record.resend_at = self._clock() + record.resend.pause()
        try:
            sent = await self._rpc.send_raw(best.raw)
        except (PayerEmpty, TransactionRejected) as error:
            log.warning("transaction not taken", nonce=record.nonce, reason=str(error))
            return
        if sent is Sent.ACCEPTED:
            log.warning("sent again: the node did not know it", nonce=record.nonce, transaction=to_hex(best.tx_hash))
            self._listener.sent_again()
        elif sent is Sent.FEE_TOO_LOW:
            record.is_due = True

    async def _replace(self, record: NonceRecord, replaceable: Replaceable) -> SignedTransaction | None:
        """Sign the same call with the same nonce and higher fees; return None if the caps do not allow any."""
        of = replaceable.transaction
        async with record.lock:
            if record.best.tx_hash != of.tx_hash:
                return record.best if same_call(record.best, of) else None
            content, _ = transactions.read(of.raw)
            fees = await self._raised(record, content.gas)
            if fees is None:
                return None
            try:
                # Higher fees for what would revert are lost. On the pending block it would revert because of itself.
                await self._rpc.call(
                    to_hex(content.to), content.data, sender=self._key.address, decode=replaceable.decode
                )
            except ContractRejected as error:
                if error.name not in replaceable.passing:
                    raise
            signed = await transactions.sign(self._key, await self._rpc.chain_id(), content, fees)
            if not self._pay(content, signed, fees, self._pays_for):
                record.since = self._clock()  # looked at again when it would be due again
                return None
            record.add(signed)
            record.is_due, record.since = False, self._clock()
        log.warning(
            "transaction is stuck: replaced", nonce=record.nonce, before=to_hex(of.tx_hash),
            transaction=to_hex(signed.tx_hash), **_shown(fees),
        )  # fmt: skip
        self._listener.replaced()
        return signed

    async def _raised(self, record: NonceRecord, gas: int) -> Fees | None:
        """Return fees above all that was offered for a nonce; None if the caps do not allow any, which is said once."""
        market = await self._rpc.market()
        if not record.transactions:
            return self._policy.fees.fresh(market, gas)
        offered = [transactions.read(each.raw)[1] for each in record.transactions]
        before = replace(
            offered[-1],
            priority_fee=None
            if offered[-1].priority_fee is None
            else max(each.priority_fee or each.max_fee for each in offered),
        )
        fees = self._policy.fees.raised(before, market, gas)
        if fees is None:
            record.since = self._clock()  # looked at again when it would be due again
            if not record.is_capped:
                log.error("stuck at the highest fees that are allowed", nonce=record.nonce, **_shown(before))
            record.is_capped = True
        return fees

    async def _mend(self, latest: int, nonce: int) -> None:
        """Care for earlier nonces that nobody waits for: nothing later is mined before them."""
        if self._mending.locked() or nonce - latest > KEPT_BELOW:  # the latter is a chain that was reset, or a lie
            return
        async with self._mending:
            for lower in range(latest, nonce):
                record = self._nonces.records.get(lower)
                if record is not None and record.watchers:
                    continue
                if record is not None:
                    await self._send_again(record)
            lowest = self._nonces.records.get(latest)
            if lowest is not None and lowest.watchers:
                self._gaps.pop(latest, None)
                return
            since = self._gaps.setdefault(latest, self._clock())
            for old in [each for each in self._gaps if each < latest]:
                del self._gaps[old]
            # Whoever waited for one that was kept may come back: a feed that failed tries again.
            patience = 3 if lowest is not None and lowest.kept else 1
            if self._clock() - since >= patience * self._policy.replace_after_s:
                self._gaps[latest] = self._clock()
                await self._fill(self._nonces.record(latest))

    async def _fill(self, record: NonceRecord) -> None:
        """Use a nonce up by a transfer of nothing to oneself. It carries no report, so no journal has to have it."""
        try:
            gas = await self._rpc.estimate_gas(self._key.address, b"", sender=self._key.address)
        except (ContractRejected, ChainUnavailable):
            gas = _TRANSFER_GAS
        try:
            fees = await self._raised(record, gas)
        except FeesTooHigh as error:
            log.warning("a missing nonce is not filled yet", nonce=record.nonce, reason=str(error))
            return
        if fees is None:
            return
        content = Content(record.nonce, gas, from_hex(self._key.address), 0, b"")
        signed = await transactions.sign(self._key, await self._rpc.chain_id(), content, fees)
        if not self._pay(content, signed, fees, ExpenseKind.FILLER):
            return
        record.add(signed, filler=True)
        log.warning(
            "a nonce that nobody waits for holds up later ones: filled", nonce=record.nonce,
            before=[to_hex(each) for each in record.hashes[:-1]], transaction=to_hex(signed.tx_hash),
        )  # fmt: skip
        self._listener.filled()
        try:
            await self._rpc.send_raw(signed.raw)
        except (PayerEmpty, TransactionRejected) as error:
            log.warning("transaction not taken", nonce=record.nonce, reason=str(error))

    def _pay(self, content: Content, signed: SignedTransaction, fees: Fees, kind: ExpenseKind) -> bool:
        """Set aside what a transaction can cost. Return False, and say so, if the daily limit leaves too little."""
        try:
            self._purse.reserve(
                Expense(self._key.address, content.nonce, signed.tx_hash, content.gas, fees.max_fee, kind)
            )
        except BudgetSpent as error:
            log.error("stuck, and not replaced or filled yet", nonce=content.nonce, reason=str(error))
            return False
        return True


def same_call(one: SignedTransaction, other: SignedTransaction) -> bool:
    """Return True if two transactions make the same call with the same nonce, whatever they pay."""
    return transactions.read(one.raw)[0].same_call(transactions.read(other.raw)[0])


def _shown(fees: Fees) -> dict[str, int]:
    return {"max_fee_wei": fees.max_fee, "priority_fee_wei": fees.priority_fee or 0}
