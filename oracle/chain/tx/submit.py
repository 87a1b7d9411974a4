"""`Submitter`: takes a proof to a mined transaction, and reads from the receipt how the observation ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from oracle.chain.hub import Hub, RoundAccepted, encode_submission, hub_interface
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ContractRejected, StateMoved
from oracle.core.formats import to_hex
from oracle.core.types import Confirmed, Outcome, Proven, SignedTransaction, Submitted

log = structlog.get_logger(__name__)

STATE_ERRORS = frozenset({"WrongRound", "ModelNotActive", "ObservationNotNewer"})
"""The hub's errors that a good proof can meet: another report came first, or the model changed."""

PASSING_ERRORS = frozenset({"ObservationInFuture"})
"""The hub's errors of a call on the latest block that may be gone in the next block, which has a later time."""


class Submitter:
    """Takes proven observations to one hub, from one key; several feeds may go side by side.

    Args:
        sender: Sends from the key that pays. It needs no rights: the signatures in a report carry the authority.
        deadline_s: Seconds that `confirm` waits.
        clock: Unix seconds, for `Confirmed.confirmed_at`.
        shadow: True if the observations are proven with the model that is proposed for their feed: then they are sent
            to `submitShadow`.
    """

    def __init__(
        self,
        hub: Hub,
        sender: Sender,
        *,
        deadline_s: float = 120.0,
        clock: Callable[[], float] = time.time,
        shadow: bool = False,
    ) -> None:
        self._hub = hub
        self._shadow = shadow
        self._sender = sender
        self._deadline_s = deadline_s
        self._clock = clock

    async def sign(self, proven: Proven) -> Submitted:
        """Sign a submission of one observation. Raises as `sign_batch`."""
        return (await self.sign_batch([proven]))[0]

    async def sign_batch(self, batch: Sequence[Proven]) -> list[Submitted]:
        """Simulate a submission and sign its transaction. It is not sent: keep it first.

        Args:
            batch: All observations that share one proof, in its order.

        Raises:
            StateMoved: A feed is no longer in the state that the proof shows: derive and prove again.
            ContractRejected: The hub refuses it; the message is the reason.
            ChainUnavailable: No answer.
        """
        calldata = encode_submission([proven.scored for proven in batch], batch[0].proof, shadow=self._shadow)
        try:
            signed = await self._sender.sign(self._hub.address, calldata, hub_interface().decode_error)
        except ContractRejected as error:
            raise _by_name(error) from None
        return [Submitted(proven, signed.tx_hash, signed.raw, signed.nonce) for proven in batch]

    async def broadcast(self, submitted: Submitted) -> None:
        """Give the signed transaction to the network. Safe to repeat. Raises as `Sender.broadcast` does."""
        await self._sender.broadcast(submitted.transaction, submitted.replaced)

    async def wait(self, tx_hash: bytes, deadline_s: float) -> Receipt:
        """Return the receipt of a transaction. Waits and raises as `Sender.wait`."""
        return await self._sender.wait(tx_hash, deadline_s)

    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted:
        """Wait for the transaction, or one that it replaced, and read from its events how the observation ended.

        Returns:
            How it ended. Or, if it is stuck, the same with higher fees, signed and not sent: keep it and broadcast it.

        Raises:
            TransactionPending: It is not mined, or not final, within the deadline.
            StateMoved: It reverted, as another report came first.
            ContractRejected: It reverted; the message is the reason.
            ChainUnavailable: No answer.
        """
        receipt = await self._watch(submitted)
        if isinstance(receipt, SignedTransaction):
            return submitted.replaced_by(receipt)
        if not receipt.succeeded:
            raise await self._why_reverted(submitted, receipt)
        observed = submitted.observed
        for feed_id, round_id, outcome in self._ends(receipt):
            if (feed_id, round_id) == (observed.feed_id, submitted.proven.scored.round_id):
                return Confirmed(
                    submitted=submitted,
                    outcome=outcome,
                    block_number=receipt.block_number,
                    gas_used=receipt.gas_used // max(1, len(submitted.proven.batch)),
                    confirmed_at=self._clock(),
                    mined=receipt.tx_hash if receipt.tx_hash != submitted.tx_hash else None,
                )
        raise ContractRejected(
            f"transaction {to_hex(receipt.tx_hash)} succeeded without an event of {observed.key}: "
            f"is the contract at {self._hub.address} the hub?"
        )

    def _ends(self, receipt: Receipt) -> list[tuple[bytes, int, Outcome]]:
        """Return feed id, round and outcome of each report in a transaction. A shadow that was counted was accepted."""
        if self._shadow:
            return [(*each, Outcome.ACCEPTED) for each in self._hub.decode_shadows(receipt)]
        return [
            (event.feed_id, event.round_id, Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD)
            for event in self._hub.decode_outcome(receipt)
        ]

    async def _watch(self, submitted: Submitted) -> Receipt | SignedTransaction:
        decode = hub_interface().decode_error
        transaction, replaced = submitted.transaction, submitted.replaced
        try:
            return await self._sender.watch(
                transaction, self._deadline_s, decode, replaced=replaced, passing=PASSING_ERRORS
            )
        except ContractRejected as error:
            if error.name in STATE_ERRORS:
                raise _by_name(error) from None
            # A stuck transaction may still be mined in a better moment. It has not failed, but it is not worth more.
            log.warning(
                "stuck, and not replaced: it would revert", observation=submitted.observed.key, reason=str(error)
            )
        return await self._sender.watch(transaction, self._deadline_s, decode, replaced=replaced, may_replace=False)

    async def _why_reverted(self, submitted: Submitted, receipt: Receipt) -> ContractRejected | StateMoved:
        """Return the reason of a mined revert. Receipts carry none, so the call is replayed after its block."""
        sent = await self._sender.rpc.transaction(receipt.tx_hash)
        if sent is None:
            return StateMoved(f"transaction {to_hex(receipt.tx_hash)} reverted, and the node has it no more")
        try:
            await self._sender.rpc.call(
                self._hub.address,
                sent.data,
                sender=self._sender.address,
                block=receipt.block_number,
                decode=hub_interface().decode_error,
            )
        except ContractRejected as error:
            return _by_name(error)
        return StateMoved(
            f"transaction {to_hex(receipt.tx_hash)} reverted with {receipt.gas_used:,} gas used, but not when it is "
            "replayed: what it met needed more gas than was estimated, or is gone"
        )


def _by_name(error: ContractRejected) -> ContractRejected | StateMoved:
    return StateMoved(str(error), error.feed_id) if error.name in STATE_ERRORS else error
