"""The independent audit: every round of a hub is verified again, off-chain, trusting nothing that the hub says.

Input is what a chain can't take back: the calldata of each submission, in order, and the terms that feeds and models
were added with. The audit rebuilds each feed's history from them, derives the features and the instances itself,
verifies each proof with the artifact's verifying key, and compares what the hub did with what it must have done.
Submissions of a proposed model (`submitShadow`) are no rounds, and are not looked at.

`Auditor` is pure but for the child process that verifies; `audit_hub` fetches what it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oracle.chain.deploy import PUBLIC_CEREMONY, code_problems, srs_origin
from oracle.chain.hub import (
    FeedUpdate,
    Hub,
    Round,
    RoundAccepted,
    RoundEvent,
    decode_submission,
    hub_interface,
    round_event,
)
from oracle.chain.hub import Submission as Call
from oracle.chain.keys import signer
from oracle.chain.transport.rpc import Log, Rpc
from oracle.core import encoding
from oracle.core.errors import ArtifactError, ChainUnavailable, DeploymentError
from oracle.core.gate import HoldPolicy, empty_feed, judge
from oracle.core.types import FeedState, HoldReason, Kind, Outcome, SignedObservation
from oracle.proving import artifact as artifacts
from oracle.proving.pool.local import LocalVerifier

_MOST_ELEMENTS = 255
"""Of any list in a submission that the hub can take."""


@dataclass(frozen=True)
class FeedTerms:
    """What a feed was added with, and who may report to it now."""

    feed_id: bytes
    description: str
    kind: Kind
    sigma: int
    heartbeat: int
    max_age: int
    max_skew: int
    max_spread: int
    quorum: int
    policy: HoldPolicy
    reporters: frozenset[str]
    model_number: int


@dataclass(frozen=True)
class ModelTerms:
    """A model as the hub has it, and the circuit that the auditor has an artifact of.

    Attributes:
        model_hash: None if the architecture binds none.
        batches: Batch sizes that the architecture has verifiers for, ascending.
        check_proof: Verifies a proof for a batch size; None if there is no artifact here whose verifier has the
            deployed code.
        has_spread: Whether it sees how far apart the reporters' answers are.
    """

    number: int
    features: int
    outputs: int
    model_hash: int | None
    score_unit: int
    batches: tuple[int, ...]
    check_proof: Callable[[int, bytes, tuple[int, ...]], Awaitable[bool]] | None
    problem: str = ""
    has_spread: bool = False


@dataclass(frozen=True)
class Event:
    """What the hub said that it did with an update.

    Attributes:
        reason: Why it was held; NONE if it was accepted.
        confirmations: Of the hold that the update started or went on with; 0 if it was accepted.
    """

    feed_id: bytes
    round_id: int
    outcome: Outcome
    answer: int
    observed_at: int
    confirmed: bool
    reason: HoldReason
    confirmations: int


@dataclass(frozen=True)
class Submission:
    """One successful call of `submit`."""

    tx_hash: str
    block_number: int
    block_time: int
    model_number: int
    updates: tuple[FeedUpdate, ...]
    proof: bytes
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Finding:
    """The audit of one update: `problem` is empty if everything holds."""

    feed: str
    round_id: int
    outcome: Outcome
    answer: int
    observed_at: int
    tx_hash: str
    problem: str

    @property
    def verified(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class AuditReport:
    """All findings, and what is wrong beyond single rounds."""

    hub: str
    chain_id: int
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def verified(self) -> int:
        return sum(finding.verified for finding in self.findings)

    @property
    def failed(self) -> int:
        return len(self.findings) - self.verified

    @property
    def ok(self) -> bool:
        return not self.problems and self.failed == 0


class _Unproven(Exception):
    """A check of an update failed; the message says which."""


class Auditor:
    """Replays submissions, in the order in which the chain has them.

    Args:
        recover: Gives the address that signed an observation for (feed id, round); ValueError if nobody did.
    """

    def __init__(self, recover: Callable[[bytes, int, SignedObservation], str]) -> None:
        self._recover = recover
        self._terms: dict[bytes, FeedTerms] = {}
        self._models: dict[int, ModelTerms] = {}
        self._states: dict[bytes, FeedState] = {}
        self._rounds: dict[tuple[bytes, int], Round] = {}
        self.findings: list[Finding] = []

    def add_model(self, model: ModelTerms) -> None:
        """A model was added to the hub."""
        self._models[model.number] = model

    def add_feed(self, terms: FeedTerms) -> None:
        """A feed was added to the hub."""
        self._terms[terms.feed_id] = terms
        self._states[terms.feed_id] = empty_feed(
            terms.feed_id, terms.kind, terms.sigma, terms.heartbeat, terms.model_number
        )

    def change_model(self, feed_id: bytes, model_number: int) -> None:
        """A feed's model was activated, or rolled back to."""
        self._states[feed_id] = replace(self._states[feed_id], model_number=model_number)

    def change_reporters(self, feed_id: bytes, reporters: Sequence[str], quorum: int) -> None:
        """A feed's reporters were changed."""
        self._terms[feed_id] = replace(self._terms[feed_id], reporters=frozenset(reporters), quorum=quorum)

    async def submission(self, submission: Submission) -> None:
        """Verify one submission and take over what it must have done."""
        proof_problem: str | None = None
        judged: list[tuple[FeedUpdate, int, int, tuple[int, ...]]] = []
        problems: dict[int, str] = {}
        for index, update in enumerate(submission.updates):
            try:
                judged.append((update, *self._statement(submission, update)))
            except _Unproven as error:
                problems[index] = str(error)
        if problems:
            proof_problem = "the statement can't be rebuilt, so its proof can't be checked"
        else:
            proof_problem = await self._check_proof(submission, [features for _, _, _, features in judged])
        outcomes = {event.feed_id: event for event in submission.events}
        for index, update in enumerate(submission.updates):
            event = outcomes.get(update.feed_id)
            problem = problems.get(index, "")
            if not problem:
                update, answer, observed_at, _ = next(item for item in judged if item[0] is update)
                # Taken over even if the proof is bad: later proofs are of the history that the hub has.
                outcome_problem = self._outcome(submission, update, answer, observed_at, event)
                problem = proof_problem or outcome_problem
            self._find(submission, update, event, problem)

    def expected_states(self) -> Mapping[bytes, FeedState]:
        """Each feed as it must be now."""
        return dict(self._states)

    def expected_rounds(self) -> Mapping[tuple[bytes, int], Round]:
        """Each round as it must be stored, by feed and number."""
        return dict(self._rounds)

    def _statement(self, submission: Submission, update: FeedUpdate) -> tuple[int, int, tuple[int, ...]]:
        """Steps 1 to 4 of the hub: the answer, its time and the features that the proof must be about."""
        terms, state = self._terms.get(update.feed_id), self._states.get(update.feed_id)
        if terms is None or state is None:
            raise _Unproven("the feed was never added")
        # 1. The model is the feed's active one, and the round its next.
        model = self._models.get(submission.model_number)
        if model is None:
            raise _Unproven(f"model {submission.model_number} was never added")
        if submission.model_number != state.model_number:
            raise _Unproven(f"model {submission.model_number} was not active; {state.model_number} was")
        if update.round_id != state.round_id + 1:
            raise _Unproven(f"signed for round {update.round_id}, but {state.round_id + 1} was next")
        if len(update.scores) != model.outputs:
            raise _Unproven(f"{len(update.scores)} scores where the model has {model.outputs}")
        # 2. A quorum of distinct reporters signed, sorted by answer.
        answers = [observation.answer for observation in update.observations]
        if len(answers) < terms.quorum:
            raise _Unproven(f"{len(answers)} observations where {terms.quorum} are the quorum")
        if answers != sorted(answers):
            raise _Unproven("the observations are not sorted")
        try:
            signers = [self._recover(update.feed_id, update.round_id, signed) for signed in update.observations]
        except ValueError as error:
            raise _Unproven(str(error)) from None
        if len(set(signers)) != len(signers):
            raise _Unproven("a reporter signed twice")
        if strangers := sorted(set(signers) - terms.reporters):
            raise _Unproven(f"{strangers[0]} was no reporter")
        spread = encoding.spread(terms.kind, terms.sigma, answers[0], answers[-1])
        if terms.max_spread and spread > terms.max_spread:
            raise _Unproven("the reporters' answers were too far apart")
        # 3. Every observation is newer than the last report, and fresh.
        times = sorted(observation.observed_at for observation in update.observations)
        if times[0] <= state.last_report_at:
            raise _Unproven("an observation was not newer than the last report")
        if times[-1] > submission.block_time + terms.max_skew:
            raise _Unproven("an observation was from the future")
        if times[0] + terms.max_age < submission.block_time:
            raise _Unproven("an observation was too old")
        # 4. The features follow from the accepted history.
        answer, observed_at = answers[len(answers) // 2], times[(len(times) - 1) // 2]
        seen = spread if model.has_spread else None
        return answer, observed_at, encoding.features(state, answer, observed_at, model.features, seen)

    async def _check_proof(self, submission: Submission, windows: Sequence[tuple[int, ...]]) -> str:
        """Step 5: the proof is valid for the instances that the hub must have built."""
        model = self._models[submission.model_number]
        batch = next((size for size in model.batches if size >= len(windows)), None)
        if batch is None:
            return f"the model has no circuit for {len(windows)} feeds"
        if model.check_proof is None:
            return model.problem or "there is no artifact here for the deployed verifier"
        scores = [update.scores for update in submission.updates]
        try:
            instances = encoding.instances(model.model_hash, windows, scores, batch)
        except ValueError as error:
            return str(error)
        return "" if await model.check_proof(batch, submission.proof, instances) else "the proof does not verify"

    def _outcome(
        self, submission: Submission, update: FeedUpdate, answer: int, observed_at: int, event: Event | None
    ) -> str:
        """Step 6: the hub did with it what the gate says. Takes the state over."""
        terms = self._terms[update.feed_id]
        score_unit = self._models[submission.model_number].score_unit
        verdict = judge(
            self._states[update.feed_id],
            terms.policy,
            answer,
            observed_at,
            update.scores,
            score_unit=score_unit,
            published_at=submission.block_time,
            latest_observed_at=max(signed.observed_at for signed in update.observations),
        )
        self._states[update.feed_id] = verdict.state
        if verdict.outcome is Outcome.ACCEPTED:
            self._rounds[update.feed_id, update.round_id] = Round(
                round_id=update.round_id,
                answer=answer,
                observed_at=observed_at,
                published_at=submission.block_time,
                model_number=submission.model_number,
                score_ratio=encoding.score_ratio(update.scores, score_unit),
            )
        held = verdict.state.held
        expected = Event(
            feed_id=update.feed_id,
            round_id=update.round_id,
            outcome=verdict.outcome,
            answer=answer,
            observed_at=observed_at,
            confirmed=verdict.confirmed,
            reason=held.reason if held else HoldReason.NONE,
            confirmations=held.confirmations if held else 0,
        )
        if event is None:
            return f"the hub emitted nothing, where {verdict.outcome.value} was due"
        return "" if event == expected else f"the hub said {_in_words(event)}, but it was {_in_words(expected)}"

    def _find(self, submission: Submission, update: FeedUpdate, event: Event | None, problem: str) -> None:
        terms = self._terms.get(update.feed_id)
        self.findings.append(
            Finding(
                feed=terms.description if terms else "0x" + update.feed_id.hex(),
                round_id=update.round_id,
                outcome=event.outcome if event else Outcome.FAILED,
                answer=event.answer if event else 0,
                observed_at=event.observed_at if event else 0,
                tx_hash=submission.tx_hash,
                problem=problem,
            )
        )


def _in_words(event: Event) -> str:
    how = " by confirmation" if event.confirmed else ""
    if event.outcome is Outcome.HELD:
        how = f" as {event.reason.name.lower()} (confirmations: {event.confirmations})"
    return f"{event.outcome.value}{how} {event.answer} of {event.observed_at}"


def differences(expected: FeedState, actual: FeedState) -> str:
    """What differs between the state that history leads to and the one that the hub has; empty if nothing does."""
    expected = replace(expected, paused=actual.paused)
    if expected == actual:
        return ""
    fields = [name for name in FeedState.__slots__ if getattr(expected, name) != getattr(actual, name)]
    return ", ".join(
        f"{name} is {getattr(actual, name)} but must be {getattr(expected, name)}" for name in sorted(fields)
    )


# --- fetching ------------------------------------------------------------------------------------------------------


async def audit_hub(rpc: Rpc, hub: str, folder: Path, from_block: int = 0) -> AuditReport:
    """Audit a hub: its code, its verifiers, and every report that it ever took.

    Args:
        folder: With the models' artifacts; what only a prover needs may be missing from them.
        from_block: Not after the hub's deployment.

    Raises:
        DeploymentError: There is no hub at the address.
        ChainUnavailable: The endpoint does not answer, or has not the history.
    """
    with ExitStack() as stack:
        run = _Run(rpc, Hub(rpc, hub), folder, stack)
        return await run(from_block)


class _Run:
    """One audit."""

    def __init__(self, rpc: Rpc, hub: Hub, folder: Path, stack: ExitStack) -> None:
        self.rpc = rpc
        self.hub = hub
        self.stack = stack
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.unreadable: list[str] = []
        self.lacking = False
        self.artifacts = _artifacts(folder, self.unreadable)
        self.verifiers: dict[Path, LocalVerifier] = {}
        self.architectures: dict[int, Mapping[str, Any]] = {}

    async def __call__(self, from_block: int) -> AuditReport:
        chain_id = await self.rpc.chain_id()
        await self._check_hub_code()
        self.auditor = Auditor(lambda *signed: signer.recover(chain_id, self.hub.address, *signed))
        logs = await self.rpc.logs(self.hub.address, from_block, await self.rpc.block_number())
        reports: dict[bytes, list[RoundEvent]] = {}
        for log in logs:
            if (event := round_event(log)) is not None:
                reports.setdefault(log.tx_hash, []).append(event)
        for log in logs:
            if round_event(log) is None:
                await self._administration(log)
            elif (events := reports.pop(log.tx_hash, None)) is not None:
                await self._transaction(log, events)
        for feed_id, expected in self.auditor.expected_states().items():
            if problem := differences(expected, await self.hub.feed_state(feed_id)):
                self.problems.append(
                    f"feed 0x{feed_id.hex()}: the hub's state is not what its history leads to: {problem}"
                )
        for (feed_id, round_id), round_ in self.auditor.expected_rounds().items():
            if (stored := await self.hub.round(feed_id, round_id)) != round_:
                self.problems.append(f"feed 0x{feed_id.hex()}: round {round_id} is stored as {stored}, not {round_}")
        # A folder may have artifacts of other releases, or of no concern; where one is lacking they may be why.
        (self.problems if self.lacking else self.notes).extend(self.unreadable)
        return AuditReport(
            hub=self.hub.address,
            chain_id=chain_id,
            findings=tuple(self.auditor.findings),
            problems=tuple(self.problems),
            notes=tuple(self.notes),
        )

    async def _check_hub_code(self) -> None:
        if not await self.rpc.code(self.hub.address):
            raise DeploymentError(f"there is no contract at {self.hub.address} on chain {await self.rpc.chain_id()}")
        self.problems += await code_problems(self.rpc, self.hub.address)

    async def _administration(self, log: Log) -> None:
        """An event that is not of a round."""
        decoded = hub_interface().decode_log(log)
        if decoded is None:
            return
        name, values = decoded
        if name == "ArchitectureAdded":
            self.architectures[values["architectureId"]] = values["architecture"]
        elif name == "ModelAdded":
            self.auditor.add_model(await self._model(values["modelNumber"], values["model"]))
        elif name == "FeedAdded":
            self.auditor.add_feed(_terms(values))
        elif name in ("ModelActivated", "ModelRolledBack"):
            self.auditor.change_model(values["feedId"], values["modelNumber"])
        elif name == "ReportersActivated":
            self.auditor.change_reporters(values["feedId"], values["reporters"], values["quorum"])

    async def _model(self, number: int, model: Mapping[str, Any]) -> ModelTerms:
        """A model with the artifacts whose verifiers are deployed for it."""
        architecture = self.architectures[model["architectureId"]]
        model_hash = model["modelHash"] if architecture["bindsModel"] else None
        found: dict[int, LocalVerifier] = {}
        problem = ""
        circuits = zip(architecture["batchSizes"], architecture["verifiers"], architecture["codeHashes"], strict=True)
        for batch, address, code_hash in circuits:
            code = await self.rpc.code(address)
            if _keccak(code) != code_hash:
                self.problems.append(f"model {number}: the verifier at {address} has not the code that the hub pinned")
            artifact = self.artifacts.get((code_hash.hex(), model_hash))
            origins = {srs_origin(code), *(() if artifact is None else (artifact.manifest.srs_origin,))}
            # The constant may stand anywhere in the code; the artifact's own SRS is known by its whole hash.
            if origins != {PUBLIC_CEREMONY}:
                text = f"model {number}: the verifier at {address} is keyed with a local SRS: whoever made it can forge"
                (self.notes if await self.rpc.is_local() else self.problems).append(text)
            if artifact is None:
                problem = (
                    f"no artifact here is of model {number} with {batch} windows (verifier code 0x{code_hash.hex()})"
                )
                self.problems.append(problem)
                self.lacking = True
            else:
                found[batch] = self._verifier(artifact)

        async def check_proof(batch: int, proof: bytes, instances: tuple[int, ...]) -> bool:
            return (await asyncio.to_thread(found[batch].verify, proof, instances)).verified

        return ModelTerms(
            number=number,
            features=architecture["features"],
            outputs=architecture["outputs"],
            model_hash=model_hash,
            score_unit=model["scoreUnit"],
            batches=tuple(architecture["batchSizes"]),
            check_proof=None if problem else check_proof,
            problem=problem,
            has_spread=architecture["hasSpread"],
        )

    def _verifier(self, artifact: artifacts.Artifact) -> LocalVerifier:
        if artifact.path not in self.verifiers:
            self.verifiers[artifact.path] = self.stack.enter_context(LocalVerifier(artifact))
        return self.verifiers[artifact.path]

    async def _transaction(self, log: Log, events: Sequence[RoundEvent]) -> None:
        """All submissions of one transaction, in their order."""
        block_time = (await self.rpc.block(log.block_number)).timestamp
        tx_hash = "0x" + log.tx_hash.hex()
        waiting = [_event(event) for event in events]
        for calldata in await self._calls(log.tx_hash):
            try:
                submission = read_submission(calldata)
            except ValueError as error:
                self.problems.append(f"transaction {tx_hash}: its calldata can't be read: {error}")
                continue
            count = len(submission.updates)
            await self.auditor.submission(
                Submission(
                    tx_hash=tx_hash,
                    block_number=log.block_number,
                    block_time=block_time,
                    model_number=submission.model_number,
                    updates=submission.updates,
                    proof=submission.proof,
                    events=tuple(waiting[:count]),
                )
            )
            del waiting[:count]
        if waiting:
            self.problems.append(f"transaction {tx_hash}: {len(waiting)} rounds without a submission that carries them")

    async def _calls(self, tx_hash: bytes) -> list[bytes]:
        """The calldata of each successful call of `submit` in a transaction; relayed ones are found in its trace."""
        transaction = await self.rpc.transaction(tx_hash)
        if transaction is None:
            raise ChainUnavailable(f"{self.rpc.name} does not have transaction 0x{tx_hash.hex()}: use an archive node")
        if transaction.to == self.hub.address:
            return [transaction.data]
        trace = await self.rpc.request("debug_traceTransaction", "0x" + tx_hash.hex(), {"tracer": "callTracer"})
        return list(_submissions(trace, self.hub.address.lower()))


def read_submission(calldata: bytes) -> Call:
    """The arguments of `submit` as the hub reads them.

    Whoever relays a submission chooses its encoding, and Solidity takes more than ABI libraries do: a list in calldata
    may name elements that stand before it. What the hub took must not be unreadable to an auditor.

    Raises:
        ValueError: It is no call of `submit`, or one that the hub can't have taken.
    """
    try:
        return decode_submission(calldata)
    except ValueError:
        if calldata[:4] != hub_interface().selector("submit"):
            raise

    def word(at: int) -> int:
        # As CALLDATALOAD: positions are modulo 2^256, and what is not there is zero.
        return int.from_bytes(calldata[at % 2**256 :][:32].ljust(32, b"\0"))

    def signed(at: int) -> int:
        return (word(at) + 2**255) % 2**256 - 2**255

    def span(at: int) -> range:
        if word(at) > _MOST_ELEMENTS:
            raise ValueError(f"a list of {word(at)} elements")
        return range(word(at))

    arguments, updates = 4, []
    table = arguments + word(arguments + 32) + 32
    for index in span(table - 32):
        at = table + word(table + 32 * index)
        observations, scores = at + word(at + 64), at + word(at + 96)
        fields = [observations + 32 + 160 * each for each in span(observations)]
        updates.append(
            FeedUpdate(
                feed_id=word(at).to_bytes(32),
                round_id=word(at + 32),
                observations=tuple(
                    SignedObservation(
                        answer=signed(each),
                        observed_at=word(each + 32),
                        v=word(each + 64),
                        r=word(each + 96).to_bytes(32),
                        s=word(each + 128).to_bytes(32),
                    )
                    for each in fields
                ),
                scores=tuple(signed(scores + 32 + 32 * each) for each in span(scores)),
            )
        )
    proof = arguments + word(arguments + 64)
    return Call(word(arguments), tuple(updates), calldata[proof + 32 :][: word(proof)])


def _submissions(call: Mapping[str, Any], hub: str) -> list[bytes]:
    """Calldata of the calls of `submit` below a traced call that did not revert, in their order."""
    if call.get("error"):
        return []
    data = bytes.fromhex(str(call.get("input", "0x")).removeprefix("0x"))
    own = call.get("to") == hub and call.get("type") == "CALL" and data[:4] == hub_interface().selector("submit")
    below = [found for inner in call.get("calls", ()) for found in _submissions(inner, hub)]
    return [data, *below] if own else below


def _artifacts(folder: Path, unreadable: list[str]) -> dict[tuple[str, int | None], artifacts.Artifact]:
    """The artifacts in a folder, by their verifier's code hash and their model's hash."""
    found = {}
    for manifest in sorted(folder.glob(f"*/{artifacts.MANIFEST}")):
        try:
            artifact = artifacts.load(manifest.parent, prover=False)
        except ArtifactError as error:
            unreadable.append(str(error))
            continue
        found[artifact.manifest.verifier_code_hash.removeprefix("0x"), artifact.model_hash] = artifact
    return found


def _terms(values: Mapping[str, Any]) -> FeedTerms:
    config = values["config"]
    return FeedTerms(
        feed_id=values["feedId"],
        description=config["description"],
        kind=Kind(config["kind"]),
        sigma=config["sigma"],
        heartbeat=config["heartbeat"],
        max_age=config["maxAge"],
        max_skew=config["maxSkew"],
        max_spread=config["maxSpread"],
        quorum=config["quorum"],
        policy=HoldPolicy(
            confirmations=config["confirmations"],
            confirm_delay=config["confirmDelay"],
            tolerance=config["tolerance"],
            max_repeats=config["maxRepeats"],
        ),
        reporters=frozenset(values["reporters"]),
        model_number=values["modelNumber"],
    )


def _event(event: RoundEvent) -> Event:
    accepted = isinstance(event, RoundAccepted)
    return Event(
        feed_id=event.feed_id,
        round_id=event.round_id,
        outcome=Outcome.ACCEPTED if accepted else Outcome.HELD,
        answer=event.answer,
        observed_at=event.observed_at,
        confirmed=isinstance(event, RoundAccepted) and event.confirmed,
        reason=HoldReason.NONE if isinstance(event, RoundAccepted) else event.reason,
        confirmations=0 if isinstance(event, RoundAccepted) else event.confirmations,
    )


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return bytes(keccak(data))
