"""Fakes of the chain and of circuits, behind the interfaces of the real ones.

`FakeHub` is the hub's state machine in memory, and `FakeSubmitter` sends to it. `StubArtifact` is a circuit whose
verifier, real code on a real chain, accepts any proof that does not start with a zero byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from eth_account import Account
from eth_utils.crypto import keccak

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
from oracle.proving.interface import Probe

CHAIN_ID = 31337
HUB_ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
REPORTER_KEY = "0x" + "11" * 32


def feed_config(description: str = "ETH / USD", **changes: object) -> HubFeedConfig:
    """Return a relative feed with a sigma of 1 %, a heartbeat of an hour, and two confirmations."""
    config = HubFeedConfig(
        description=description,
        kind=Kind.RELATIVE,
        decimals=8,
        quorum=1,
        confirmations=2,
        max_repeats=0,
        heartbeat=3_600,
        max_age=3_600,
        max_skew=60,
        confirm_delay=7_200,
        tolerance=3_000,
        max_spread=0,
        sigma=10_000,
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def reporter(key: str = REPORTER_KEY, chain_id: int = CHAIN_ID, hub: str = HUB_ADDRESS) -> LocalReporter:
    """Return a reporter with a key of its own."""
    return LocalReporter(Account.from_key(key), chain_id, hub)


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


# --- circuits ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StubManifest:
    """The part of a manifest that deployment reads."""

    batch: int
    features: int
    outputs: int
    score_unit: int
    srs_origin: str
    verifier_code_hash: str
    artifact_hash: str
    spread: bool = False


@dataclass(frozen=True)
class StubVerifier:
    """A verifier's creation code and runtime code."""

    bytecode: bytes
    runtime: bytes


@dataclass(frozen=True)
class StubArtifact:
    """A circuit for tests of everything but proving."""

    path: Path
    manifest: StubManifest
    model_hash: int | None
    compiled: StubVerifier
    evidence: Probe

    def verifier(self) -> StubVerifier:
        return self.compiled

    def probe(self) -> Probe:
        return self.evidence


def stub_artifact(
    *,
    model_hash: int | None = 7,
    batch: int = 1,
    features: int = 16,
    outputs: int = 2,
    tag: bytes = b"",
    ceremony: bool = False,
    name: str = "stub",
    spread: bool = False,
) -> StubArtifact:
    """Return a circuit with a verifier that answers whether the proof's first byte is not zero.

    Args:
        tag: Makes the code of different verifiers different.
        ceremony: Whether its code has the public ceremony's constant.
    """
    from oracle.chain.deploy import CEREMONY_CONSTANT

    # CALLDATALOAD(0x64) >> 248 != 0: the proof's first byte in the canonical encoding.
    answer = bytes.fromhex("60643560f81c15155f5260205ff3")
    runtime = answer + b"\x00" + tag + batch.to_bytes(2) + (CEREMONY_CONSTANT if ceremony else b"")
    creation = bytes.fromhex("61") + len(runtime).to_bytes(2) + bytes.fromhex("80600a5f395ff3") + runtime
    parts = [name, model_hash, batch, features, outputs, runtime.hex()]
    manifest = StubManifest(
        batch=batch,
        features=features,
        outputs=outputs,
        score_unit=1_000,
        srs_origin="public-ceremony" if ceremony else "insecure-local",
        verifier_code_hash=keccak(runtime).hex(),
        artifact_hash=hashlib.sha256(json.dumps([*parts, "spread"] if spread else parts).encode()).hexdigest(),
        spread=spread,
    )
    calm = Probe((0,) * (features - 1) + (encoding.GAP_ONE,), (-1_000,) * outputs, b"\1probe")
    path = Path(f"/artifacts/{name}-b{batch}")
    return StubArtifact(path, manifest, model_hash, StubVerifier(creation, runtime), calm)
