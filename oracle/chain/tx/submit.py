"""`Submitter`: takes a proven report to a mined transaction, and reads from the receipt how its observations ended."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from oracle.chain.hub import Hub, RoundAccepted, Submission, SubmitCall, encode_submission, hub_interface
from oracle.chain.transport.answers import Receipt
from oracle.chain.tx.sender import Sender
from oracle.core.errors import ContractRejected, StateMoved
from oracle.core.formats import to_hex
from oracle.core.stages import Confirmed, Proven, Submitted
from oracle.core.types import Outcome, SignedTransaction

log = structlog.get_logger(__name__)

STATE_ERRORS = frozenset({"WrongRound", "ModelNotActive", "ObservationNotNewer", "WrongEpoch"})
"""The hub's errors that a good proof can meet: another report came first, or model or reporters changed."""

PASSING_ERRORS = frozenset({"ObservationInFuture"})
"""The hub's errors of a call on the latest block that may be gone in the next block, which has a later time."""


class Submitter:
    """Takes proven reports to one hub, from one key; several may go side by side.

    Args:
        sender: Sends from the key that pays. It needs no rights: the signatures in a report carry the authority.
        deadline_s: Seconds that `confirm` waits.
        clock: Unix seconds, for `Confirmed.confirmed_at`.
        shadow: True if the reports are proven with the model that is proposed for their feeds: then they are sent to
            `submitShadow`.
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
        """Simulate a submission and sign its transaction. It is not sent: keep it first.

        Raises:
            StateMoved: A feed is no longer in the state that the proof shows: derive and prove again.
            ContractRejected: The hub refuses it; the message is the reason.
            ChainUnavailable: No answer.
        """
        scored = proven.scored
        submission = Submission.of(scored.model_number, scored.signed, scored.scores, proven.proof)
        calldata = encode_submission(submission, SubmitCall.SUBMIT_SHADOW if self._shadow else SubmitCall.SUBMIT)
        try:
            signed = await self._sender.sign(
                self._hub.address,
                calldata,
                hub_interface().decode_error,
                kind=self._kind(proven),
                feeds=proven.feeds,
            )
        except ContractRejected as error:
            raise _by_name(error) from None
        return Submitted(proven, signed.tx_hash, signed.raw, signed.nonce)

    async def pack(self, proven: Proven) -> bytes:
        """Simulate a report on the pending block, and return the call of `submitIfNewer` that brings it.

        Raises:
            StateMoved, ContractRejected, ChainUnavailable: As of `sign`.
        """
        scored = proven.scored
        submission = Submission.of(scored.model_number, scored.signed, scored.scores, proven.proof)
        # `submitIfNewer` succeeds where the chain has the report: `submit` shows that it would be taken.
        try:
            await self._sender.rpc.call(
                self._hub.address,
                encode_submission(submission),
                sender=self._sender.address,
                block="pending",
                decode=hub_interface().decode_error,
            )
        except ContractRejected as error:
            raise _by_name(error) from None
        return encode_submission(submission, SubmitCall.SUBMIT_IF_NEWER)

    def _kind(self, proven: Proven) -> tuple[int | bool, ...]:
        """Return what decides how much gas a submission needs, but for the paths that its feeds take."""
        signed = proven.scored.signed
        numbers = (proven.scored.model_number, len(proven.due), len(signed.report.feed_ids), len(signed.signatures))
        return (self._shadow, *numbers)

    async def broadcast(self, submitted: Submitted) -> None:
        """Give the signed transaction to the network. Safe to repeat. Raises as `Sender.broadcast` does."""
        await self._sender.broadcast(submitted.transaction, submitted.replaced)

    async def wait(self, tx_hash: bytes, deadline_s: float) -> Receipt:
        """Return the receipt of a transaction. Waits and raises as `Sender.wait`."""
        return await self._sender.wait(tx_hash, deadline_s)

    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted:
        """Wait for the transaction, or one that it replaced, and read from its events how each observation ended.

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
        ends = {(feed_id, round_id): outcome for feed_id, round_id, outcome in self._ends(receipt)}
        outcomes: list[Outcome] = []
        for observed, round_id in zip(submitted.due, submitted.proven.scored.round_ids, strict=True):
            outcome = ends.get((observed.feed_id, round_id))
            if outcome is None:
                raise ContractRejected(
                    f"transaction {to_hex(receipt.tx_hash)} succeeded without an event of {observed.key}: "
                    f"is the contract at {self._hub.address} the hub?",
                    feed_id=observed.feed_id,
                )
            outcomes.append(outcome)
        return Confirmed(
            submitted=submitted,
            outcomes=tuple(outcomes),
            block_number=receipt.block_number,
            gas_used=receipt.gas_used,
            confirmed_at=self._clock(),
            mined=receipt.tx_hash if receipt.tx_hash != submitted.tx_hash else None,
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
                "stuck, and not replaced: it would revert", observations=list(submitted.keys), reason=str(error)
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
