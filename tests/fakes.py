"""Fakes of the chain, behind the interfaces of the real one.

`FakeHub` is the hub's state machine in memory, and `FakeSubmitter` sends to it. Terms and circuits are in `tests.stubs`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from oracle.chain.deploy import feed_id_of
from oracle.chain.hub import (
    HubFeedConfig,
    HubModel,
    Round,
    RoundAccepted,
    RoundEvent,
    RoundHeld,
    decode_submission,
    encode_submission,
)
from oracle.chain.keys.signer import LocalReporter, observation_digest
from oracle.chain.rpc import BlockTag
from oracle.core import encoding, gate
from oracle.core.errors import ContractRejected, StateMoved, TransactionPending
from oracle.core.types import Confirmed, FeedState, Kind, Outcome, Proven, SignedObservation, Submitted
from tests.stubs import CHAIN_ID, HUB_ADDRESS, feed_config, reporter, stub_artifact

__all__ = [
    "CHAIN_ID",
    "HUB_ADDRESS",
    "FakeHub",
    "FakeSubmitter",
    "feed_config",
    "reporter",
    "stub_artifact",
]


class FakeHub:
    """A hub in memory: the reading side of `oracle.chain.hub.Hub`, and `apply` in place of `submit`.

    Attributes:
        events: The event of each report, oldest first.
    """

    def __init__(self, *configs: HubFeedConfig, model_number: int = 1, score_unit: int = 1_000) -> None:
        self.address = HUB_ADDRESS
        self.configs = {feed_id_of(config.description): config for config in configs or (feed_config(),)}
        self.states = {
            feed_id: gate.empty_feed(feed_id, config.kind, config.sigma, config.heartbeat, model_number)
            for feed_id, config in self.configs.items()
        }
        self.models = {model_number: HubModel(7, 1, b"\7" * 32, score_unit)}
        self.events: list[RoundEvent] = []
        self._rounds: dict[tuple[bytes, int], Round] = {}

    async def feed_state(self, feed_id: bytes, block: BlockTag = "latest") -> FeedState:
        self._require(feed_id)
        return self.states[feed_id]

    async def feed_config(self, feed_id: bytes) -> HubFeedConfig:
        self._require(feed_id)
        return self.configs[feed_id]

    async def fresh_feed_config(self, feed_id: bytes) -> HubFeedConfig:
        return await self.feed_config(feed_id)

    async def feed_ids(self) -> tuple[bytes, ...]:
        return tuple(self.configs)

    async def features(self, feed_id: bytes, answer: int, observed_at: int, spread: int = 0) -> tuple[int, ...]:
        return encoding.features(await self.feed_state(feed_id), answer, observed_at, encoding.RING_SIZE + 2)

    async def observation_digest(self, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> bytes:
        return observation_digest(CHAIN_ID, self.address, feed_id, round_id, answer, observed_at)

    async def model_count(self) -> int:
        return len(self.models)

    async def model(self, number: int) -> HubModel:
        if number not in self.models:
            raise ContractRejected(f"UnknownModel: the hub has no model number {number}", "UnknownModel")
        return self.models[number]

    async def round(self, feed_id: bytes, round_id: int, block: BlockTag = "latest") -> Round | None:
        return self._rounds.get((feed_id, round_id))

    async def rounds(self, feed_id: bytes, first: int = 1, last: int | None = None) -> list[Round]:
        end = self.states[feed_id].round_id if last is None else last
        return [self._rounds[feed_id, each] for each in range(first, end + 1) if (feed_id, each) in self._rounds]

    async def logs(self, first: int, last: int) -> list[RoundEvent]:
        return [event for event in self.events if first <= event.block_number <= last]

    def pause(self, feed_id: bytes, paused: bool = True) -> None:
        """Pause a feed, as the guardian does."""
        self.states[feed_id] = replace(self.states[feed_id], paused=paused)

    def check(self, calldata: bytes) -> None:
        """Raise as `submit` would, without doing anything.

        Raises:
            ContractRejected: With the hub's error.
        """
        submission = decode_submission(calldata)
        for update in submission.updates:
            self._require(update.feed_id)
            state = self.states[update.feed_id]
            if state.paused:
                raise ContractRejected("FeedPaused: the feed is paused", "FeedPaused", update.feed_id)
            if submission.model_number != state.model_number:
                raise ContractRejected("ModelNotActive: another model is active", "ModelNotActive", update.feed_id)
            if update.round_id != state.round_id + 1:
                raise ContractRejected(
                    f"WrongRound: signed for round {update.round_id}, the feed expects {state.round_id + 1}",
                    "WrongRound",
                    update.feed_id,
                )
            if len(update.observations) < self.configs[update.feed_id].quorum:
                raise ContractRejected("QuorumNotMet: too few observations", "QuorumNotMet")
            if min(each.observed_at for each in update.observations) <= state.last_report_at:
                raise ContractRejected(
                    "ObservationNotNewer: the feed has a later report", "ObservationNotNewer", update.feed_id
                )
            first_is_impossible = state.round_id == 0 and state.kind is Kind.RELATIVE
            if first_is_impossible and _median(update.observations)[0] <= 0:
                raise ContractRejected("AnswerOutOfRange: the first answer is not above zero", "AnswerOutOfRange")
        if submission.proof[:1] == b"\0":
            raise ContractRejected("ProofRejected: the verifier does not accept the proof", "ProofRejected")

    def apply(self, calldata: bytes, *, block_number: int, tx_hash: bytes, now: int) -> list[RoundEvent]:
        """Do what `submit` does. Raises the errors of `check`."""
        self.check(calldata)
        submission = decode_submission(calldata)
        events: list[RoundEvent] = []
        for index, update in enumerate(submission.updates):
            state, config = self.states[update.feed_id], self.configs[update.feed_id]
            answer, observed_at, latest = _median(update.observations)
            verdict = gate.judge(
                state,
                gate.HoldPolicy(config.confirmations, config.confirm_delay, config.tolerance, config.max_repeats),
                answer,
                observed_at,
                update.scores,
                score_unit=self.models[submission.model_number].score_unit,
                published_at=now,
                latest_observed_at=latest,
            )
            self.states[update.feed_id] = verdict.state
            about = (
                update.feed_id,
                update.round_id,
                answer,
                observed_at,
                submission.model_number,
                update.scores,
            )
            where = (block_number, tx_hash, index)
            if verdict.outcome is Outcome.ACCEPTED:
                ratio = encoding.score_ratio(update.scores, self.models[submission.model_number].score_unit)
                self._rounds[update.feed_id, update.round_id] = Round(
                    update.round_id, answer, observed_at, now, submission.model_number, ratio
                )
                events.append(RoundAccepted(*about, verdict.confirmed, *where))
            else:
                held = verdict.state.held
                assert held is not None
                events.append(RoundHeld(*about, held.reason, held.confirmations, *where))
        self.events.extend(events)
        return events

    def _require(self, feed_id: bytes) -> None:
        if feed_id not in self.configs:
            raise ContractRejected(f"UnknownFeed: the hub has no feed 0x{feed_id.hex()}", "UnknownFeed")


@dataclass
class FakeSubmitter:
    """`oracle.chain.tx.submit.Submitter` without a chain: a transaction is mined as soon as it is broadcast.

    Attributes:
        before: Called with "sign", "broadcast" or "confirm" at the start of each; it raises the error to simulate.
        mined: The events of each mined transaction by its hash, or the error of one that reverted.
        mines: False leaves broadcast transactions unmined.
        stuck: How many more times an unmined transaction is replaced.
    """

    hub: FakeHub
    before: Callable[[str], None] = lambda step: None
    clock: Callable[[], float] = lambda: 1_000_000.0
    mines: bool = True
    mined: dict[bytes, list[RoundEvent] | ContractRejected] = field(default_factory=dict)
    broadcasts: list[bytes] = field(default_factory=list)
    nonce: int = 0
    stuck: int = 0

    async def sign_batch(self, batch: Sequence[Proven]) -> list[Submitted]:
        self.before("sign")
        calldata = encode_submission([proven.scored for proven in batch], batch[0].proof)
        try:
            self.hub.check(calldata)
        except ContractRejected as error:
            raise _moved(error) from None
        nonce, self.nonce = self.nonce, self.nonce + 1
        raw = nonce.to_bytes(4) + calldata
        return [Submitted(proven, hashlib.sha256(raw).digest(), raw, nonce) for proven in batch]

    async def broadcast(self, submitted: Submitted) -> None:
        self.before("broadcast")
        self.broadcasts.append(submitted.tx_hash)
        if submitted.tx_hash in self.mined or not self.mines:
            return
        calldata = submitted.raw_transaction[4:]
        block = len(self.mined) + 1
        try:
            self.mined[submitted.tx_hash] = self.hub.apply(
                calldata, block_number=block, tx_hash=submitted.tx_hash, now=int(self.clock())
            )
        except ContractRejected as error:
            self.mined[submitted.tx_hash] = error

    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted:
        self.before("confirm")
        mined = next((tx_hash for tx_hash in submitted.hashes if tx_hash in self.mined), submitted.tx_hash)
        found = self.mined.get(mined)
        if found is None and self.stuck:
            self.stuck -= 1
            # Trailing bytes are no part of the call: they change the hash and not the content.
            raw = submitted.raw_transaction + b"\0"
            tx_hash = hashlib.sha256(raw).digest()
            return Submitted(submitted.proven, tx_hash, raw, submitted.nonce, submitted.hashes)
        if found is None:
            raise TransactionPending(f"transaction 0x{submitted.tx_hash.hex()} is not mined")
        if isinstance(found, ContractRejected):
            raise _moved(found)
        event = next(each for each in found if each.feed_id == submitted.observed.feed_id)
        outcome = Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD
        other = mined if mined != submitted.tx_hash else None
        return Confirmed(submitted, outcome, event.block_number, 500_000, self.clock(), other)


def _moved(error: ContractRejected) -> ContractRejected | StateMoved:
    from oracle.chain.tx.submit import STATE_ERRORS

    return StateMoved(str(error), error.feed_id) if error.name in STATE_ERRORS else error


def _median(observations: Sequence[SignedObservation]) -> tuple[int, int, int]:
    """Return the answer, the observation time and the latest time of a round, as the hub takes them."""
    times = sorted(each.observed_at for each in observations)
    return observations[len(observations) // 2].answer, times[(len(times) - 1) // 2], times[-1]
