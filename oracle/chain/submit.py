"""From a proof to a mined transaction, and from its receipt to how the observation ended.

A transaction is signed first and sent afterwards, so that the caller can keep it in between: whatever happens, the same
signed bytes are sent again, and the chain knows them by one hash.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.chain.contracts import (
    Hub,
    RoundAccepted,
    encode_submission,
    hub_interface,
)
from oracle.chain.rpc import ErrorDecoder, Receipt, Rpc, Sent
from oracle.errors import (
    ChainUnavailable,
    ContractRejected,
    StateMoved,
    TransactionPending,
    TransactionRejected,
)
from oracle.types import Confirmed, Outcome, Proven, Submitted

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

GAS_MARGIN = 1.25
"""The state may move between estimate and block, to a path that needs more (a fresh slot, another event)."""

STATE_ERRORS = frozenset({"WrongRound", "ModelNotActive", "ObservationNotNewer"})
"""The hub's errors that another report, or a change of model, can bring about under a good proof."""


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that may be sent, any number of times."""

    tx_hash: bytes
    raw: bytes
    nonce: int


class Sender:
    """Sends transactions from one key. There must be only one for each key: it hands out the nonces.

    Args:
        account: Pays.
        poll_s: Seconds between two looks for a receipt.
        confirmations: Blocks, the transaction's own included, after which it is taken as final.
    """

    def __init__(self, rpc: Rpc, account: LocalAccount, *, poll_s: float = 0.25, confirmations: int = 1) -> None:
        self.rpc = rpc
        self._account = account
        self._poll_s = poll_s
        self._confirmations = confirmations
        self._lock = asyncio.Lock()
        self._next: int | None = None

    def __repr__(self) -> str:
        return f"Sender({self.address})"

    @property
    def address(self) -> str:
        return str(self._account.address)

    async def sign(self, to: str | None, data: bytes, decode: ErrorDecoder | None = None) -> SignedTransaction:
        """Simulate, estimate and sign; nothing is sent. The nonce is taken as the last step, once the rest has held.

        Args:
            to: None deploys `data`.
            decode: For the contract's custom errors.

        Raises:
            ContractRejected: It would revert, and why.
            TransactionRejected: It needs more gas than a block has.
            ChainUnavailable: No answer.
        """
        gas = await self._simulate(to, data, decode)
        fees = await self.rpc.fees()
        chain_id = await self.rpc.chain_id()
        async with self._lock:
            if self._next is None:
                self._next = await self.rpc.nonce(self.address, "pending")
            nonce = self._next
            fields: dict[str, Any] = {
                "chainId": chain_id,
                "nonce": nonce,
                "gas": gas,
                "value": 0,
                "data": "0x" + data.hex(),
            }
            if to is not None:
                fields["to"] = to
            signed = self._account.sign_transaction(fields | fees.fields())
            self._next = nonce + 1
        return SignedTransaction(bytes(signed.hash), bytes(signed.raw_transaction), nonce)

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """Give it to the network; harmless if it was given before, or is mined.

        Raises:
            StateMoved: It can never be mined as it is: its nonce went to another transaction, or fees rose above it.
            TransactionRejected: The node will never take it.
            ChainUnavailable: No answer; sending it again is safe.
        """
        try:
            sent = await self.rpc.send_raw(transaction.raw)
        except (ChainUnavailable, TransactionRejected):
            self._resync()
            raise
        if sent in (Sent.ACCEPTED, Sent.KNOWN):
            if self._next is not None:
                self._next = max(self._next, transaction.nonce + 1)
            return
        if await self.rpc.transaction(transaction.tx_hash) is not None:
            return
        if await self.rpc.receipt(transaction.tx_hash) is not None:
            return  # mined, by a node that keeps no index of old transactions
        self._resync()
        if sent is Sent.NONCE_USED:
            raise StateMoved(f"transaction 0x{transaction.tx_hash.hex()}: its nonce {transaction.nonce} is used up")
        raise StateMoved(
            f"transaction 0x{transaction.tx_hash.hex()}: its fees are too low by now, or another with nonce "
            f"{transaction.nonce} is waiting"
        )

    async def wait(self, tx_hash: bytes, deadline_s: float) -> Receipt:
        """The receipt, once the transaction has its confirmations. It may say that it reverted.

        Args:
            deadline_s: Seconds from now.

        Raises:
            TransactionPending: It has not by then.
            ChainUnavailable: No answer.
        """
        until = time.monotonic() + deadline_s
        # The first looks are close together: a local chain mines at once.
        pause = self._poll_s / 16
        while True:
            # Read anew each time: a reorganisation may take a receipt back.
            receipt = await self.rpc.receipt(tx_hash)
            if receipt is not None:
                if self._confirmations <= 1:
                    return receipt
                if await self.rpc.block_number() - receipt.block_number + 1 >= self._confirmations:
                    return receipt
            left = until - time.monotonic()
            if left <= 0:
                # Whatever holds it up, the next nonce is better asked for than assumed.
                self._resync()
                state = "not mined" if receipt is None else f"mined, without {self._confirmations} confirmations"
                raise TransactionPending(f"transaction 0x{tx_hash.hex()} is {state} after {deadline_s:g} s")
            await asyncio.sleep(min(pause, left))
            pause = min(self._poll_s, 2 * pause)

    def _resync(self) -> None:
        self._next = None

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


class Submitter:
    """Takes proven observations to one hub, from one key; several feeds may go side by side.

    Args:
        sender: Of the key that pays. It needs no rights: the signatures in a report carry the authority.
        deadline_s: Seconds that `confirm` waits.
        clock: Unix seconds, for `Confirmed.confirmed_at`.
    """

    def __init__(
        self,
        hub: Hub,
        sender: Sender,
        *,
        deadline_s: float = 120.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._sender = sender
        self._deadline_s = deadline_s
        self._clock = clock

    async def sign(self, proven: Proven) -> Submitted:
        """Simulate the submission and sign its transaction. It is not sent: keep it first.

        Raises:
            StateMoved: The feed is no longer in the state that the proof is of: derive and prove again.
            ContractRejected: The hub refuses it, and why.
            ChainUnavailable: No answer.
        """
        calldata = encode_submission([proven.scored], proven.proof)
        try:
            signed = await self._sender.sign(self._hub.address, calldata, hub_interface().decode_error)
        except ContractRejected as error:
            raise _by_name(error) from None
        return Submitted(proven, signed.tx_hash, signed.raw, signed.nonce)

    async def broadcast(self, submitted: Submitted) -> None:
        """Give the signed transaction to the network. Safe to repeat. Raises as `Sender.broadcast` does."""
        await self._sender.broadcast(SignedTransaction(submitted.tx_hash, submitted.raw_transaction, submitted.nonce))

    async def wait(self, tx_hash: bytes, deadline_s: float) -> Receipt:
        """As `Sender.wait`."""
        return await self._sender.wait(tx_hash, deadline_s)

    async def confirm(self, submitted: Submitted) -> Confirmed:
        """Wait for the transaction, and read from its events how the observation ended.

        Raises:
            TransactionPending: It is not mined, or not final, within the deadline.
            StateMoved: It reverted, as another report came first.
            ContractRejected: It reverted, and why.
            ChainUnavailable: No answer.
        """
        receipt = await self.wait(submitted.tx_hash, self._deadline_s)
        if not receipt.succeeded:
            raise await self._why_reverted(submitted, receipt)
        observed = submitted.observed
        for event in self._hub.decode_outcome(receipt):
            if (event.feed_id, event.round_id) == (observed.feed_id, submitted.proven.scored.round_id):
                return Confirmed(
                    submitted=submitted,
                    outcome=Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD,
                    block_number=receipt.block_number,
                    gas_used=receipt.gas_used,
                    confirmed_at=self._clock(),
                )
        raise ContractRejected(
            f"transaction 0x{submitted.tx_hash.hex()} succeeded without an event of {observed.key}: "
            f"is the contract at {self._hub.address} the hub?"
        )

    async def _why_reverted(self, submitted: Submitted, receipt: Receipt) -> ContractRejected | StateMoved:
        """The reason of a mined revert: receipts carry none, so the call is replayed, after its block."""
        proven = submitted.proven
        try:
            await self._sender.rpc.call(
                self._hub.address,
                encode_submission([proven.scored], proven.proof),
                sender=self._sender.address,
                block=receipt.block_number,
                decode=hub_interface().decode_error,
            )
        except ContractRejected as error:
            return _by_name(error)
        return StateMoved(
            f"transaction 0x{submitted.tx_hash.hex()} reverted with {receipt.gas_used:,} gas used, but not when it is "
            "replayed: what it met needed more gas than was estimated, or is gone"
        )


def _by_name(error: ContractRejected) -> ContractRejected | StateMoved:
    return StateMoved(str(error)) if error.name in STATE_ERRORS else error
