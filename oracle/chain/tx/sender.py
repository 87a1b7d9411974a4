"""Transactions of one key, from signing to their confirmations.

A transaction is signed first and sent afterwards, so that the caller can keep it in between. Whatever happens, the same
signed bytes are sent again, and the chain knows them by one hash.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

import structlog

from oracle.chain.keys.signer import AnyKey, as_key
from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt, Sent
from oracle.chain.transport.heads import Heads
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.chain.tx import transactions
from oracle.chain.tx.care import Care, Replaceable, same_call
from oracle.chain.tx.nonces import NonceRecord, Nonces
from oracle.chain.tx.policy import SendPolicy
from oracle.chain.tx.transactions import Content
from oracle.core.backoff import Backoff
from oracle.core.concurrency import together
from oracle.core.errors import (
    ContractRejected,
    PayerEmpty,
    StateMoved,
    TransactionPending,
    TransactionRejected,
)
from oracle.core.formats import from_hex, to_hex
from oracle.core.money import Expense, ExpenseKind, Purse, Settlement
from oracle.core.types import SignedTransaction

log = structlog.get_logger(__name__)

GAS_MARGIN = 1.25
"""The state may move between estimate and block, to a path that needs more (a fresh slot, another event)."""

ROOM = 1.1
"""The factor by which a transaction may need more gas than others of its kind, where it is simulated with theirs."""

_LOOKS_UNTIL_TAKEN = 3
"""Looks at a used nonce without a receipt of ours until it counts as another's: the two are not shown at once."""


