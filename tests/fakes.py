"""Fakes of the chain, behind the interfaces of the real one.

`FakeHub` is the hub's state machine in memory, and `FakeSubmitter` sends to it. `tests.stubs` has terms and circuits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from oracle.chain.deploy import feed_id_of
from oracle.chain.hub import (
    Committee,
    HubFeedConfig,
    HubModel,
    RoundAccepted,
    RoundEvent,
    RoundHeld,
    Submission,
    decode_submission,
    encode_submission,
)
from oracle.chain.keys.signer import recover
from oracle.chain.rpc import BlockTag
from oracle.core import encoding, gate
from oracle.core.errors import ContractRejected, StateMoved, TransactionPending
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.stages import Confirmed, Proven, Submitted
from oracle.core.types import FeedState, Kind, Outcome, Round
from tests.stubs import CHAIN_ID, HUB_ADDRESS, feed_config, reporter, stub_artifact

__all__ = [
    "CHAIN_ID",
    "HUB_ADDRESS",
    "FakeHub",
    "FakeKey",
    "FakeSubmitter",
    "feed_config",
    "reporter",
    "stub_artifact",
]

SUBMITTER = "0x" + "77" * 20


class FakeKey:
    """A reporter's key behind the interface of `oracle.chain.keys.signer.ReporterKey`.

    Attributes:
        bias: Added to every answer that it signs: a reporter with a view of its own.
        reports: The reports that it has signed.
    """

    def __init__(self, key: str | None = None, bias: int = 0) -> None:
        self._reporter = reporter() if key is None else reporter(key)
        self.bias = bias
        self.reports: list[Report] = []

    @property
    def address(self) -> str:
        return self._reporter.address

    async def sign_report(
        self, report: Report, answers: Sequence[int], readings: Sequence[bytes] = ()
    ) -> ReporterSignature:
        self.reports.append(report)
        return self._reporter.sign_report(report, [answer + self.bias for answer in answers], readings)


class FakeHub:
    """A hub in memory: the reading side of `oracle.chain.hub.Hub`, and `apply` in place of `submit`.

    Attributes:
        events: The event of each report, oldest first.
        committees: The committees, by number. There is one, of which `tests.stubs.reporter` is the only member.
        time: The time of the latest block.
    """

    def __init__(self, *configs: HubFeedConfig, model_number: int = 1, score_unit: int = 1_000) -> None:
        self.address = HUB_ADDRESS
        self.configs = {feed_id_of(config.description): config for config in configs or (feed_config(),)}
        self.states = {
            feed_id: gate.empty_feed(
                feed_id,
                config.kind,
                config.sigma,
                config.heartbeat,
                model_number,
                committee=config.committee,
                peers=config.peers,
            )
            for feed_id, config in self.configs.items()
        }
        self.committees = {
            number: Committee(number, (reporter().address,), 1, 1)
            for number in {config.committee for config in self.configs.values()}
        }
        self.models = {model_number: HubModel(7, 1, b"\7" * 32, score_unit)}
        self.time = 0
        self.events: list[RoundEvent] = []
        self.reads: list[bytes] = []
        self._rounds: dict[tuple[bytes, int], Round] = {}

    async def feed_state(self, feed_id: bytes, block: BlockTag = "latest") -> FeedState:
        self._require(feed_id)
        self.reads.append(feed_id)
        return self.states[feed_id]

    async def feed_states(self, feed_ids: Sequence[bytes], block: BlockTag = "latest") -> tuple[FeedState, ...]:
        return tuple([await self.feed_state(feed_id) for feed_id in feed_ids])

    async def feed_config(self, feed_id: bytes) -> HubFeedConfig:
        self._require(feed_id)
        return self.configs[feed_id]

    async def head_time(self) -> int:
        return self.time

    async def committee(self, number: int, block: BlockTag = "latest") -> Committee:
        if number not in self.committees:
            raise ContractRejected(f"UnknownCommittee: the hub has no committee {number}", "UnknownCommittee")
        return self.committees[number]

    async def feed_ids(self) -> tuple[bytes, ...]:
        return tuple(self.configs)

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

    def rotate(self, committee: int, *reporters: str, quorum: int = 1) -> None:
        """Give a committee other reporters, which begins its next epoch."""
        self.committees[committee] = Committee(committee, reporters, quorum, self.committees[committee].epoch + 1)

    # --- submit ---

    def check(self, calldata: bytes) -> None:
        """Raise as `submit` would, without doing anything.

        Raises:
            ContractRejected: With the hub's error.
        """
        submission = decode_submission(calldata)
        report, committee = submission.signed.report, self.committees[submission.signed.report.committee]
        if report.epoch != committee.epoch:
            raise ContractRejected(f"WrongEpoch: the committee is in epoch {committee.epoch}", "WrongEpoch")
        for feed_id in report.feed_ids:
            self._require(feed_id)
            if self.configs[feed_id].committee != report.committee:
                raise ContractRejected("WrongCommittee: the feed has another committee", "WrongCommittee", feed_id)
        for position in report.due:
            self._check_due(submission, position)
        self._check_signatures(submission.signed, committee)
        for position in report.due:
            self._check_answer(submission.signed, position)
        if submission.proof[:1] == b"\0":
            raise ContractRejected("ProofRejected: the verifier does not accept the proof", "ProofRejected")

    def _check_due(self, submission: Submission, position: int) -> None:
        report = submission.signed.report
        feed_id, round_id = report.feed_ids[position], report.round_ids[position]
        state = self.states[feed_id]
        if state.paused:
            raise ContractRejected("FeedPaused: the feed is paused", "FeedPaused", feed_id)
        if submission.model_number != state.model_number:
            raise ContractRejected("ModelNotActive: another model is active", "ModelNotActive", feed_id)
        if round_id != state.round_id + 1:
            raise ContractRejected(
                f"WrongRound: signed for round {round_id}, the feed expects {state.round_id + 1}", "WrongRound", feed_id
            )
        if report.observed_at <= state.last_report_at:
            raise ContractRejected("ObservationNotNewer: the feed has a later report", "ObservationNotNewer", feed_id)

    def _check_signatures(self, signed: SignedReport, committee: Committee) -> None:
        signers = [recover(CHAIN_ID, self.address, signed.report, each) for each in signed.signatures]
        for signer in signers:
            if signer not in committee.reporters:
                raise ContractRejected(f"NotAReporter: {signer} is no reporter", "NotAReporter")
        if len(set(signers)) != len(signers):
            raise ContractRejected("DuplicateReporter: a reporter signed twice", "DuplicateReporter")
        for position in signed.short_of(committee.quorum):
            raise ContractRejected("QuorumNotMet: too few answers", "QuorumNotMet", signed.report.feed_ids[position])

    def _check_answer(self, signed: SignedReport, position: int) -> None:
        feed_id = signed.report.feed_ids[position]
        state = self.states[feed_id]
        if state.round_id == 0 and state.kind is Kind.RELATIVE and signed.median(position) <= 0:
            raise ContractRejected("AnswerOutOfRange: the first answer is not above 0", "AnswerOutOfRange", feed_id)
        for peer in state.peers:
            if peer not in signed.report.feed_ids:
                raise ContractRejected("PeerMissing: a peer of the feed is not in the report", "PeerMissing", feed_id)

    def apply(self, calldata: bytes, *, block_number: int, tx_hash: bytes, now: int) -> list[RoundEvent]:
        """Do what `submit` does. Raises the errors of `check`."""
        self.check(calldata)
        submission = decode_submission(calldata)
        report = submission.signed.report
        places = enumerate(zip(report.due, submission.scores, strict=True))
        events = [
            self._judge(submission, position, scores, (SUBMITTER, block_number, tx_hash, index), now)
            for index, (position, scores) in places
        ]
        self.events.extend(events)
        return events

    def _judge(
        self,
        submission: Submission,
        position: int,
        scores: tuple[int, ...],
        where: tuple[str, int, bytes, int],
        now: int,
    ) -> RoundEvent:
        signed, report = submission.signed, submission.signed.report
        feed_id, round_id = report.feed_ids[position], report.round_ids[position]
        state, config = self.states[feed_id], self.configs[feed_id]
        answer, unit = signed.median(position), self.models[submission.model_number].score_unit
        spread, count = signed.spread(position, config.kind, config.sigma), signed.count(position)
        verdict = gate.judge(
            state,
            gate.HoldPolicy(config.confirmations, config.confirm_delay, config.tolerance, config.max_repeats),
            answer,
            report.observed_at,
            scores,
            score_unit=unit,
            published_at=now,
            spread=spread,
            count=count,
            peer_answers=[signed.median(report.feed_ids.index(peer)) for peer in state.peers],
        )
        self.states[feed_id] = verdict.state
        about = (feed_id, round_id, answer, report.observed_at, submission.model_number, scores)
        if verdict.outcome is Outcome.ACCEPTED:
            self._rounds[feed_id, round_id] = Round(
                round_id=round_id,
                answer=answer,
                observed_at=report.observed_at,
                published_at=now,
                model_number=submission.model_number,
                score_ratio=encoding.score_ratio(scores, unit),
                spread=spread,
                count=count,
            )
            return RoundAccepted(*about, verdict.confirmed, *where)
        held = verdict.state.held
        assert held is not None
        return RoundHeld(*about, held.reason, held.confirmations, *where)

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

    async def sign(self, proven: Proven) -> Submitted:
        self.before("sign")
        calldata = self.calldata(proven)
        try:
            self.hub.check(calldata)
        except ContractRejected as error:
            raise _moved(error) from None
        nonce, self.nonce = self.nonce, self.nonce + 1
        raw = nonce.to_bytes(4) + calldata
        return Submitted(proven, hashlib.sha256(raw).digest(), raw, nonce)

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
        ends = {each.feed_id: Outcome.ACCEPTED if isinstance(each, RoundAccepted) else Outcome.HELD for each in found}
        outcomes = tuple(ends[each.feed_id] for each in submitted.due)
        other = mined if mined != submitted.tx_hash else None
        return Confirmed(submitted, outcomes, found[0].block_number, 500_000, self.clock(), other)

    @staticmethod
    def calldata(proven: Proven) -> bytes:
        """Return the calldata that carries a proven report."""
        scored = proven.scored
        return encode_submission(Submission.of(scored.model_number, scored.signed, scored.scores, proven.proof))


def _moved(error: ContractRejected) -> ContractRejected | StateMoved:
    from oracle.chain.tx.submit import STATE_ERRORS

    return StateMoved(str(error), error.feed_id) if error.name in STATE_ERRORS else error
