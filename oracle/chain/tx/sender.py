"""Transactions of one key, from signing to their confirmations.

A transaction is signed first and sent afterwards, so that the caller can keep it in between: whatever happens, the same
signed bytes are sent again, and the chain knows them by one hash.

A nonce can have several: one that is stuck is signed again on purpose, with higher fees and otherwise as it was. At
most one of them is ever mined, any of them may be, and so all of them are watched.

Which nonce is next is not the node's to say: what it calls "pending" is its own pool, which forgets. It is the latest
block's, and on top of it what this program signed and kept. Later nonces wait for earlier ones; so the lowest is cared
for first, and one that nobody waits for any more is sent again, or filled by a transfer of nothing to oneself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from oracle.chain.keys.signer import as_key
from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt, Sent
from oracle.chain.transport.heads import Heads
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.chain.tx import transactions
from oracle.chain.tx.fees import FeePolicy, Fees
from oracle.chain.tx.transactions import Content
from oracle.core.errors import (
    ChainUnavailable,
    ContractRejected,
    FeesTooHigh,
    PayerEmpty,
    StateMoved,
    TransactionPending,
    TransactionRejected,
)
from oracle.core.types import SignedTransaction

if TYPE_CHECKING:
    from oracle.chain.keys.signer import AnyKey

log = structlog.get_logger(__name__)

GAS_MARGIN = 1.25
"""The state may move between estimate and block, to a path that needs more (a fresh slot, another event)."""

_TRANSFER_GAS = 21_000
_KEPT_BELOW = 256
"""Nonces below the chain's that are still known: a reorganisation may give them back."""

_REORGANISED = 32
"""Nonces below the chain's that are read from the journal for the same reason."""

_LOOKS_UNTIL_TAKEN = 3
"""Looks at a used nonce without a receipt of ours until it counts as another's: the two are not shown at once."""


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How transactions are cared for. Times in seconds.

    Attributes:
        confirmations: Blocks, the transaction's own included, after which it is taken as final.
        poll_s: Between two looks for a receipt.
        replace_after_s: Without being mined, though it could be, until it is replaced.
        resend_s: Until it is sent again, for the case that the node has forgotten it; doubled each time.
        fees: What may be paid.
    """

    confirmations: int = 1
    poll_s: float = 0.25
    replace_after_s: float = 45.0
    resend_s: float = 5.0
    resend_last_s: float = 60.0
    fees: FeePolicy = field(default_factory=FeePolicy)


@dataclass(eq=False)
class _Flight:
    """All that was signed for one nonce.

    Attributes:
        transactions: The best paid last.
        hashes: Of these, and of others of which only the hash is known.
        fillers: Of `transactions`: transfers to oneself.
        kept: Of `transactions`, those that may be sent: the caller has them in its journal.
        watchers: How many wait for it.
        is_due: The node calls its fees too low: it does not have to be waited for.
        since: When it could be mined first, or was last replaced; None: earlier nonces are open.
        first_watched: When the present wait began.
        resend_at: When it is sent again.
        seen: A receipt that was found, and may still be taken back.
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
    resend_pause: float = 0.0
    seen: Receipt | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, transaction: SignedTransaction, *, filler: bool = False) -> None:
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
        return next((each for each in reversed(self.transactions) if each.tx_hash in self.kept), None)

    @property
    def best(self) -> SignedTransaction:
        return self.transactions[-1]


@dataclass(frozen=True, slots=True)
class _Replaceable:
    """What may be replaced, and what is known of its errors; see `Sender.watch`."""

    transaction: SignedTransaction
    decode: ErrorDecoder | None
    passing: frozenset[str]