class Sender:
    """Sends transactions from one key. There must be only one sender for each key: it hands out the nonces.

    Args:
        account: The key, which pays.
        poll_s: Overrides the policy's.
        confirmations: Overrides the policy's.
        policy: How its transactions are cared for.
        known: See `oracle.chain.tx.nonces.Nonces`.
        heads: Tells of new blocks.
        listener: Notified of replacements.
        purse: Pays: asked before a transaction can be sent, and told what it did cost.
        pays_for: The kind of transactions that it sends.
        on_mined: Told how many seconds a transaction was waited for until it was in a block.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        rpc: Rpc,
        account: AnyKey,
        *,
        poll_s: float | None = None,
        confirmations: int | None = None,
        policy: SendPolicy | None = None,
        known: Callable[[], Iterable[SignedTransaction]] | None = None,
        heads: Heads | None = None,
        listener: ChainListener | None = None,
        purse: Purse | None = None,
        pays_for: ExpenseKind = ExpenseKind.REPORT,
        on_mined: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rpc = rpc
        self._key = as_key(account)
        policy = policy or SendPolicy()
        if poll_s is not None:
            policy = replace(policy, poll_s=poll_s)
        if confirmations is not None:
            policy = replace(policy, confirmations=confirmations)
        self._policy = policy
        self._heads = heads or Heads()
        self._on_mined = on_mined
        self._clock = clock
        self._nonces = Nonces(rpc, self.address, known)
        self._needed: dict[Hashable, int] = {}
        self._purse = Purse() if purse is None else purse
        self._pays_for = pays_for
        self._care = Care(
            rpc, self._key, policy, self._nonces, listener or ChainListener(), clock, self._purse, pays_for
        )

    def __repr__(self) -> str:
        return f"Sender({self.address})"

    @property
    def address(self) -> str:
        return self._key.address

    # --- signing and sending -----------------------------------------------------------------------------------

    async def sign(
        self,
        to: str | None,
        data: bytes,
        decode: ErrorDecoder | None = None,
        *,
        kind: Hashable | None = None,
        feeds: Sequence[str] = (),
    ) -> SignedTransaction:
        """Simulate, estimate and sign; nothing is sent. The nonce is taken as the last step, once the rest has held.

        Args:
            to: None deploys `data`.
            decode: Decodes the contract's custom errors.
            kind: Transactions of one kind need about as much gas: only the first is estimated, which executes it many
                times. The others are executed once, with that much gas.
            feeds: The names of the feeds whose observations it carries.

        Raises:
            ContractRejected: It would revert; the message is the reason.
            TransactionRejected: It needs more gas than a block has.
            FeesTooHigh: It would cost more than it may.
            BudgetSpent: The purse does not pay for it now.
            ChainUnavailable: No answer.
        """
        gas, (market, chain_id) = await together(
            self._simulate(to, data, decode, kind), together(self.rpc.market(), self.rpc.chain_id())
        )
        fees = self._policy.fees.fresh(market, gas)
        async with self._nonces.lock:
            content = Content(await self._nonces.free(), gas, b"" if to is None else from_hex(to), 0, data)
            signed = await transactions.sign(self._key, chain_id, content, fees)
            expense = Expense(
                self.address, content.nonce, signed.tx_hash, gas, fees.max_fee, self._pays_for, tuple(feeds)
            )
            self._purse.reserve(expense)
            self._nonces.record(content.nonce).add(signed)
        return signed

    async def broadcast(self, transaction: SignedTransaction, replaced: Sequence[bytes] = ()) -> None:
        """Give a transaction to the network. This is harmless if it was given before, or is mined.

        Args:
            replaced: Hashes of the transactions whose place it took.

        Raises:
            StateMoved: It can never be mined as it is: its nonce went to another transaction, or will go to it.
            PayerEmpty: The account has too little; sending it again later is right.
            TransactionRejected: The node will never take it.
            ChainUnavailable: No answer; sending it again is safe.
        """
        record = self._nonces.adopt(transaction, replaced)
        record.kept.add(transaction.tx_hash)
        self._care.schedule(record)
        try:
            sent = await self.rpc.send_raw(transaction.raw)
        except (PayerEmpty, TransactionRejected) as error:
            if len(record.hashes) == 1:
                if isinstance(error, PayerEmpty):
                    raise PayerEmpty(f"{self.address} has too little to pay with, send it ether: {error}") from None
                raise
            # The transaction that it was to replace is still there, and may be mined.
            log.warning("replacement not taken", nonce=record.nonce, reason=str(error))
            return
        if sent in (Sent.ACCEPTED, Sent.KNOWN):
            return
        for tx_hash in reversed(record.hashes):
            if await self.rpc.transaction(tx_hash) is not None or await self.rpc.receipt(tx_hash) is not None:
                # It is mined, and the node keeps no index of old transactions; or another of ours waits.
                return
        if sent is Sent.FEE_TOO_LOW:
            log.warning("fees are too low by now", nonce=record.nonce, transaction=to_hex(transaction.tx_hash))
            record.is_due = True
            return
        if sent is Sent.NONCE_USED:
            raise StateMoved(f"transaction {to_hex(transaction.tx_hash)}: its nonce {transaction.nonce} is used up")
        raise StateMoved(
            f"transaction {to_hex(transaction.tx_hash)}: another with nonce {transaction.nonce} is waiting"
        )

    # --- waiting -----------------------------------------------------------------------------------------------

    async def wait(self, tx_hash: bytes, deadline_s: float) -> Receipt:
        """Return the receipt, once the transaction has its confirmations. It may have reverted. Nothing is replaced.

        Args:
            deadline_s: Seconds from now.

        Raises:
            TransactionPending: It does not have them by then.
            StateMoved: Its nonce went to another transaction.
            ChainUnavailable: No answer.
        """
        record = self._nonces.of(tx_hash) or NonceRecord(-1, hashes=[tx_hash])
        record.first_watched = self._clock()
        reached = await self._watch(record, deadline_s, None)
        assert isinstance(reached, Receipt)
        return reached

    async def watch(
        self,
        transaction: SignedTransaction,
        deadline_s: float,
        decode: ErrorDecoder | None = None,
        *,
        replaced: Sequence[bytes] = (),
        passing: frozenset[str] = frozenset(),
        may_replace: bool = True,
    ) -> Receipt | SignedTransaction:
        """Wait for a transaction that was sent, or for any that was signed in its place.

        Args:
            deadline_s: Seconds from the first call for this nonce, replacements included.
            decode: Decodes the contract's custom errors.
            replaced: Hashes of the transactions whose place it took.
            passing: Names of errors that pass with time: a transaction that would revert with one is still replaced.
            may_replace: If False, it is only waited for.

        Returns:
            The receipt of the one that was mined, with its confirmations. Or, if this one is stuck, a replacement,
            signed and not sent: keep it, `broadcast` it, and watch that.

        Raises:
            TransactionPending: None is mined, or final, within the deadline.
            StateMoved: The nonce went to a transaction that is none of these.
            ContractRejected: It is stuck, and would revert if it were mined now. It is not replaced.
            ChainUnavailable: No answer.
        """
        record = self._nonces.adopt(transaction, replaced)
        if not may_replace:
            return await self._watch(record, deadline_s, None)
        latest = record.best
        if latest.tx_hash != transaction.tx_hash and same_call(latest, transaction):
            return latest  # it was replaced for the sake of another that shares it
        return await self._watch(record, deadline_s, Replaceable(transaction, decode, passing))

    async def _watch(
        self, record: NonceRecord, deadline_s: float, replaceable: Replaceable | None
    ) -> Receipt | SignedTransaction:
        # The first looks are close together: a local chain mines at once.
        pauses = Backoff(self._policy.poll_s / 16, self._policy.poll_s)
        taken = 0
        look_at_nonce = 0.0
        is_mined = False
        record.watchers += 1
        if record.first_watched is None:
            record.first_watched = self._clock()
        until = record.first_watched + deadline_s
        try:
            while True:
                heads = self._heads.count
                receipt = await self._receipt(record)
                if receipt is not None:
                    if not is_mined:
                        is_mined = True
                        self._on_mined(self._clock() - (until - deadline_s))
                    if await self._is_final(receipt):
                        record.first_watched = None
                        self._settle(record, receipt)
                        return receipt
                elif record.nonce >= 0 and self._clock() >= look_at_nonce:
                    look_at_nonce = self._clock() + 4 * self._policy.poll_s
                    latest = await self._nonces.latest()
                    if latest > record.nonce:
                        taken += 1
                        look_at_nonce = 0.0
                        if taken >= _LOOKS_UNTIL_TAKEN and await self._receipt(record) is None:
                            raise StateMoved(
                                f"transaction {to_hex(record.hashes[-1])}: its nonce {record.nonce} went to another one"
                            )
                    else:
                        taken = 0
                        replacement = await self._care.look_after(record, latest, replaceable)
                        if replacement is not None:
                            return replacement
                left = until - self._clock()
                if left <= 0:
                    record.first_watched = None
                    needed = self._policy.confirmations
                    state = "not mined" if receipt is None else f"mined, without {needed} confirmations"
                    raise TransactionPending(
                        f"transaction {to_hex(record.hashes[-1])} is {state} after {deadline_s:g} s"
                    )
                await self._heads.wait(min(pauses.pause(), left), heads)
        finally:
            record.watchers -= 1

    async def _receipt(self, record: NonceRecord) -> Receipt | None:
        """Return the receipt of whichever is mined. It is read anew each time: a reorganisation may take it back.

        Raises:
            StateMoved: A transfer that filled the nonce was mined.
        """
        found = None
        for tx_hash in reversed(record.hashes):
            found = await self.rpc.receipt(tx_hash)
            if found is not None:
                break
        if found is None and record.seen is not None:
            log.warning(
                "a reorganisation took a transaction back", nonce=record.nonce, block=record.seen.block_number,
                transaction=to_hex(record.seen.tx_hash),
            )  # fmt: skip
            record.resend_at, record.resend, record.since = 0.0, None, None
        record.seen = found
        if found is not None and found.tx_hash in record.fillers:
            raise StateMoved(f"nonce {record.nonce} went to a transfer that made room for later ones")
        return found

    def _settle(self, record: NonceRecord, receipt: Receipt) -> None:
        """Tell the purse what a nonce did cost."""
        if record.transactions:  # otherwise only a hash is known, of which nothing was set aside here
            _, dearest = transactions.read(record.best.raw)
            paid = receipt.paid(dearest.max_fee)
            settlement = Settlement(self.address, record.nonce, receipt.tx_hash, receipt.gas_used, paid)
            self._purse.settle(settlement)

    async def _is_final(self, receipt: Receipt) -> bool:
        if self._policy.confirmations <= 1:
            return True
        if await self.rpc.block_number() - receipt.block_number + 1 < self._policy.confirmations:
            return False
        # This is checked at the end once more: the block still has to be the chain's.
        return (await self.rpc.block(receipt.block_number)).hash == receipt.block_hash

    async def _simulate(self, to: str | None, data: bytes, decode: ErrorDecoder | None, kind: Hashable | None) -> int:
        """Return the gas limit of a transaction that succeeds on the pending block.

        That block has the time of the next one, and our own earlier transactions.
        """
        needed = self._needed.get(kind) if kind is not None else None
        if needed is not None and to is not None:
            # If it fails, it may only need more gas than the ones before it: the estimate says.
            with contextlib.suppress(ContractRejected):
                _, block = await together(
                    self.rpc.call(to, data, sender=self.address, block="pending", gas=needed, decode=decode),
                    self.rpc.block(),
                )
                return min(int(needed * GAS_MARGIN), block.gas_limit)
        estimate, limit = await self._estimate(to, data, decode)
        if kind is not None:
            self._needed[kind] = min(int(estimate * ROOM), limit)
        return min(int(estimate * GAS_MARGIN), limit)

    async def _estimate(self, to: str | None, data: bytes, decode: ErrorDecoder | None) -> tuple[int, int]:
        """Return the gas that a transaction needs, and that of a block. The estimate is a simulation.

        Some nodes give no reason where it fails, and are then asked for one with a call.
        """
        try:
            estimate, block = await together(
                self.rpc.estimate_gas(to, data, sender=self.address, decode=decode), self.rpc.block()
            )
        except ContractRejected as error:
            if error.name is None and to is not None:
                await self.rpc.call(to, data, sender=self.address, block="pending", decode=decode)
            raise
        limit = block.gas_limit
        if estimate > limit:
            raise TransactionRejected(f"the transaction needs {estimate:,} gas, more than a block has ({limit:,})")
        return estimate, limit
