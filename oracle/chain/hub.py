"""The hub's Python side: ABI words to frozen types, and back.

Nothing is sent from here. `Interface` is pure (the audit reads calldata with it, offline); `Hub` reads the chain.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, cached_property
from typing import Any, TypeAlias, TypeVar

from oracle.chain import compiled
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Log, Receipt
from oracle.chain.transport.reverts import Revert
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable, ContractRejected, DeploymentError
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Scored, SignedObservation, Status

Abi: TypeAlias = Sequence[Mapping[str, Any]]
E = TypeVar("E", bound=IntEnum)


# --- what the hub says ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """What was fixed when a feed was made. Order, units and meaning as in `IZkOracle.FeedConfig`.

    Attributes:
        sigma: ppm on relative feeds, answer units on absolute ones.
        heartbeat: Seconds; so are `max_age`, `max_skew` and `confirm_delay`.
        tolerance: Thousandths of sigma; so is `max_spread`.
        max_repeats: Reports in a row that may repeat the last answer exactly; 0: any number.
    """

    description: str
    kind: Kind
    decimals: int
    quorum: int
    confirmations: int
    max_repeats: int
    heartbeat: int
    max_age: int
    max_skew: int
    confirm_delay: int
    tolerance: int
    max_spread: int
    sigma: int


@dataclass(frozen=True, slots=True)
class Round:
    """An accepted round. Times in unix seconds; `score_ratio` in thousandths of the model's score unit."""

    round_id: int
    answer: int
    observed_at: int
    published_at: int
    model_number: int
    score_ratio: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """Circuits that share a shape; `verifiers[i]` takes proofs of `batch_sizes[i]` windows.

    Attributes:
        has_spread: Whether the last feature but one is the spread between the reporters' answers.
    """

    features: int
    outputs: int
    binds_model: bool
    has_spread: bool
    batch_sizes: tuple[int, ...]
    verifiers: tuple[str, ...]
    code_hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the hub pins it. `model_hash` is a field element, 0 if the architecture binds none."""

    model_hash: int
    architecture_id: int
    artifact_hash: bytes
    score_unit: int


@dataclass(frozen=True, slots=True)
class Proposals:
    """What is proposed for a feed; None: nothing is. Times are unix seconds from which a change may be activated.

    Attributes:
        previous_model: What a rollback returns to; None: nothing.
        reporters: As `quorum`, of the proposed reporters; empty where none are.
    """

    model: int | None
    model_from: int | None
    reporters: tuple[str, ...]
    quorum: int | None
    reporters_from: int | None
    unpause_from: int | None
    previous_model: int | None


@dataclass(frozen=True, slots=True)
class ShadowTally:
    """What a proposed model said of reports, beside what became of them under the active one.

    Attributes:
        reports: Reports that it judged.
        compared: How many of them the active model judged too.
        disagreements: How many of those one of the two accepts and the other does not.
        distance: How far apart the score ratios of the latest compared report are, in thousandths.
        min_compared: Compared reports that an activation needs.
        max_distance: The largest `distance` that an activation allows.
    """

    model_number: int
    reports: int
    compared: int
    disagreements: int
    distance: int
    min_compared: int
    max_distance: int


@dataclass(frozen=True, slots=True)
class RoundAccepted:
    """A report became the round `round_id`; `confirmed` if the model calls it anomalous and reports confirmed it."""

    feed_id: bytes
    round_id: int
    answer: int
    observed_at: int
    model_number: int
    scores: tuple[int, ...]
    confirmed: bool
    block_number: int
    tx_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class RoundHeld:
    """A report did not become the round `round_id`, for the reason given: the model, or a rule of the feed."""

    feed_id: bytes
    round_id: int
    answer: int
    observed_at: int
    model_number: int
    scores: tuple[int, ...]
    reason: HoldReason
    confirmations: int
    block_number: int
    tx_hash: bytes
    log_index: int


RoundEvent: TypeAlias = RoundAccepted | RoundHeld


@dataclass(frozen=True, slots=True)
class FeedUpdate:
    """One feed's part of a submission."""

    feed_id: bytes
    round_id: int
    observations: tuple[SignedObservation, ...]
    scores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """The arguments of `submit`, and of `submitShadow`."""

    model_number: int
    updates: tuple[FeedUpdate, ...]
    proof: bytes