class Sender:
    """Sends transactions from one key. There must be only one for each key: it hands out the nonces.

    Args:
        account: Pays.
        poll_s: As of the policy.
        confirmations: As of the policy.
        policy: How its transactions are cared for.
        known: All that the journal has of this key and is not long mined: read before a nonce is chosen.
            None: there is no journal, so what the node says is pending is avoided too.
        heads: Tells of new blocks.
        listener: Is told of replacements.
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
        self._known = known
        self._is_read = False
        self._foreign: set[bytes] = set()
        self._heads = heads or Heads()
        self._listener = listener or ChainListener()
        self._clock = clock
        self._lock = asyncio.Lock()
        self._mending = asyncio.Lock()
        self._flights: dict[int, _Flight] = {}
        self._gaps: dict[int, float] = {}

    def __repr__(self) -> str:
        return f"Sender({self.address})"

    @property
    def address(self) -> str:
        return self._key.address

    # --- signing and sending -----------------------------------------------------------------------------------

    async def sign(self, to: str | None, data: bytes, decode: ErrorDecoder | None = None) -> SignedTransaction:
        """Simulate, estimate and sign; nothing is sent. The nonce is taken as the last step, once the rest has held.

        Args:
            to: None deploys `data`.
            decode: For the contract's custom errors.

        Raises:
            ContractRejected: It would revert, and why.
            TransactionRejected: It needs more gas than a block has.
            FeesTooHigh: It would cost more than it may.
            ChainUnavailable: No answer.
        """
        gas = await self._simulate(to, data, decode)
        fees = self._policy.fees.fresh(await self.rpc.market(), gas)
        chain_id = await self.rpc.chain_id()
        async with self._lock:
            nonce = latest = await self._latest(anew=True)
            if self._known is None:
                nonce = max(nonce, await self.rpc.nonce(self.address, "pending"))
            while nonce in self._flights:
                nonce += 1
            target = b"" if to is None else bytes.fromhex(to.removeprefix("0x"))
            signed = await transactions.sign(self._key, chain_id, Content(nonce, gas, target, 0, data), fees)
            self._flight(nonce).add(signed)
            for old in [each for each in self._flights if each < latest - _KEPT_BELOW]:
                del self._flights[old]
        return signed

    async def broadcast(self, transaction: SignedTransaction, replaced: Sequence[bytes] = ()) -> None:
        """Give it to the network; harmless if it was given before, or is mined.

        Args:
            replaced: Hashes of those whose place it took.

        Raises:
            StateMoved: It can never be mined as it is: its nonce went to another transaction, or will.
            PayerEmpty: The account has too little; sending it again later is right.
            TransactionRejected: The node will never take it.
            ChainUnavailable: No answer; sending it again is safe.
        """
        flight = self._adopt(transaction, replaced)
        flight.kept.add(transaction.tx_hash)
        self._schedule(flight)
        try:
            sent = await self.rpc.send_raw(transaction.raw)
        except (PayerEmpty, TransactionRejected) as error:
            if len(flight.hashes) == 1:
                if isinstance(error, PayerEmpty):
                    raise PayerEmpty(f"{self.address} has too little to pay with, send it ether: {error}") from None
                raise
            # What it was to replace is still there, and may be mined.
            log.warning("replacement not taken", nonce=flight.nonce, reason=str(error))
            return
        if sent in (Sent.ACCEPTED, Sent.KNOWN):
            return
        for tx_hash in reversed(flight.hashes):
            if await self.rpc.transaction(tx_hash) is not None or await self.rpc.receipt(tx_hash) is not None:
                # Mined, by a node that keeps no index of old transactions; or another of ours waits.
                return
        if sent is Sent.FEE_TOO_LOW:
            log.warning("fees are too low by now", nonce=flight.nonce, transaction=_hex(transaction.tx_hash))
            flight.is_due = True
            return
        if sent is Sent.NONCE_USED:
            raise StateMoved(f"transaction {_hex(transaction.tx_hash)}: its nonce {transaction.nonce} is used up")
        raise StateMoved(f"transaction {_hex(transaction.tx_hash)}: another with nonce {transaction.nonce} is waiting")

    # --- waiting -----------------------------------------------------------------------------------------------

    async def wait(self, tx_hash: bytes, deadline_s: float) -> Receipt:
        """The receipt, once the transaction has its confirmations. It may say that it reverted. Nothing is replaced.

        Args:
            deadline_s: Seconds from now.

        Raises:
            TransactionPending: It has not by then.
            StateMoved: Its nonce went to another transaction.
            ChainUnavailable: No answer.
        """
        flight = next((each for each in self._flights.values() if tx_hash in each.hashes), None)
        if flight is None:
            flight = _Flight(-1, hashes=[tx_hash])
        flight.first_watched = self._clock()
        reached = await self._watch(flight, deadline_s, None)
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
            decode: For the contract's custom errors.
            replaced: Hashes of those whose place it took.
            passing: Errors that pass by themselves with time: what would revert for them is replaced all the same.
            may_replace: False: it is only waited for.

        Returns:
            The receipt of the one that was mined, with its confirmations; or a replacement, signed and not sent, as
            this one is stuck: keep it, `broadcast` it, and watch that.

        Raises:
            TransactionPending: None is mined, or final, within the deadline.
            StateMoved: The nonce went to a transaction that is none of these.
            ContractRejected: It is stuck, and would revert if it were mined now. It is not replaced.
            ChainUnavailable: No answer.
        """
        flight = self._adopt(transaction, replaced)
        if not may_replace:
            return await self._watch(flight, deadline_s, None)
        latest = flight.best
        if latest.tx_hash != transaction.tx_hash and _same_call(latest, transaction):
            return latest  # it was replaced for the sake of another that shares it
        return await self._watch(flight, deadline_s, _Replaceable(transaction, decode, passing))

    async def _watch(
        self, flight: _Flight, deadline_s: float, replaceable: _Replaceable | None
    ) -> Receipt | SignedTransaction:
        # The first looks are close together: a local chain mines at once.
        pause = self._policy.poll_s / 16
        taken = 0
        look_at_nonce = 0.0
        flight.watchers += 1
        if flight.first_watched is None:
            flight.first_watched = self._clock()
        until = flight.first_watched + deadline_s
        try:
            while True:
                heads = self._heads.count
                receipt = await self._receipt(flight)
                if receipt is not None:
                    if await self._is_final(receipt):
                        flight.first_watched = None
                        return receipt
                elif flight.nonce >= 0 and self._clock() >= look_at_nonce:
                    look_at_nonce = self._clock() + 4 * self._policy.poll_s
                    latest = await self._latest()
                    if latest > flight.nonce:
                        taken += 1
                        look_at_nonce = 0.0
                        if taken >= _LOOKS_UNTIL_TAKEN and await self._receipt(flight) is None:
                            raise StateMoved(
                                f"transaction {_hex(flight.hashes[-1])}: its nonce {flight.nonce} went to another one"
                            )
                    else:
                        taken = 0
                        replacement = await self._care(flight, latest, replaceable)
                        if replacement is not None:
                            return replacement
                left = until - self._clock()
                if left <= 0:
                    flight.first_watched = None
                    needed = self._policy.confirmations
                    state = "not mined" if receipt is None else f"mined, without {needed} confirmations"
                    raise TransactionPending(f"transaction {_hex(flight.hashes[-1])} is {state} after {deadline_s:g} s")
                await self._heads.wait(min(pause, left), heads)
                pause = min(self._policy.poll_s, 2 * pause)
        finally:
            flight.watchers -= 1

    async def _receipt(self, flight: _Flight) -> Receipt | None:
        """The receipt of whichever is mined. Read anew each time: a reorganisation may take it back.

        Raises:
            StateMoved: It is that of a transfer which filled the nonce.
        """
        found = None
        for tx_hash in reversed(flight.hashes):
            found = await self.rpc.receipt(tx_hash)
            if found is not None:
                break
        if found is None and flight.seen is not None:
            log.warning(
                "a reorganisation took a transaction back", nonce=flight.nonce, block=flight.seen.block_number,
                transaction=_hex(flight.seen.tx_hash),
            )  # fmt: skip
            flight.resend_at, flight.resend_pause, flight.since = 0.0, 0.0, None
        flight.seen = found
        if found is not None and found.tx_hash in flight.fillers:
            raise StateMoved(f"nonce {flight.nonce} went to a transfer that made room for later ones")
        return found

    async def _is_final(self, receipt: Receipt) -> bool:
        if self._policy.confirmations <= 1:
            return True
        if await self.rpc.block_number() - receipt.block_number + 1 < self._policy.confirmations:
            return False
        # Once more, at the end: the block has to be the chain's still.
        return (await self.rpc.block(receipt.block_number)).hash == receipt.block_hash

    # --- what is stuck -----------------------------------------------------------------------------------------

    async def _care(self, flight: _Flight, latest: int, replaceable: _Replaceable | None) -> SignedTransaction | None:
        """See to it that a transaction gets mined.

        Args:
            latest: The account's nonce in the latest block.
            replaceable: What may be replaced; None: nothing.

        Returns:
            A replacement that has to be kept before it is sent.
        """
        await self._send_again(flight)
        if latest < flight.nonce:
            flight.since = None
            await self._mend(latest, flight.nonce)
            return None
        now = self._clock()
        if flight.since is None:
            flight.since = now
        # A node that calls everything too cheap does not make this process bid up to its caps at once.
        patience = self._policy.resend_s if flight.is_due else self._policy.replace_after_s
        if replaceable is not None and now - flight.since >= patience:
            return await self._replace(flight, replaceable)
        return None

    async def _send_again(self, flight: _Flight) -> None:
        """Send the best paid one again, at growing intervals: nodes forget."""
        best = flight.best_kept
        if best is None or self._clock() < flight.resend_at:
            return
        if flight.resend_pause == 0.0:  # it was not sent by this process, or a reorganisation took it back
            flight.resend_pause = self._policy.resend_s / 2
        flight.resend_pause = min(self._policy.resend_last_s, 2 * flight.resend_pause)
        flight.resend_at = self._clock() + flight.resend_pause
        try:
            sent = await self.rpc.send_raw(best.raw)
        except (PayerEmpty, TransactionRejected) as error:
            log.warning("transaction not taken", nonce=flight.nonce, reason=str(error))
            return
        if sent is Sent.ACCEPTED:
            log.warning("sent again: the node did not know it", nonce=flight.nonce, transaction=_hex(best.tx_hash))
            self._listener.sent_again()
        elif sent is Sent.FEE_TOO_LOW:
            flight.is_due = True

    async def _replace(self, flight: _Flight, replaceable: _Replaceable) -> SignedTransaction | None:
        """The same call with the same nonce and higher fees; None if the caps do not allow any."""
        of = replaceable.transaction
        async with flight.lock:
            if flight.best.tx_hash != of.tx_hash:
                return flight.best if _same_call(flight.best, of) else None
            content, _ = transactions.read(of.raw)
            fees = await self._raised(flight, content.gas)
            if fees is None:
                return None
            try:
                # Higher fees for what would revert are lost. On the pending block it would revert for itself.
                await self.rpc.call(
                    "0x" + content.to.hex(), content.data, sender=self.address, decode=replaceable.decode
                )
            except ContractRejected as error:
                if error.name not in replaceable.passing:
                    raise
            signed = await transactions.sign(self._key, await self.rpc.chain_id(), content, fees)
            flight.add(signed)
            flight.is_due, flight.since = False, self._clock()
        log.warning(
            "transaction is stuck: replaced", nonce=flight.nonce, before=_hex(of.tx_hash),
            transaction=_hex(signed.tx_hash), **_shown(fees),
        )  # fmt: skip
        self._listener.replaced()
        return signed

    async def _raised(self, flight: _Flight, gas: int) -> Fees | None:
        """Fees above all that was offered for a nonce; None if the caps do not allow any, which is said once."""
        market = await self.rpc.market()
        if not flight.transactions:
            return self._policy.fees.fresh(market, gas)
        offered = [transactions.read(each.raw)[1] for each in flight.transactions]
        before = replace(
            offered[-1],
            priority_fee=None
            if offered[-1].priority_fee is None
            else max(each.priority_fee or each.max_fee for each in offered),
        )
        fees = self._policy.fees.raised(before, market, gas)
        if fees is None:
            flight.since = self._clock()  # looked at again when it would be due again
            if not flight.is_capped:
                log.error("stuck at the highest fees that are allowed", nonce=flight.nonce, **_shown(before))
            flight.is_capped = True
        return fees

    async def _mend(self, latest: int, nonce: int) -> None:
        """Care for earlier nonces that nobody waits for: nothing later is mined before them."""
        if self._mending.locked() or nonce - latest > _KEPT_BELOW:  # the latter is a chain that was reset, or a lie
            return
        async with self._mending:
            for lower in range(latest, nonce):
                flight = self._flights.get(lower)
                if flight is not None and flight.watchers:
                    continue
                if flight is not None:
                    await self._send_again(flight)
            lowest = self._flights.get(latest)
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
                await self._fill(self._flight(latest))

    async def _fill(self, flight: _Flight) -> None:
        """Use a nonce up, by a transfer of nothing to oneself: it is of no report, so no journal has to have it."""
        try:
            gas = await self.rpc.estimate_gas(self.address, b"", sender=self.address)
        except (ContractRejected, ChainUnavailable):
            gas = _TRANSFER_GAS
        try:
            fees = await self._raised(flight, gas)
        except FeesTooHigh as error:
            log.warning("a missing nonce is not filled yet", nonce=flight.nonce, reason=str(error))
            return
        if fees is None:
            return
        content = Content(flight.nonce, gas, bytes.fromhex(self.address.removeprefix("0x")), 0, b"")
        signed = await transactions.sign(self._key, await self.rpc.chain_id(), content, fees)
        flight.add(signed, filler=True)
        log.warning(
            "a nonce that nobody waits for holds up later ones: filled", nonce=flight.nonce,
            before=[_hex(each) for each in flight.hashes[:-1]], transaction=_hex(signed.tx_hash),
        )  # fmt: skip
        self._listener.filled()
        try:
            await self.rpc.send_raw(signed.raw)
        except (PayerEmpty, TransactionRejected) as error:
            log.warning("transaction not taken", nonce=flight.nonce, reason=str(error))

    # --- nonces ------------------------------------------------------------------------------------------------

    async def _latest(self, *, anew: bool = False) -> int:
        """The nonce of the latest block; what the journal has above it is known from then on.

        Args:
            anew: Read the journal again: another daemon may have written it since.
        """
        latest = await self.rpc.nonce(self.address)
        if self._known is not None and (anew or not self._is_read):
            for transaction in self._known():
                flight = self._flights.get(transaction.nonce)
                if transaction.nonce < latest - _REORGANISED or transaction.tx_hash in self._foreign:
                    continue
                if flight is not None and transaction.tx_hash in flight.kept:
                    continue
                # A journal may also have transactions of an earlier key.
                if transactions.signer_of(transaction.raw) == self.address:
                    self._adopt(transaction, ()).kept.add(transaction.tx_hash)
                else:
                    self._foreign.add(transaction.tx_hash)
            self._is_read = True
        return latest

    def _flight(self, nonce: int) -> _Flight:
        return self._flights.setdefault(nonce, _Flight(nonce))

    def _adopt(self, transaction: SignedTransaction, replaced: Sequence[bytes]) -> _Flight:
        """The flight of a transaction that was signed here, or by this process's predecessor."""
        transactions.read(transaction.raw)
        flight = self._flight(transaction.nonce)
        for tx_hash in replaced:
            if tx_hash not in flight.hashes:
                flight.hashes.insert(0, tx_hash)
        flight.add(transaction)
        return flight

    def _schedule(self, flight: _Flight) -> None:
        flight.resend_pause = self._policy.resend_s
        flight.resend_at = self._clock() + flight.resend_pause

    async def _simulate(self, to: str | None, data: bytes, decode: ErrorDecoder | None) -> int:
        """The gas limit of a transaction that succeeds on the pending block.

        That block has the time, and our own earlier transactions, that the next one will have. The estimate is the
        simulation: some nodes give no reason where it fails, and are then asked for one with a call.
        """
        try:
            estimate = await self.rpc.estimate_gas(to, data, sender=self.address, decode=decode)
        except ContractRejected as error:
            if error.name is None and to is not None:
                await self.rpc.call(to, data, sender=self.address, block="pending", decode=decode)
            raise
        limit = (await self.rpc.block()).gas_limit
        if estimate > limit:
            raise TransactionRejected(f"the transaction needs {estimate:,} gas, more than a block has ({limit:,})")
        return min(int(estimate * GAS_MARGIN), limit)


def _same_call(one: SignedTransaction, other: SignedTransaction) -> bool:
    return transactions.read(one.raw)[0].same_call(transactions.read(other.raw)[0])


def _hex(tx_hash: bytes) -> str:
    return f"0x{tx_hash.hex()}"


def _shown(fees: Fees) -> dict[str, int]:
    return {"max_fee_wei": fees.max_fee, "priority_fee_wei": fees.priority_fee or 0}