# --- the ABI -------------------------------------------------------------------------------------------------------


class Interface:
    """Encodes and decodes by one contract's ABI.

    Structs come back as dicts by field name, several results as a dict, a single one bare; addresses are
    checksummed.

    Args:
        abi: As solc writes it.
        hints: Custom error name to a sentence with its arguments in braces.
    """

    def __init__(self, abi: Abi, hints: Mapping[str, str] | None = None) -> None:
        self.abi = abi
        self._hints = hints or {}

    @cached_property
    def _functions(self) -> dict[str, Mapping[str, Any]]:
        return {entry["name"]: entry for entry in self.abi if entry["type"] == "function"}

    @cached_property
    def _by_selector(self) -> dict[bytes, Mapping[str, Any]]:
        return {self.selector(name): entry for name, entry in self._functions.items()}

    @cached_property
    def _errors(self) -> dict[bytes, Mapping[str, Any]]:
        return {_keccak(_signature(entry))[:4]: entry for entry in self.abi if entry["type"] == "error"}

    @cached_property
    def _events(self) -> dict[bytes, Mapping[str, Any]]:
        return {_keccak(_signature(entry)): entry for entry in self.abi if entry["type"] == "event"}

    def selector(self, function: str) -> bytes:
        """The four bytes that call a function."""
        return _keccak(_signature(self._functions[function]))[:4]

    def topic(self, event: str) -> bytes:
        """An event's first topic, 32 bytes."""
        return next(topic for topic, entry in self._events.items() if entry["name"] == event)

    def encode_call(self, function: str, *arguments: Any) -> bytes:
        """Calldata. Structs are given as tuples."""
        return self.selector(function) + _encode(self._functions[function]["inputs"], arguments)

    def encode_constructor(self, *arguments: Any) -> bytes:
        """What follows the creation code."""
        inputs = next((entry["inputs"] for entry in self.abi if entry["type"] == "constructor"), ())
        return _encode(inputs, arguments)

    def decode_call(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Name and arguments of a call.

        Raises:
            ValueError: It is no call of this contract, or not its arguments' canonical encoding.
        """
        entry = self._by_selector.get(data[:4])
        if entry is None:
            raise ValueError(f"0x{data[:4].hex()} is no function of the contract")
        values = _decode(entry["inputs"], data[4:])
        return entry["name"], values

    def decode_output(self, function: str, data: bytes) -> Any:
        """A function's result. Raises: ValueError."""
        values = _decode(self._functions[function]["outputs"], data)
        return next(iter(values.values())) if len(values) == 1 else values

    def decode_log(self, log: Log) -> tuple[str, dict[str, Any]] | None:
        """Name and arguments of an event; None if it is none of this contract's. Raises: ValueError."""
        entry = self._events.get(log.topics[0]) if log.topics else None
        if entry is None:
            return None
        indexed = [part for part in entry["inputs"] if part["indexed"]]
        rest = [part for part in entry["inputs"] if not part["indexed"]]
        values = _decode(indexed, b"".join(log.topics[1:])) | _decode(rest, log.data)
        return entry["name"], values

    def decode_error(self, data: bytes) -> Revert | None:
        """A custom error in words; None if it is none of this contract's."""
        entry = self._errors.get(data[:4])
        if entry is None:
            return None
        name = entry["name"]
        try:
            values = _decode(entry["inputs"], data[4:])
        except ValueError:
            return Revert(name, f"{name}: with malformed arguments")
        words = {key: _word(value) for key, value in values.items()}
        feed_id = values.get("feedId")
        hint = self._hints.get(name)
        if hint is not None:
            try:
                return Revert(name, f"{name}: {hint.format(**words)}", feed_id)
            except KeyError:
                pass  # the contract has renamed an argument: the plain form still says everything
        arguments = ", ".join(f"{key} = {value}" for key, value in words.items())
        return Revert(name, f"{name}({arguments})", feed_id)


_HINTS = {
    "NoUpdates": "the submission has no updates",
    "NoCircuitForBatch": "the model's architecture has no circuit for {updates} updates in one proof",
    "ProofTooLong": "a proof of {length} bytes, the hub reads {longest} at most",
    "UnknownModel": "the hub has no model number {modelNumber}",
    "UnknownFeed": "the hub has no feed {feedId}",
    "FeedsNotAscending": "feed {feedId} appears twice in one submission, or behind one of a larger id",
    "FeedPaused": "feed {feedId} is paused by its guardian",
    "ModelNotActive": "proven with model {modelNumber}, the feed's active model is {active}",
    "ModelNotProposed": "proven with model {modelNumber}, the feed's proposed model is {proposed} (0: none is)",
    "WrongRound": "signed for round {roundId}, the feed expects {expected}",
    "QuorumNotMet": "{observations} signed observations, the feed needs {quorum}",
    "TooManyObservations": "{observations} observations are more than the feed has reporters",
    "NotAReporter": "the signature is of {signer}, no reporter of feed {feedId} (or it is of another statement)",
    "DuplicateReporter": "reporter {signer} signed twice in one round",
    "ObservationsNotSorted": "the observations are not sorted by answer",
    "AnswerOutOfRange": "the answer {answer} can't be the feed's first one: a relative feed's answers are above zero",
    "SpreadTooWide": "the reporters are {spread} thousandths of sigma apart, the feed allows {maxSpread}",
    "ObservationNotNewer": "observed at {observedAt}, but the feed has a report observed at {lastReportAt}",
    "ObservationInFuture": "observed at {observedAt}, the latest that the feed takes now is {latest}: check the clocks",
    "ObservationTooOld": "observed at {observedAt}, the earliest that the feed still takes is {earliest}",
    "WrongScoreCount": "{scores} scores, the model's architecture has {expected}",
    "ScoreOutOfRange": "the score {score} is outside the circuit's integers",
    "ProofRejected": "the verifier does not accept the proof of the statement that the hub wrote down",
    "FeedExists": "the hub has feed {feedId} already",
    "InvalidConfig": "the feed's {field} is not valid",
    "InvalidReporters": "the reporters are not distinct, or too few or too many for the quorum",
    "InvalidArchitecture": "the architecture's {field} is not valid",
    "UnknownArchitecture": "the hub has no architecture {architectureId}",
    "VerifierHasNoCode": "there is no contract at the verifier's address {verifier}",
    "InvalidModel": "the model's {field} is not valid",
    "NothingProposed": "nothing is proposed",
    "NotPaused": "feed {feedId} is not paused",
    "TooEarly": "the change takes effect at {activeFrom} (unix seconds), not before",
    "NoPreviousModel": "the feed has no previous model to roll back to",
    "ShadowTooShort": "the proposed model has {compared} compared reports, its proposal demands {minCompared}",
    "ShadowTooFar": "the proposed model's latest score is {distance} thousandths from the active one's, its proposal "
    "allows {maxDistance}",
    "AggregatorNotDeployed": "there is no adapter yet at {aggregator}: the factory deploys it",
    "AggregatorAlreadyLinked": "feed {feedId} has an aggregator already",
    "AccessControlUnauthorizedAccount": "{account} has not the role {neededRole} that this needs",
}


@cache
def hub_interface() -> Interface:
    """The hub's."""
    return Interface(compiled.load("ZkOracle").abi, _HINTS)


@cache
def aggregator_interface() -> Interface:
    """The Chainlink adapter's."""
    return Interface(compiled.load("ZkAggregator").abi, _HINTS)


# --- submissions ---------------------------------------------------------------------------------------------------


def encode_submission(scored: Sequence[Scored], proof: bytes, *, shadow: bool = False) -> bytes:
    """Calldata of `submit`.

    Args:
        scored: The statements that the proof is of, in the circuit's order, all of one model.
        shadow: Of `submitShadow` instead: the model is the one that is proposed for each of the feeds.

    Raises:
        ValueError: They are of several models, or the feeds do not ascend by id.
    """
    if len({each.model_number for each in scored}) != 1:
        raise ValueError("one submission is of one model, and of at least one feed")
    ids = [each.observed.feed_id for each in scored]
    if ids != sorted(set(ids)):
        raise ValueError("the feeds of one submission ascend by id: sort them before they are proven")
    updates = [
        (
            each.observed.feed_id,
            each.round_id,
            [
                (one.answer, one.observed_at, one.v, one.r, one.s)
                for one in sorted(each.signed, key=lambda one: one.answer)
            ],
            list(each.scores),
        )
        for each in scored
    ]
    return hub_interface().encode_call("submitShadow" if shadow else "submit", scored[0].model_number, updates, proof)


def decode_submission(calldata: bytes) -> Submission:
    """The inverse of `encode_submission`, for auditors.

    Raises:
        ValueError: The calldata is not of `submit`, or malformed.
    """
    name, arguments = hub_interface().decode_call(calldata)
    if name != "submit":
        raise ValueError(f"the call is of {name}, not of submit")
    updates = tuple(
        FeedUpdate(
            feed_id=update["feedId"],
            round_id=update["roundId"],
            observations=tuple(
                SignedObservation(one["answer"], one["observedAt"], one["v"], one["r"], one["s"])
                for one in update["observations"]
            ),
            scores=tuple(update["scores"]),
        )
        for update in arguments["updates"]
    )
    return Submission(arguments["modelNumber"], updates, arguments["proof"])


# --- reading -------------------------------------------------------------------------------------------------------


class Hub:
    """Reads one hub.

    Once it was found, with its feeds, it is there: nothing of it can be removed. An endpoint that has it no more is not
    believed, as it lies, or was set back to an older state.

    Args:
        address: Checksummed.
    """

    def __init__(self, rpc: Rpc, address: str) -> None:
        self.rpc = rpc
        self.address = address
        self._configs: dict[bytes, FeedConfig] = {}
        self._found: frozenset[bytes] = frozenset()

    async def find(self, feeds: Mapping[str, bytes]) -> None:
        """See that the hub is there and has these feeds: to be called before anything is reported.

        Args:
            feeds: Ids by name.

        Raises:
            DeploymentError: It is not there, or lacks one.
            ChainUnavailable: No answer.
        """
        for name, feed_id in feeds.items():
            try:
                await self.feed_config(feed_id)
            except ContractRejected as error:
                raise DeploymentError(
                    f"feed {name} is not in the hub at {self.address} on chain {await self.rpc.chain_id()} ({error}); "
                    "check the RPC URL and the deployment file, or run `oracle deploy`"
                ) from error
        self._found = frozenset(feeds.values())

    @contextlib.contextmanager
    def _standing(self) -> Iterator[None]:
        """What can't be of a hub that was found is the endpoint's fault, and passes."""
        try:
            yield
        except (DeploymentError, ContractRejected) as error:
            is_gone = isinstance(error, DeploymentError) or (
                error.name == "UnknownFeed" and error.feed_id in self._found
            )
            if not self._found or not is_gone:
                raise
            raise AnswerNotBelieved(
                f"RPC endpoint {self.rpc.name} is not believed, as the hub and its feeds were there before: {error}"
            ) from error

    async def feed_state(self, feed_id: bytes, block: BlockTag = "latest") -> FeedState:
        """A feed as it is on-chain, with the constants that features need.

        Raises:
            ContractRejected: The hub has no such feed.
            ChainUnavailable: No answer.
        """
        config = await self.feed_config(feed_id)
        found = await self.read("feedState", feed_id, block=block)
        with self._standing():
            return self._state(feed_id, config, found)

    def _state(self, feed_id: bytes, config: FeedConfig, found: Mapping[str, Any]) -> FeedState:
        status = _member(Status, found["status"], self.address)
        held = found["held"]
        return FeedState(
            feed_id=feed_id,
            status=status,
            paused=found["paused"],
            round_id=found["roundId"],
            answer=found["answer"],
            observed_at=found["observedAt"],
            published_at=found["publishedAt"],
            last_report_at=found["lastReportAt"],
            model_number=found["modelNumber"],
            repeats=found["repeats"],
            returns=tuple(found["returns_"]),
            held=None
            if status is not Status.HELD
            else HeldAnswer(
                reason=_member(HoldReason, held["reason"], self.address),
                answer=held["answer"],
                first_answer=held["firstAnswer"],
                first_observed_at=held["firstObservedAt"],
                observed_at=held["observedAt"],
                confirmations=held["confirmations"],
                model_number=held["modelNumber"],
                score_ratio=held["scoreRatio"],
                anomalies=held["anomalies"],
                anomalous_since=held["anomalousSince"],
            ),
            kind=config.kind,
            sigma=config.sigma,
            heartbeat=config.heartbeat,
        )

    async def feed_config(self, feed_id: bytes) -> FeedConfig:
        """What was fixed when the feed was made. Asked for once: only the quorum can ever change."""
        if feed_id not in self._configs:
            self._configs[feed_id] = await self.fresh_feed_config(feed_id)
        return self._configs[feed_id]

    async def fresh_feed_config(self, feed_id: bytes) -> FeedConfig:
        """The feed's configuration as it is now, its current quorum included."""
        found = await self.read("feedConfig", feed_id)
        return FeedConfig(
            description=found["description"],
            kind=_member(Kind, found["kind"], self.address),
            decimals=found["decimals"],
            quorum=found["quorum"],
            confirmations=found["confirmations"],
            max_repeats=found["maxRepeats"],
            heartbeat=found["heartbeat"],
            max_age=found["maxAge"],
            max_skew=found["maxSkew"],
            confirm_delay=found["confirmDelay"],
            tolerance=found["tolerance"],
            max_spread=found["maxSpread"],
            sigma=found["sigma"],
        )

    async def feed_ids(self) -> tuple[bytes, ...]:
        """All feeds, in the order in which they were added."""
        return tuple(await self.read("feedIds"))

    async def reporters(self, feed_id: bytes) -> tuple[str, ...]:
        """Who may sign for a feed."""
        return tuple(await self.read("reporters", feed_id))

    async def aggregator(self, feed_id: bytes) -> str | None:
        """The linked Chainlink adapter; None if there is none."""
        found: str = await self.read("aggregator", feed_id)
        return found if int(found, 16) else None

    async def proposals(self, feed_id: bytes) -> Proposals:
        """What is proposed for a feed."""
        found = await self.read("proposals", feed_id)
        proposed = found["proposed"]
        return Proposals(
            model=proposed["model"] or None,
            model_from=proposed["modelFrom"] or None,
            reporters=tuple(found["proposedReporters"]),
            quorum=proposed["quorum"] or None,
            reporters_from=proposed["reportersFrom"] or None,
            unpause_from=proposed["unpauseFrom"] or None,
            previous_model=proposed["previousModel"] or None,
        )

    async def shadow(self, feed_id: bytes) -> ShadowTally | None:
        """The tally of the proposed model; None if no model is proposed."""
        found = await self.read("shadow", feed_id)
        if not found["modelNumber"]:
            return None
        return ShadowTally(
            model_number=found["modelNumber"],
            reports=found["reports"],
            compared=found["compared"],
            disagreements=found["disagreements"],
            distance=found["distance"],
            min_compared=found["minCompared"],
            max_distance=found["maxDistance"],
        )

    async def features(self, feed_id: bytes, answer: int, observed_at: int, spread: int = 0) -> tuple[int, ...]:
        """The features by which the hub would judge a candidate now.

        Args:
            spread: Of the reporters' answers, in thousandths of sigma; unused by a model that does not see it.
        """
        return tuple(await self.read("features", feed_id, answer, observed_at, spread))

    async def observation_digest(self, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> bytes:
        """The EIP-712 digest that a reporter signs, as the hub computes it."""
        digest: bytes = await self.read("observationDigest", feed_id, round_id, answer, observed_at)
        return digest

    async def model_count(self) -> int:
        """How many models the hub has; see `model` for their numbers."""
        return int(await self.read("modelCount"))

    async def model(self, number: int) -> Model:
        """A model. Raises: ContractRejected if there is none of this number."""
        found = await self.read("model", number)
        return Model(found["modelHash"], found["architectureId"], found["artifactHash"], found["scoreUnit"])

    async def architecture_count(self) -> int:
        """How many architectures the hub has."""
        return int(await self.read("architectureCount"))

    async def architecture(self, architecture_id: int) -> Architecture:
        """An architecture. Raises: ContractRejected if there is none of this id."""
        found = await self.read("architecture", architecture_id)
        return Architecture(
            features=found["features"],
            outputs=found["outputs"],
            binds_model=found["bindsModel"],
            has_spread=found["hasSpread"],
            batch_sizes=tuple(found["batchSizes"]),
            verifiers=tuple(found["verifiers"]),
            code_hashes=tuple(found["codeHashes"]),
        )

    async def round(self, feed_id: bytes, round_id: int, block: BlockTag = "latest") -> Round | None:
        """A past round; None if there is none of this id."""
        found = await self.read("getRound", feed_id, round_id, block=block)
        if not found["publishedAt"]:
            return None
        return Round(
            round_id=round_id,
            answer=found["answer"],
            observed_at=found["observedAt"],
            published_at=found["publishedAt"],
            model_number=found["modelNumber"],
            score_ratio=found["scoreRatio"],
        )

    async def rounds(self, feed_id: bytes, first: int = 1, last: int | None = None) -> list[Round]:
        """The rounds `first` to `last` (default: the latest), both included."""
        if last is None:
            last = (await self.feed_state(feed_id)).round_id
        found = [await self.round(feed_id, round_id) for round_id in range(first, last + 1)]
        return [each for each in found if each is not None]

    async def logs(self, first: int, last: int) -> list[RoundEvent]:
        """What became of every report in blocks `first` to `last`, both included, oldest first."""
        interface = hub_interface()
        topics = [[interface.topic("RoundAccepted"), interface.topic("RoundHeld")]]
        return self._round_events(await self.rpc.logs(self.address, first, last, topics))

    def decode_outcome(self, receipt: Receipt) -> list[RoundEvent]:
        """What became of the reports that a transaction carried, in its order."""
        return self._round_events(receipt.logs)

    def decode_shadows(self, receipt: Receipt) -> list[tuple[bytes, int]]:
        """Feed id and round of each shadow report that a transaction carried, in its order.

        Raises:
            ChainUnavailable: The node's log is malformed.
        """
        found = [_decoded(log) for log in receipt.logs if log.address == self.address]
        return [(each[1]["feedId"], each[1]["roundId"]) for each in found if each and each[0] == "ShadowScored"]

    def _round_events(self, logs: Sequence[Log]) -> list[RoundEvent]:
        with self._standing():
            return [event for log in logs if log.address == self.address and (event := round_event(log)) is not None]

    async def read(self, function: str, *arguments: Any, block: BlockTag = "latest") -> Any:
        """Call one of the hub's views.

        Raises:
            ContractRejected: It reverted, with the decoded reason.
            DeploymentError: There is no hub at the address.
            AnswerNotBelieved: The same, where it was found before.
            ChainUnavailable: No answer.
        """
        with self._standing():
            return await read(self.rpc, hub_interface(), self.address, function, *arguments, block=block)


def round_event(log: Log) -> RoundEvent | None:
    """A log of the hub as the event of a round; None if it is another one.

    Raises:
        ChainUnavailable: The node's log is malformed.
        DeploymentError: The log is of another contract than this release's hub.
    """
    found = _decoded(log)
    if found is None or found[0] not in ("RoundAccepted", "RoundHeld"):
        return None
    name, values = found
    common = {
        "feed_id": values["feedId"],
        "round_id": values["roundId"],
        "answer": values["answer"],
        "observed_at": values["observedAt"],
        "model_number": values["modelNumber"],
        "scores": tuple(values["scores"]),
        "block_number": log.block_number,
        "tx_hash": log.tx_hash,
        "log_index": log.log_index,
    }
    if name == "RoundAccepted":
        return RoundAccepted(**common, confirmed=values["confirmed"])
    reason = _member(HoldReason, values["reason"], log.address)
    return RoundHeld(**common, reason=reason, confirmations=values["confirmations"])


def _decoded(log: Log) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments of one of the hub's events; None if it is none."""
    try:
        return hub_interface().decode_log(log)
    except ValueError as error:
        raise ChainUnavailable(f"the RPC endpoint answers a malformed log: {error}") from error


def _member(enum: type[E], value: int, address: str) -> E:
    """A word as one of the contract's enums; another contract may answer what is none of them."""
    try:
        return enum(value)
    except ValueError:
        raise DeploymentError(
            f"the contract at {address} answers {value} for a {enum.__name__}, which this release does not know: "
            "check the address and the deployment file"
        ) from None


async def read(
    rpc: Rpc, interface: Interface, address: str, function: str, *arguments: Any, block: BlockTag = "latest"
) -> Any:
    """Call a view of any contract. Raises as `Hub.read` does."""
    data = interface.encode_call(function, *arguments)

    def doubt(answer: bytes) -> str:
        try:
            interface.decode_output(function, answer)
        except ValueError:
            return f"{address} answers {'nothing' if not answer else 'something else'} to {function}"
        return ""

    try:
        answer = await rpc.call(address, data, block=block, decode=interface.decode_error, doubt=doubt)
    except AnswerNotBelieved:
        what = (
            "there is no contract" if not await rpc.code(address) else f"the contract has no {function}, or another one"
        )
        raise DeploymentError(
            f"{address} on chain {await rpc.chain_id()}: {what}; check the address and the deployment file"
        ) from None
    return interface.decode_output(function, answer)


# --- ABI details ---------------------------------------------------------------------------------------------------


def _keccak(text: str) -> bytes:
    from eth_utils.crypto import keccak

    return bytes(keccak(text=text))


def _type(part: Mapping[str, Any]) -> str:
    """A parameter's canonical type, tuples spelt out."""
    if not part["type"].startswith("tuple"):
        return str(part["type"])
    inner = ",".join(_type(component) for component in part["components"])
    return f"({inner}){part['type'][5:]}"


def _signature(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']}({','.join(_type(part) for part in entry['inputs'])})"


def _encode(parts: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> bytes:
    from eth_abi.abi import encode

    return encode([_type(part) for part in parts], values)


def _decode(parts: Sequence[Mapping[str, Any]], data: bytes) -> dict[str, Any]:
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        values = decode([_type(part) for part in parts], data)
    except (DecodingError, OverflowError) as error:
        raise ValueError(f"malformed ABI encoding: {error}") from error
    return {
        part["name"] or str(i): _named(part, value) for i, (part, value) in enumerate(zip(parts, values, strict=True))
    }


def _named(part: Mapping[str, Any], value: Any, kind: str | None = None) -> Any:
    """A decoded value with its structs as dicts, recursively."""
    kind = part["type"] if kind is None else kind
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return tuple(_named(part, each, inner) for each in value)
    if kind == "tuple":
        return {each["name"]: _named(each, item) for each, item in zip(part["components"], value, strict=True)}
    if kind == "address":
        from eth_utils.address import to_checksum_address

        return str(to_checksum_address(value))
    return value


def _word(value: Any) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


Progress: TypeAlias = Callable[[str], None]
"""Called with one line for each step of something that takes a while."""
